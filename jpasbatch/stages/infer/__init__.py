"""Stage ``infer``."""
