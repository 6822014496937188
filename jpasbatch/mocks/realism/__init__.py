"""How real mock objects look: comparisons with what was observed."""
