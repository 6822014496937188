"""What a committee says of a whole sky, small enough for one machine: objects counted in cells of probability.

Objects of a stratum whose probabilities are nearly the same share a cell. It holds their number and the sum of their
probabilities, exactly, so that partitions add up to the same cells in any order. How many cells there are depends on
what committees say, and not on how many objects they say it of.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from jpasbatch.learning.exact_sums import exact, inexact

STEP, SOFTENING = 0.2, 0.003
"""Width of a cell in ln(p + SOFTENING). Smaller probabilities may share a cell: sums keep them exactly. On 90,000
objects of a mock sky the shares found from cells and from the objects differ by 2 parts in 10,000 at most."""

BITS = 5
"""Of the level of one probability: there are 30 levels."""

MOST_CLASSES = 10

SCALE = 256.0
"""Magnitudes and numbers of bands are below it: in this unit as many of them can be summed as probabilities."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Objects by stratum and by probabilities.

    Attributes
    ----------
    keys : ndarray of int64, shape (cells,)
        Rising; the stratum above the levels of the probabilities.
    numbers : ndarray of int64, shape (cells,)
        Objects in each cell.
    sums : ndarray of int64, shape (cells, classes)
        Of their probabilities (`exact`).
    magnitudes, missing : ndarray of int64, shape (cells,)
        Of their magnitudes and of their numbers of missing bands, in units of `SCALE` (`exact`).
    """

    keys: np.ndarray
    numbers: np.ndarray
    sums: np.ndarray
    magnitudes: np.ndarray
    missing: np.ndarray

    @classmethod
    def empty(cls, classes: int) -> Cells:
        """Return the cells of no objects."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, np.zeros((0, classes), dtype=np.int64), none, none)

    @classmethod
    def of(
        cls, probabilities: np.ndarray, stratum: np.ndarray, magnitude: np.ndarray, missing: np.ndarray
    ) -> Cells:
        """Return the cells of objects.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
            Rows sum to 1.
        stratum : ndarray of int, shape (n,)
        magnitude : ndarray, shape (n,)
            Finite.
        missing : ndarray of int, shape (n,)
            Number of bands that were not observed.

        Raises
        ------
        ValueError
            When there are more classes than a key has room for.
        """
        classes = probabilities.shape[1]
        if classes > MOST_CLASSES:
            raise ValueError(f"{classes} classes: cells have room for {MOST_CLASSES}")
        columns = np.asarray(probabilities, dtype=np.float64).T
        softened = np.log(columns + SOFTENING) - np.log(SOFTENING)
        keys = np.array(stratum, dtype=np.int64)
        for levels in np.rint(softened / STEP).astype(np.int64):
            keys = (keys << BITS) | levels
        return cls._summed(
            keys,
            np.ones(len(keys), dtype=np.int64),
            exact(columns).T,
            exact(np.asarray(magnitude) / SCALE),
            exact(np.asarray(missing) / SCALE),
        )

    @classmethod
    def _summed(cls, keys: np.ndarray, *columns: np.ndarray) -> Cells:
        if not len(keys):
            return cls.empty(columns[1].shape[1])
        ordered, order = _sorted(keys)
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        return cls(ordered[starts], *(_sums(column, order, starts) for column in columns))

    @classmethod
    def merged(cls, parts: Iterable[Cells], classes: int) -> Cells:
        """Return the cells of all parts."""
        total, waiting, rows = cls.empty(classes), [], 0
        for part in parts:
            waiting.append(part)
            rows += len(part.keys)
            if rows > max(len(total.keys), MERGED_ROWS):
                total, waiting, rows = cls._joined([total, *waiting]), [], 0
        return cls._joined([total, *waiting])

    @classmethod
    def _joined(cls, parts: list[Cells]) -> Cells:
        return cls._summed(*(np.concatenate([getattr(one, name) for one in parts]) for name in FIELDS))

    @property
    def stratum(self) -> np.ndarray:
        """Stratum of each cell, int64 (cells,)."""
        return self.keys >> (BITS * self.sums.shape[1])

    @property
    def probabilities(self) -> np.ndarray:
        """Mean probabilities of the objects of each cell, float64 (cells, classes)."""
        return inexact(self.sums) / self.numbers[:, None]

    @property
    def magnitude(self) -> np.ndarray:
        """Mean magnitude of the objects of each cell, float64 (cells,)."""
        return inexact(self.magnitudes) * SCALE / self.numbers

    @property
    def mean_missing(self) -> np.ndarray:
        """Mean number of missing bands of the objects of each cell, float64 (cells,)."""
        return inexact(self.missing) * SCALE / self.numbers

    def to_bytes(self) -> bytes:
        """Return the cells as a file."""
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **{name: getattr(self, name) for name in FIELDS})
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Cells:
        """Return the cells that `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in FIELDS))


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return keys in rising order, and the rows that they are from; both int64 (n,).

    Where a key leaves room for the number of its row, both are sorted as one number: half as slow as an order of rows.
    """
    room = int(len(keys) - 1).bit_length()
    if keys.min() < 0 or int(keys.max()).bit_length() + room > KEY_BITS:
        order = np.argsort(keys, kind="stable")
        return keys[order], order
    both = np.sort((keys << room) | np.arange(len(keys)))
    return both >> room, both & ((1 << room) - 1)


def _sums(column: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the sums of rows that follow each other in an order, (cells,) or (cells, classes)."""
    if column.ndim == 1:
        return np.add.reduceat(column[order], starts)
    # class by class: NumPy adds short rows at half of that speed
    return np.column_stack([np.add.reduceat(one[order], starts) for one in column.T])


KEY_BITS = 63
FIELDS = ("keys", "numbers", "sums", "magnitudes", "missing")
MERGED_ROWS = 500_000
"""Cells of parts that are read before they are added."""
