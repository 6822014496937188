"""Mock galaxies and active nuclei from the far ultraviolet to the submillimetre, in the broad bands of any survey."""
