"""How many objects lie above a threshold of probability, and how many of them the probabilities promise.

Where probabilities are right, their sum over any objects that were chosen by them is the number that one expects to be
of the class. So purity and completeness of a selection follow without knowing the truth of any object:

    purity = sum of p above the threshold / objects above it
    completeness = sum of p above the threshold / sum of p of all
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MultipleOf

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.options import Options
from jpasbatch.products.accumulation import decode_counts, encode_counts


@dataclass(frozen=True)
class ExpectedOptions(Options):
    """Thresholds at which purity and completeness are told.

    Attributes
    ----------
    thresholds : int
        From 0 to below 1, evenly spaced. A multiple of ten, so that 0.1, 0.2, ... are among them.
    """

    thresholds: Annotated[int, Interval(ge=10, le=1000), MultipleOf(10)] = 100


@dataclass(frozen=True, eq=False)
class ThresholdTally:
    """Sums over g groups of objects, q probabilities and c cells of probability.

    Groups are the magnitude bins, the objects outside all of them, and those that the job counts. Probabilities are
    those of each class, then of any counted class. A cell excludes its lower edge and includes the upper one.

    Attributes
    ----------
    objects, true : ndarray of int64, shape (g, q, c)
        Objects, and those that are truly of the class.
    probability, variance : ndarray of int64, shape (g, q, c)
        Sums of p and of p (1 - p), in the units of `jpasbatch.learning.exact_sums`.
    known : ndarray of int64, shape (g,)
        Objects of known class.
    """

    objects: np.ndarray
    true: np.ndarray
    probability: np.ndarray
    variance: np.ndarray
    known: np.ndarray

    @classmethod
    def create(cls, groups: int, probabilities: int, cells: int) -> ThresholdTally:
        """Return the tally of no objects."""
        shape = (groups, probabilities, cells)
        sums = {name: np.zeros(shape, dtype=np.int64) for name in SUMS[:-1]}
        return cls(**sums, known=np.zeros(groups, dtype=np.int64))

    def add(
        self, group: np.ndarray, probabilities: np.ndarray, belongs: np.ndarray, known: np.ndarray
    ) -> None:
        """Count objects into this tally.

        Parameters
        ----------
        group : ndarray of int, shape (n,)
        probabilities : ndarray of float64, shape (n, q)
            Within 0 to 1.
        belongs : ndarray of bool, shape (n, q)
            Whether the object is truly of the class.
        known : ndarray of bool, shape (n,)
            Whether its class is known.
        """
        cells = self.objects.shape[2]
        # of single precision, a sum of probabilities may exceed 1 in the last digit
        values = np.minimum(probabilities, 1.0)
        cell = np.maximum(np.searchsorted(cell_edges(cells), values, side="left") - 1, 0)
        at = group[:, None], np.arange(values.shape[1])[None, :], cell
        np.add.at(self.objects, at, 1)
        np.add.at(self.true, at, belongs)
        np.add.at(self.probability, at, exact(values))
        np.add.at(self.variance, at, exact(values * (1.0 - values)))
        np.add.at(self.known, group, known)

    def merge(self, other: ThresholdTally) -> ThresholdTally:
        """Return the tally of both parts."""
        return ThresholdTally(*(getattr(self, name) + getattr(other, name) for name in SUMS))

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {name: encode_counts(getattr(self, name)) for name in SUMS}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ThresholdTally:
        """Return the tally that `to_dict` described."""
        return cls(*(decode_counts(values[name]) for name in SUMS))

    def extract(self) -> ThresholdCurves:
        """Return what is above each threshold: of each magnitude bin, of all objects, and of those that are counted."""
        objects, true = (_above(_with_all(one)) for one in (self.objects, self.true))
        expected, variance = (inexact(_above(_with_all(one))) for one in (self.probability, self.variance))
        unknown = _with_all(self.known) < objects[:, 0, 0]
        return ThresholdCurves(
            cell_edges(self.objects.shape[2])[:-1],
            objects,
            expected,
            variance,
            np.where(unknown[:, None, None], np.nan, true),
        )


SUMS = ("objects", "true", "probability", "variance", "known")


def cell_edges(cells: int) -> np.ndarray:
    """Return the edges of cells of probability, float64 (cells + 1,)."""
    return np.arange(cells + 1) / cells


def _with_all(sums: np.ndarray) -> np.ndarray:
    """Return sums of bins, all objects, and counted ones, of sums of bins, outside objects, and counted ones."""
    return np.concatenate([sums[:-2], sums[:-1].sum(axis=0, keepdims=True), sums[-1:]])


def _above(sums: np.ndarray) -> np.ndarray:
    """Return sums over all cells from each one on."""
    return sums[..., ::-1].cumsum(axis=-1)[..., ::-1]


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """What is above each of t thresholds; g groups (bins, all, counted), q probabilities (classes, any counted one).

    Attributes
    ----------
    thresholds : ndarray, shape (t,)
        Exclusive, but for the first: 0 selects all objects.
    selected : ndarray of int64, shape (g, q, t)
        Objects above the threshold.
    expected : ndarray, shape (g, q, t)
        How many of them are of the class, as their probabilities have it.
    variance : ndarray, shape (g, q, t)
        Of the true number, where probabilities are right: the sum of p (1 - p).
    true : ndarray, shape (g, q, t)
        How many truly are; NaN in groups that hold an object of unknown class.
    """

    thresholds: np.ndarray
    selected: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    true: np.ndarray

    @property
    def purity(self) -> np.ndarray:
        """Expected purity, (g, q, t); NaN where nothing is selected."""
        return _ratio(self.expected, self.selected)

    @property
    def purity_error(self) -> np.ndarray:
        """Scatter of the true purity about the expected one, one standard deviation."""
        return _ratio(np.sqrt(self.variance), self.selected)

    @property
    def completeness(self) -> np.ndarray:
        """Expected completeness, (g, q, t); NaN where no object is expected at all."""
        return _ratio(self.expected, self.expected[..., :1])

    @property
    def completeness_error(self) -> np.ndarray:
        """Scatter of the true completeness about the expected one, one standard deviation.

        Numbers above and below the threshold, S and R, scatter independently: C = S / (S + R) has the variance
        ((1 - C)^2 var S + C^2 var R) / (S + R)^2.
        """
        share = self.completeness
        below = self.variance[..., :1] - self.variance
        spread = (1.0 - share) ** 2 * self.variance + share**2 * below
        return _ratio(np.sqrt(np.maximum(spread, 0.0)), self.expected[..., :1])

    @property
    def true_purity(self) -> np.ndarray:
        """Share of the selected objects that truly are of the class, (g, q, t)."""
        return _ratio(self.true, self.selected)

    @property
    def true_completeness(self) -> np.ndarray:
        """Share of the objects of the class that are selected, (g, q, t)."""
        return _ratio(self.true, self.true[..., :1])


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
