"""Redshifts of candidates: their distribution, and how good they are where the truth is known."""
