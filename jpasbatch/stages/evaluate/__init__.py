"""Stages ``evaluate`` and ``compare``."""
