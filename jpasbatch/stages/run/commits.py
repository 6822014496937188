"""Which commits of a run still hold, and the quarantine that a run publishes.

A commit says what was written; ``files`` in its record are the keys and stamps of that (see
`jpasbatch.storage.stores.store.Store.stamps`: the SHA-256 of a file, the entity tag of an object). What an earlier
run left behind is looked at again before it is built upon: a file may have been deleted or damaged meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.photometry.table import count_reasons, quarantine_schema
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.ledger import Ledger
from jpasbatch.storage.stores.store import Store, open_store

log = logging.getLogger(__name__)


def hash_files(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """Return the ``files`` of a commit: the SHA-256 of each, by its path relative to a folder."""
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def whole_commits(
    ledger: Ledger, place: Path | Store, keys: Iterable[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the commits whose files are what was committed, and forget the others.

    Parameters
    ----------
    ledger : Ledger
    place : Path or Store
        Folder or store that the keys in the ``files`` of each record belong to.
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
    store = open_store(place)
    records = ledger.records(ledger.keys() if keys is None else keys)
    found = store.stamps([file for record in records.values() for file in record["files"]])
    whole = {}
    for key, record in records.items():
        damaged = [file for file, stamp in record["files"].items() if found.get(file) != stamp]
        if damaged:
            log.warning("%s: %s/%s is missing or damaged; it is computed again", key, store, damaged[0])
            ledger.forget(key)
        else:
            whole[key] = record
    return whole


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
