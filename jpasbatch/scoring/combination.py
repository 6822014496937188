"""Several committees as one: a regression on their log-probabilities, by magnitude, fitted to validation data.

Paper A (section 5) announces a combined algorithm of several classifiers. Here the combined log-probability of a
class is the sum over committees of s_c(m) log p_c, plus a bias b(m) of the class; s and b are lines in magnitude,
as in `jpasbatch.learning.calibration`, and the fit is its convex one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.calibration import check_labels, log_probabilities, magnitude_terms, minimise, softmax


@dataclass(frozen=True, eq=False)
class Combination:
    """A fitted combination of c committees, for k classes.

    Attributes
    ----------
    sharpness : ndarray, shape (c, 2)
    bias : ndarray, shape (k, 2)
    limits : (float, float)
        Brightest and faintest magnitude that was fitted; beyond, the nearest end counts.
    """

    sharpness: np.ndarray
    bias: np.ndarray
    limits: tuple[float, float]

    def __call__(self, probabilities: Sequence[np.ndarray], magnitude: np.ndarray) -> np.ndarray:
        """Return combined probabilities, float64 (n, k).

        Parameters
        ----------
        probabilities : sequence of ndarray, shape (n, k)
            Of each committee, in the order of the fit.
        magnitude : ndarray, shape (n,)
        """
        if len(probabilities) != len(self.sharpness):
            raise ValueError(f"{len(probabilities)} committees given, {len(self.sharpness)} were fitted")
        terms = magnitude_terms(np.clip(magnitude, *self.limits))[:, :2]
        logs = np.stack([log_probabilities(part) for part in probabilities])
        return softmax(_scores(self.sharpness, self.bias, logs, terms))

    def state(self) -> dict[str, Any]:
        """Return what was fitted, as JSON-able values."""
        return {
            "sharpness": self.sharpness.tolist(),
            "bias": self.bias.tolist(),
            "limits": list(self.limits),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Combination:
        """Return the combination that `state` described."""
        low, high = state["limits"]
        return cls(np.array(state["sharpness"]), np.array(state["bias"]), (float(low), float(high)))


def cross_fitted(
    probabilities: Sequence[np.ndarray], magnitude: np.ndarray, labels: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Return combined probabilities of a labelled sample, float64 (n, k), each by a fit to the other folds.

    Parameters
    ----------
    probabilities : sequence of ndarray, shape (n, k)
    magnitude, labels, fold : ndarray, shape (n,)

    Raises
    ------
    InputError
        When a class has too few objects without one of the folds.
    """
    combined = np.empty(np.shape(probabilities[0]), dtype=np.float64)
    for number in np.unique(fold):
        own, others = fold == number, fold != number
        fitted = combine([part[others] for part in probabilities], magnitude[others], labels[others])
        combined[own] = fitted([part[own] for part in probabilities], magnitude[own])
    return combined


def combine(probabilities: Sequence[np.ndarray], magnitude: np.ndarray, labels: np.ndarray) -> Combination:
    """Fit a combination to a validation sample that none of the committees learnt from.

    Parameters
    ----------
    probabilities : sequence of ndarray, shape (n, k)
    magnitude : ndarray, shape (n,)
    labels : ndarray of int, shape (n,)

    Raises
    ------
    InputError
        When a class has too few objects.
    """
    logs = np.stack([log_probabilities(part) for part in probabilities])
    committees, _, classes = logs.shape
    check_labels(labels, classes)
    terms = magnitude_terms(magnitude)[:, :2]

    def scores(parameters: np.ndarray) -> np.ndarray:
        return _scores(*_split(parameters, committees), logs, terms)

    def gradient(parameters: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        by_committee = np.einsum("cnk,nk,nt->ct", logs, slopes, terms)
        return np.concatenate([by_committee.ravel(), (slopes.T @ terms).ravel()])

    start = np.zeros(2 * committees + 2 * classes)
    start[: 2 * committees : 2] = 1.0 / committees
    sharpness, bias = _split(minimise(scores, gradient, start, labels), committees)
    return Combination(sharpness, bias, (float(magnitude.min()), float(magnitude.max())))


def _split(parameters: np.ndarray, committees: int) -> tuple[np.ndarray, np.ndarray]:
    return parameters[: 2 * committees].reshape(-1, 2), parameters[2 * committees :].reshape(-1, 2)


def _scores(sharpness: np.ndarray, bias: np.ndarray, logs: np.ndarray, terms: np.ndarray) -> np.ndarray:
    return np.einsum("cnk,cn->nk", logs, sharpness @ terms.T) + terms @ bias.T
