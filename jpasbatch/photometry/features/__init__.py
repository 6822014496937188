"""Photometry to the numbers that a classifier sees: one module a family of kinds."""
