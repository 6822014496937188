"""Ids that occur twice in a set of files, from hashes on disk: memory does not grow with the number of rows."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BUCKETS = 64
WAITING = 500_000
"""Entries that are written together: 6 MB."""

WORD = 8
"""Bytes of an id that are mixed at once."""

ODD = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15], dtype=np.uint64)
"""Multipliers of splitmix64 (Steele, Lea & Flood 2014, OOPSLA, p. 453)."""

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
        self._waiting: list[np.ndarray] = []

    def add(self, identifiers: pa.Array, file: int) -> None:
        """Take the ids of some rows of a file, by its number."""
        if not len(identifiers):
            return
        entries = np.empty(len(identifiers), dtype=ENTRY)
        entries["hash"], entries["file"] = hashes(identifiers), file
        self._waiting.append(entries)
        if sum(map(len, self._waiting)) >= WAITING:
            self._write()

    def _write(self) -> None:
        """Write what waits in memory, each entry to its bucket."""
        entries = np.concatenate([np.empty(0, dtype=ENTRY), *self._waiting])
        self._waiting.clear()
        buckets = (entries["hash"] % BUCKETS).astype(np.uint8)
        order = np.argsort(buckets, kind="stable")
        entries = entries[order]
        ends = np.searchsorted(buckets[order], np.arange(BUCKETS + 1))
        for bucket, (first, last) in enumerate(pairwise(ends)):
            if last > first:
                with (self._folder / f"{bucket:02d}").open("ab") as target:
                    target.write(entries[first:last].tobytes())

    def repeated(self) -> Counter[int]:
        """Return how many rows of each file have an id that an earlier row, of any file, has."""
        self._write()
        found: Counter[int] = Counter()
        for bucket in sorted(self._folder.iterdir()):
            entries = np.frombuffer(bucket.read_bytes(), dtype=ENTRY)
            ordered = np.sort(entries["hash"])
            if not (ordered[1:] == ordered[:-1]).any():
                continue
            entries = entries[np.lexsort((entries["file"], entries["hash"]))]
            later = np.flatnonzero(entries["hash"][1:] == entries["hash"][:-1]) + 1
            found.update(entries["file"][later].tolist())
        return found


def hashes(identifiers: pa.Array) -> np.ndarray:
    """Return a hash of each id, uint64 (n,): the sum of what is made of its length and of every 8 bytes of it.

    Parameters
    ----------
    identifiers : pyarrow.Array of str
        Without nulls.
    """
    lengths = pc.call_function("binary_length", [identifiers]).to_numpy(zero_copy_only=False)
    words = max(-(-int(lengths.max(initial=0)) // WORD), 1)
    options = pc.PadOptions(width=words * WORD, padding="\0")  # bytes of 0 add nothing below
    padded = pc.call_function("ascii_rpad", [identifiers], options)
    content = np.frombuffer(padded.buffers()[2], dtype="<u8", count=len(lengths) * words)
    found = _mixed(lengths.astype(np.uint64))
    for place, word in enumerate(content.reshape(-1, words).T):
        found += _mixed(word * (ODD[0] + np.uint64(2 * place)))
    return found


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Return numbers of 64 bits of which each bit hangs on all those of the given ones; 0 stays 0."""
    found = numbers * ODD[2]
    found ^= found >> np.uint64(30)
    found *= ODD[0]
    found ^= found >> np.uint64(27)
    found *= ODD[1]
    return found ^ (found >> np.uint64(31))
