"""How good classifiers are: numbers, tables, figures and pages."""
