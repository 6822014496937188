"""Whole-survey classification of J-PAS photometry: catalogues in, science out."""

__version__ = "0.1.0"
