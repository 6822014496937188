"""Purity and completeness that the probabilities themselves promise, at any threshold."""
