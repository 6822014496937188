"""Committees that come with the package: a folder each, ``<name>/``, as training wrote it."""
