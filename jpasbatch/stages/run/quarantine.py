"""The table of rows that a stage refused, which it publishes beside what it made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.photometry.table import count_reasons, quarantine_schema
from jpasbatch.storage.stores.files import written_aside


def publish_quarantine(parts: Iterable[Path | pa.NativeFile], target: Path) -> dict[str, int]:
    """Write one table of all rejected rows, part by part.

    Parameters
    ----------
    parts : iterable of Path, or of Parquet in memory
        Of `quarantine_schema`.
    target : Path
        Replaced atomically.

    Returns
    -------
    dict of str to int
        Rows by reason, sorted by reason.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons: Counter[str] = Counter()
    with written_aside(target) as aside, pq.ParquetWriter(aside, quarantine_schema()) as writer:
        for part in parts:
            table = pq.read_table(part)
            writer.write_table(table)
            reasons.update(count_reasons(table))
    return dict(sorted(reasons.items()))


def no_rows_left(files: Sequence[tuple[str, int]], reasons: Mapping[str, int]) -> InputError:
    """Return the error of an input of which no row is left.

    Parameters
    ----------
    files : sequence of (str, int)
        Path and number of rows of each input file.
    reasons : mapping of str to int
        Refused rows by reason.
    """
    named = ", ".join(f"{path} ({rows} rows)" for path, rows in files[:5])
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    why = ", ".join(f"{reason}: {number}" for reason, number in reasons.items()) or "the files hold no rows"
    return InputError(
        f"No rows to import from {named}{more}: {why}. Look at the quarantine, and at the quality cuts of the job "
        "([catalogue.cuts])"
    )
