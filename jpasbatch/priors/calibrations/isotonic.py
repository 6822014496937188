"""The calibration "isotonic": rising step functions in bins of magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.priors.validation import ValidationSample


@dataclass(frozen=True, eq=False)
class IsotonicCalibration:
    """The kind "isotonic".

    Attributes
    ----------
    edges : ndarray
        Between the bins of magnitude.
    places, heights : list of ndarray
        Of each step function, straight between its places; bin by bin, class by class.
    """

    edges: np.ndarray
    places: list[np.ndarray]
    heights: list[np.ndarray]
    name: str = "isotonic"

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities; see `SkyCalibration`. Missing bands change nothing."""
        classes = probabilities.shape[1]
        number = np.digitize(np.nan_to_num(np.asarray(magnitude, float), nan=np.inf), self.edges)
        found = np.empty(probabilities.shape)
        for one in np.unique(number):
            rows = number == one
            for label in range(classes):
                step = one * classes + label
                found[rows, label] = np.interp(
                    probabilities[rows, label], self.places[step], self.heights[step]
                )
        return found / found.sum(axis=1, keepdims=True)

    def state(self) -> dict[str, Any]:
        """Return edges, places and heights."""
        steps = {key: [one.tolist() for one in getattr(self, key)] for key in ("places", "heights")}
        return {"edges": self.edges.tolist(), **steps}


LEAST = 1e-6
"""Lowest height of a step: a class that the validation sample never has in a step is not impossible."""


def fit_isotonic(sample: ValidationSample, fewest: int = 2000) -> IsotonicCalibration:
    """Return the rising step functions of a validation sample, in bins of magnitude of at least ``fewest`` objects."""
    magnitude = np.nan_to_num(sample.magnitude.astype(np.float64), nan=np.inf)
    bins = max(1, min(8, len(sample) // fewest))
    edges = np.unique(np.quantile(magnitude[np.isfinite(magnitude)], np.arange(1, bins) / bins))
    number, places, heights = np.digitize(magnitude, edges), [], []
    for one in range(len(edges) + 1):
        rows = number == one
        for label in range(sample.classes):
            true = sample.labels[rows] == label
            steps = _rising_steps(sample.probabilities[rows, label], true, sample.weights[rows])
            places.append(steps[0])
            heights.append(steps[1])
    return IsotonicCalibration(edges, places, heights)


def _rising_steps(
    probability: np.ndarray, true: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return places and heights of the rising step function that is nearest to the truth; straight between steps."""
    from scipy.optimize import isotonic_regression

    places, number = np.unique(probability.astype(np.float64), return_inverse=True)
    total = np.bincount(number, weights)
    share = np.bincount(number, weights * true) / total
    heights = np.clip(isotonic_regression(share, weights=total).x, LEAST, 1.0)
    ends = np.append(True, heights[1:] != heights[:-1])  # of each step its first and its last place
    kept = ends | np.append(ends[1:], True)
    return places[kept], heights[kept]
