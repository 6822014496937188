"""Which commits of a run still hold, and the quarantine that a run publishes.

A commit says what was written; ``files`` in its record are the paths and hashes of that. What an earlier run
left behind is looked at again before it is built upon: a file may have been deleted or damaged meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jpasbatch.photometry.table import count_reasons, quarantine_schema
from jpasbatch.storage.files import sha256_file, written_aside
from jpasbatch.storage.ledger import Ledger

log = logging.getLogger(__name__)


def hash_files(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """Return the ``files`` of a commit: the SHA-256 of each, by its path relative to a folder."""
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def whole_commits(
    ledger: Ledger, folder: Path, keys: Iterable[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the commits whose files are what was committed, and forget the others.

    Parameters
    ----------
    ledger : Ledger
    folder : Path
        Which the paths in the ``files`` of each record are relative to.
    keys : iterable of str, optional
        Commits to look at; all of the ledger by default.

    Returns
    -------
    dict of str to dict
        Records by key. What is absent is to be done (again).

    Raises
    ------
    InputError
        When a record itself is damaged.
    """
    whole = {}
    for key in ledger.keys() if keys is None else keys:
        record = ledger.read(key)
        if record is None:
            continue
        damaged = [path for path, digest in record["files"].items() if not _is_whole(folder / path, digest)]
        if damaged:
            log.warning("%s: %s is missing or damaged; it is computed again", key, folder / damaged[0])
            ledger.forget(key)
        else:
            whole[key] = record
    return whole


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256


def publish_quarantine(parts: Sequence[Path], target: Path) -> dict[str, int]:
    """Write one table of all rejected rows, part by part.

    Parameters
    ----------
    parts : sequence of Path
        Parquet files of `quarantine_schema`.
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
