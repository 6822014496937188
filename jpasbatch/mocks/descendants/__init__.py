"""Spectra of mock objects: parents, brought to a redshift, varied, and seen through what lies in front."""
