"""Target lists, and the files that spectrographs take."""
