"""What the record of ``ingest`` says of all files together, and where their refused rows are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from jpasbatch.stages.run.workspace import SHORT, Workspace


def total_values(values: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return how many values (an object in a band) were doubted or completed in all files, by what was done."""
    total: Counter[str] = Counter()
    for one in values:
        total.update(one)
    return dict(sorted(total.items()))


def all_notes(notes: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the notes of all files, each once, sorted."""
    return tuple(sorted({note for one in notes for note in one}))


def refused_by(workspace: Workspace, identity: str) -> Path:
    """Return the table of the rows that an ingest refused, by its fingerprint."""
    return workspace.quarantine / f"ingest-{identity[:SHORT]}.parquet"
