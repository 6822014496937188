"""Histograms of magnitudes, colours and confidence."""
