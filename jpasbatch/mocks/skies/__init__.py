"""Whole mock skies of each kind: rows of tables, as a survey would publish them."""
