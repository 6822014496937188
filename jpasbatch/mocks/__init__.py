"""Spectra to noisy photometry with known class and redshift."""
