"""Columns that travel from published tables into the catalogue, beside the photometry."""
