"""Names of the files of a target list, beside the one that WEAVE takes."""

from __future__ import annotations


def candidates_name(stem: str) -> str:
    """Return the name of the table of candidates of a list: ``WQ_2027A1-candidates.parquet``."""
    return f"{stem}-candidates.parquet"
