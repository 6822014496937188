"""Counts behind all numbers that say how well probabilities are calibrated, mergeable to the last bit.

Probabilities are counted in narrow cells, even in log-odds, so that bins of equal width and bins of about equal numbers
can both be made of the same counts after all parts are merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.exact_sums import exact

WIDE_BINS = 10
"""Bins of equal width (Martinez-Solaeche et al. 2023, figure 6)."""

LOG_ODDS = np.linspace(-11.0, 11.0, 111)
EDGES = np.unique(
    np.concatenate([[0.0, 1.0], np.arange(1, WIDE_BINS) / WIDE_BINS, 1.0 / (1.0 + np.exp(-LOG_ODDS))])
)
"""Edges of the cells; a cell includes its lower edge, the last one 1 too."""

LEAST_PROBABILITY = 1e-15
"""Probabilities are taken to be this at least in logarithms."""

LOSS_SCALE = 64.0
"""By which logarithmic losses are divided to fit the units of exact sums; their squares by its square."""

SUMS = ("count", "true", "probability", "brier", "brier_squared", "loss", "loss_squared")


@dataclass(frozen=True, eq=False)
class CalibrationTally:
    """Sums over g groups and k classes, with all classes together as the last, and c cells of probability.

    Groups are bins of magnitude, then the objects outside of them. The probability of all classes together is the
    highest one (the confidence), which comes true where its class is the true one; its Brier score and loss are those
    of all probabilities.

    Attributes
    ----------
    count, true, probability : ndarray of int64, shape (g, k + 1, c)
        Objects of known class, those of the class, and their summed probability (`exact`).
    brier, brier_squared, loss, loss_squared : ndarray of int64, shape (g, k + 1)
        Sums of the Brier score of each object, of its logarithmic loss over `LOSS_SCALE`, and of their squares.
    """

    count: np.ndarray
    true: np.ndarray
    probability: np.ndarray
    brier: np.ndarray
    brier_squared: np.ndarray
    loss: np.ndarray
    loss_squared: np.ndarray

    @classmethod
    def create(cls, classes: int, groups: int) -> CalibrationTally:
        """Return the tally of no objects; groups are those of magnitude."""
        wide, narrow = (groups + 1, classes + 1, len(EDGES) - 1), (groups + 1, classes + 1)
        return cls(*(np.zeros(wide if name in SUMS[:3] else narrow, dtype=np.int64) for name in SUMS))

    def add(self, labels: np.ndarray, probabilities: np.ndarray, group: np.ndarray) -> CalibrationTally:
        """Return the tally with objects added.

        Parameters
        ----------
        labels : ndarray of int, shape (n,)
            -1: not known, and not counted.
        probabilities : ndarray, shape (n, k)
        group : ndarray of int, shape (n,)
            -1: outside all groups.

        Raises
        ------
        ValueError
            When a label or group is out of range, or a probability is not within 0 to 1.
        """
        groups, classes = self.brier.shape[0] - 1, self.brier.shape[1] - 1
        known = np.asarray(labels) != -1
        labels = np.asarray(labels)[known].astype(np.int64)
        values = np.asarray(probabilities, dtype=np.float64)[known]
        group = np.asarray(group)[known].astype(np.int64)
        if values.shape != (len(labels), classes) or not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError(f"probabilities {values.shape}: must be (n, {classes}) and within 0 to 1")
        for name, one, low, high in (("labels", labels, 0, classes), ("group", group, -1, groups)):
            if len(one) and not (low <= one.min() and one.max() < high):
                raise ValueError(f"{name}: found {one.min()} to {one.max()}; allowed are {low} to {high - 1}")
        belongs = labels[:, None] == np.arange(classes)
        value, comes_true = _with_confidence(values, belongs)
        brier, loss = _scores(values, belongs)
        new = CalibrationTally.create(classes, groups)
        at = group[:, None] % (groups + 1), np.arange(classes + 1)[None, :]
        cell = np.clip(np.searchsorted(EDGES, value, side="right") - 1, 0, len(EDGES) - 2)
        np.add.at(new.count, (*at, cell), 1)
        np.add.at(new.true, (*at, cell), comes_true)
        np.add.at(new.probability, (*at, cell), exact(value))
        np.add.at(new.brier, at, exact(brier))
        np.add.at(new.brier_squared, at, exact(brier**2))
        np.add.at(new.loss, at, exact(loss / LOSS_SCALE))
        np.add.at(new.loss_squared, at, exact((loss / LOSS_SCALE) ** 2))
        return self.merge(new)

    def merge(self, other: CalibrationTally) -> CalibrationTally:
        """Return the tally of both parts.

        Raises
        ------
        ValueError
            When they are of other groups or classes.
        """
        if self.count.shape != other.count.shape:
            raise ValueError(f"cannot merge tallies of shapes {self.count.shape} and {other.count.shape}")
        return CalibrationTally(*(getattr(self, name) + getattr(other, name) for name in SUMS))

    def with_all(self) -> CalibrationTally:
        """Return the same with all objects as the last group, in place of those outside the others."""
        return CalibrationTally(
            *(np.concatenate([one[:-1], one.sum(axis=0, keepdims=True)]) for one in self.arrays())
        )

    def arrays(self) -> list[np.ndarray]:
        """Return all sums, in the order of `SUMS`."""
        return [getattr(self, name) for name in SUMS]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form, which leaves out what is zero."""
        content: dict[str, Any] = {"shape": list(self.count.shape)}
        for name, one in zip(SUMS, self.arrays(), strict=True):
            at = np.flatnonzero(one)
            content[name] = [at.tolist(), one.ravel()[at].tolist()]
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CalibrationTally:
        """Return the tally that `to_dict` described."""
        groups, classes, _ = content["shape"]
        tally = cls.create(classes - 1, groups - 1)
        for name, one in zip(SUMS, tally.arrays(), strict=True):
            at, values = content[name]
            one.ravel()[np.asarray(at, dtype=np.int64)] = values
        return tally


def _with_confidence(values: np.ndarray, belongs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and whether they come true, (n, k + 1) each; the confidence is the last column."""
    best = values.argmax(axis=1)[:, None]
    right = np.take_along_axis(belongs, best, axis=1)
    return np.hstack([values, np.take_along_axis(values, best, axis=1)]), np.hstack([belongs, right])


def _scores(values: np.ndarray, belongs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Brier score and logarithmic loss of each class alone, and of all together last, (n, k + 1) each."""
    squares = (values - belongs) ** 2
    losses = -np.log(np.maximum(np.where(belongs, values, 1.0 - values), LEAST_PROBABILITY))
    together = -np.log(np.maximum(values[belongs], LEAST_PROBABILITY))
    return (
        np.hstack([squares, squares.sum(axis=1, keepdims=True)]),
        np.hstack([losses, together[:, None]]),
    )
