"""Ids that occur twice in a set of files, from hashes on disk: memory does not grow with the number of rows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pandas.util import hash_array  # type: ignore[attr-defined]

BUCKETS = 64
ENTRY = np.dtype([("hash", "<u8"), ("file", "<u4")])


class Identities:
    """Takes ids file by file, and counts those that were there before.

    Two different ids have the same hash of 64 bits with a probability of n²/3.7e19: 3 in 100,000 for 50 million rows.

    Parameters
    ----------
    folder : Path
        An empty one, for the hashes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, identifiers: pa.Array, file: int) -> None:
        """Take the ids of some rows of a file, by its number."""
        if not len(identifiers):
            return
        entries = np.empty(len(identifiers), dtype=ENTRY)
        hashed: Any = hash_array  # pandas has no types for it
        entries["hash"] = hashed(identifiers.to_numpy(zero_copy_only=False), categorize=False)
        entries["file"] = file
        entries = entries[np.argsort(entries["hash"] % BUCKETS, kind="stable")]
        ends = np.searchsorted(entries["hash"] % BUCKETS, np.arange(BUCKETS + 1))
        for bucket, (first, last) in enumerate(pairwise(ends)):
            if last > first:
                with (self._folder / f"{bucket:02d}").open("ab") as target:
                    target.write(entries[first:last].tobytes())

    def repeated(self) -> Counter[int]:
        """Return how many rows of each file have an id that an earlier row, of any file, has."""
        found: Counter[int] = Counter()
        for bucket in sorted(self._folder.iterdir()):
            entries = np.frombuffer(bucket.read_bytes(), dtype=ENTRY)
            entries = entries[np.lexsort((entries["file"], entries["hash"]))]
            later = np.flatnonzero(entries["hash"][1:] == entries["hash"][:-1]) + 1
            found.update(entries["file"][later].tolist())
        return found
