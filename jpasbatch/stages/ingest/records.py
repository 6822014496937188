"""What the record of ``ingest`` says of all files together, and where their refused rows are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jpasbatch.stages.run.workspace import SHORT, Workspace


def total_values(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many values (an object in a band) were doubted or completed, by what was done.

    Parameters
    ----------
    records : iterable of mapping
        Of files, or of earlier stages, with ``values``.
    """
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.get("values", {}))
    return dict(sorted(total.items()))


def all_notes(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the notes of files, each once, sorted."""
    return sorted({note for record in records for note in record["notes"]})


def refused_by(workspace: Workspace, identity: str) -> Path:
    """Return the table of the rows that an ingest refused, by its fingerprint."""
    return workspace.quarantine / f"ingest-{identity[:SHORT]}.parquet"
