"""From which probability on an object counts as one of the class that is sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options


@dataclass(frozen=True)
class Decision(Options):
    """How probabilities become classes: the table ``[decision]`` of a job file.

    Attributes
    ----------
    rule : {"most_probable", "balanced", "completeness"}
        "most_probable": the class of the highest probability; of two classes, a threshold of one half. The others
        choose a threshold on the validation sample alone: "balanced" where the completeness of the class and that of
        the rest have the largest sum, "completeness" the highest at which the class is complete to ``at_least``.
    of : str
        The class that is sought; the last one if empty.
    at_least : float
        Completeness.
    """

    rule: Literal["most_probable", "balanced", "completeness"] = "most_probable"
    of: str = ""
    at_least: Annotated[float, Interval(gt=0, le=1)] = 0.85

    def position(self, classes: tuple[str, ...]) -> int:
        """Return the position of the class that is sought."""
        return classes.index(self.of) if self.of else len(classes) - 1

    def fit(self, probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> FittedDecision:
        """Return the rule with the threshold that a validation sample chooses.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
            Of a sample that nothing was learnt from; calibrated.
        labels : ndarray of int, shape (n,)
        classes : tuple of str

        Raises
        ------
        ValueError
            If no object is of the class that is sought, or all are.
        """
        position = self.position(classes)
        threshold = self.threshold(probabilities[:, position], labels == position)
        return FittedDecision(self, position, threshold)

    def threshold(self, probability: np.ndarray, belongs: np.ndarray) -> float | None:
        """Return the probability from which on an object is of the class; None for the most probable class.

        Parameters
        ----------
        probability : ndarray, shape (n,)
            Of the class, in a sample that nothing was learnt from.
        belongs : ndarray of bool, shape (n,)
            Whether an object truly is of the class.

        Raises
        ------
        ValueError
            If no object is of the class, or all are.
        """
        if self.rule == "most_probable":
            return None
        if belongs.all() or not belongs.any():
            raise ValueError("a threshold needs objects of the class, and others")
        order = np.argsort(-probability, kind="stable")
        values, right = probability[order], belongs[order]
        last = np.flatnonzero(np.append(values[:-1] != values[1:], True))  # of each distinct value
        found = np.cumsum(right)[last] / right.sum()
        lost = np.cumsum(~right)[last] / (~right).sum()
        if self.rule == "balanced":
            best = int(np.argmax(found - lost))
        else:
            best = int(np.argmax(found >= self.at_least - 1e-12))
        below = values[last[best] + 1] if best + 1 < len(last) else 0.0
        return float(0.5 * values[last[best]] + 0.5 * below)  # halfway to the next object


@dataclass(frozen=True)
class FittedDecision:
    """A rule with the threshold that it chose on a validation sample.

    Attributes
    ----------
    rule : Decision
    position : int
        Position of the class that is sought.
    threshold : float or None
        Probability from which on an object is of that class; below it, it is of the most probable of the others.
        None: every object is of its most probable class.
    """

    rule: Decision
    position: int
    threshold: float | None

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the class of each object, int64 (n,), from probabilities (n, classes)."""
        if self.threshold is None:
            return probabilities.argmax(axis=1)
        classes = np.arange(probabilities.shape[1])
        others = np.where(classes == self.position, -1.0, probabilities).argmax(axis=1)
        return np.where(probabilities[:, self.position] >= self.threshold, self.position, others)
