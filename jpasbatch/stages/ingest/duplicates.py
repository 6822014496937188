"""Object ids that occur more than once in a set of Parquet files, found in bounded memory.

Ids are hashed and scattered over buckets on disk, so that each bucket is compared on its own: memory is
bounded by the number of rows divided by the number of buckets, and never by one set of all ids.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from jpasbatch.photometry.identifiers import hash_identifiers

BUCKETS = 64
ENTRY = np.dtype([("hash", "<u8"), ("file", "<u4"), ("row", "<u8")])


def find_duplicates(files: list[Path], scratch: Path) -> dict[Path, list[tuple[int, str]]]:
    """Return every row whose id already occurred in an earlier row or file.

    Parameters
    ----------
    files : list of Path
        Parquet files with a column ``object_id``; their order decides which row counts as the first.
    scratch : Path
        Folder for temporary files; emptied before and removed after.

    Returns
    -------
    dict of Path to list of (int, str)
        By file: row number within the file, and the id. Files without duplicates are absent.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        for number, path in enumerate(files):
            _scatter(path, number, scratch)
        suspects = [_collisions(scratch / f"{bucket:02d}") for bucket in range(BUCKETS)]
    finally:
        shutil.rmtree(scratch)
    return _confirm(files, np.concatenate(suspects))


def _scatter(path: Path, number: int, scratch: Path) -> None:
    first = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["object_id"], batch_size=200_000):
            entries = np.empty(batch.num_rows, dtype=ENTRY)
            entries["hash"] = hash_identifiers(batch.column(0).to_pylist())
            entries["file"] = number
            entries["row"] = np.arange(first, first + batch.num_rows)
            first += batch.num_rows
            buckets = entries["hash"] % BUCKETS
            for bucket in np.unique(buckets):
                with (scratch / f"{bucket:02d}").open("ab") as target:
                    target.write(entries[buckets == bucket].tobytes())


def _collisions(bucket: Path) -> np.ndarray:
    """Return the entries of a bucket whose hash occurs more than once."""
    if not bucket.exists():
        return np.empty(0, dtype=ENTRY)
    entries = np.frombuffer(bucket.read_bytes(), dtype=ENTRY)
    _, inverse, counts = np.unique(entries["hash"], return_inverse=True, return_counts=True)
    return entries[counts[inverse] > 1]


def _confirm(files: list[Path], suspects: np.ndarray) -> dict[Path, list[tuple[int, str]]]:
    """Compare the ids themselves (two ids may share a hash) and drop the first row of each."""
    seen: set[str] = set()
    duplicates: dict[Path, list[tuple[int, str]]] = {}
    for number in np.unique(suspects["file"]):
        path = files[int(number)]
        identifiers = pq.read_table(path, columns=["object_id"])["object_id"]
        for row in np.sort(suspects["row"][suspects["file"] == number]):
            identifier = identifiers[int(row)].as_py()
            if identifier in seen:
                duplicates.setdefault(path, []).append((int(row), identifier))
            seen.add(identifier)
    return duplicates
