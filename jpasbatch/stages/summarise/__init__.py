"""Stage ``summarise``."""
