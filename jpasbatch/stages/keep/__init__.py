"""What keeps an output folder: ``prune`` and ``replicate``."""
