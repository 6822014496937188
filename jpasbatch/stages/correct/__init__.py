"""Stage ``correct``."""
