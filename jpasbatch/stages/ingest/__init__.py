"""Stage ``ingest``."""
