"""Probabilities to science: records, counts, targets, figures, reports."""
