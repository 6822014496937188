"""What is known of how unusual objects are, and on which of them members disagree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

SUBSETS = ("safe", "extrapolation", "unsafe", "unknown")
"""Names of the subsets, in the order of their numbers (the first three as KiDS names them: Nakoneczny et al. 2021)."""

SAFE, EXTRAPOLATION, UNSAFE, UNKNOWN = range(len(SUBSETS))


@dataclass(frozen=True, eq=False)
class Novelty:
    """How unusual n objects are.

    Attributes
    ----------
    score : ndarray of float64, shape (n,)
        -log10 of the share of ordinary objects, of the same class and magnitude, that look at least as strange: 2 is
        one in a hundred. NaN where nothing is known.
    subset : ndarray of int8, shape (n,)
        Position in `SUBSETS`.
    disagreement : ndarray of float64, shape (n,)
        Of the members, bits (`jpasbatch.learning.judgement.disagreement`); NaN for a committee of one.
    few_bands : ndarray of bool, shape (n,), or None
        Which objects have fewer bands than the committee was validated with; None where that is not known.
    """

    score: np.ndarray
    subset: np.ndarray
    disagreement: np.ndarray
    few_bands: np.ndarray | None = None

    @classmethod
    def unknown(cls, rows: int) -> Novelty:
        """Return that nothing is known of some objects: they are never called safe."""
        nothing = np.full(rows, np.nan)
        return cls(nothing, np.full(rows, UNKNOWN, dtype=np.int8), nothing.copy())

    def take(self, rows: np.ndarray) -> Novelty:
        """Return what is known of some of the objects."""
        few_bands = None if self.few_bands is None else self.few_bands[rows]
        return Novelty(self.score[rows], self.subset[rows], self.disagreement[rows], few_bands)

    def spread(self, rows: np.ndarray) -> Novelty:
        """Return the same of more objects, of which only these are known; rows is bool, shape (all objects,)."""
        whole = Novelty.unknown(len(rows))
        whole.score[rows], whole.subset[rows] = self.score, self.subset
        whole.disagreement[rows] = self.disagreement
        if self.few_bands is None:
            return whole
        few_bands = np.zeros(len(rows), dtype=bool)
        few_bands[rows] = self.few_bands
        return replace(whole, few_bands=few_bands)

    def count_few_bands(self) -> int | None:
        """Return how many objects have fewer bands than the committee was validated with; None if not known."""
        return None if self.few_bands is None else int(np.count_nonzero(self.few_bands))
