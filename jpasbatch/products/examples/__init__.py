"""A few example objects with their J-spectra."""
