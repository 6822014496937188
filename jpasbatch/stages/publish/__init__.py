"""What decides whether a new version is published, and the verbs ``publish`` and ``discard``."""
