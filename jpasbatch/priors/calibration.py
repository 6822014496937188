"""Calibration of a committee's probabilities before class shares are found from them.

Shares of probabilities that are not calibrated are wrong and look right. Each kind is fitted to what the committee says
of its validation sample. The network is not run again: another calibration is another word in a job file.

===========  ====================================================================================================
kind         log-probabilities become, but for a constant
===========  ====================================================================================================
temperature  s log p_k, one number s (Guo et al. 2017)
vector       s_k(m, u) log p_k + b_k(m, u), class by class
matrix       sum over j of s_kj(m, u) log p_j + b_k(m, u) (Kull et al. 2019: Dirichlet calibration)
isotonic     a rising step function of each p_k, in bins of magnitude (Zadrozny & Elkan 2002); rows are made to sum to 1
===========  ====================================================================================================

m is the magnitude and u the number of missing bands, as a logarithm. s and b are parabolas in m and straight in u.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import (
    BLUNTEST,
    bernstein_terms,
    fitted_limits,
    log_probabilities,
    softmax,
)

if TYPE_CHECKING:
    from jpasbatch.priors.validation import ValidationSample

TERMS = 6
"""Of a parabola in magnitude at either end of the numbers of missing bands."""

STIFFNESS = 1.0
"""How firmly parameters stay near those that change nothing, in objects: a prior of standard deviation 1. Where a
sample says nothing of a parameter, it stays."""


class SkyCalibration(Protocol):
    """A map of probabilities by magnitude and by number of missing bands."""

    @property
    def name(self) -> str:
        """Its kind."""
        ...

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, float64 (n, classes); rows sum to 1.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
        magnitude : ndarray, shape (n,)
            Of the reference band. NaN: as the faintest. Beyond what was fitted the nearest end is taken.
        missing : ndarray, shape (n,)
            Number of bands that were not observed.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Return what was fitted, as JSON-able values; `restore_calibration` takes it back."""
        ...


@dataclass(frozen=True)
class Reach:
    """What was fitted: magnitudes between limits, and up to a number of missing bands."""

    brightest: float
    faintest: float
    most_missing: float

    @classmethod
    def of(cls, magnitude: np.ndarray, missing: np.ndarray) -> Reach:
        """Return the reach of a sample."""
        known = magnitude[np.isfinite(magnitude)]
        brightest, faintest = fitted_limits(known) if known.size else (0.0, 1.0)
        return cls(brightest, faintest, float(missing.max(initial=0)))

    def clipped(self, magnitude: np.ndarray) -> np.ndarray:
        """Return magnitudes within the limits, float64; an object without one is taken for the faintest."""
        known = np.nan_to_num(np.asarray(magnitude, dtype=np.float64), nan=self.faintest)
        return np.clip(known, self.brightest, self.faintest)

    def terms(self, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return what parameters weigh, (n, TERMS): not negative, and with a sum of 1."""
        shapes = bernstein_terms(self.clipped(magnitude), (self.brightest, self.faintest))
        if self.most_missing == 0:
            return np.hstack([shapes, np.zeros_like(shapes)])
        place = np.log1p(np.minimum(missing, self.most_missing)) / np.log1p(self.most_missing)
        return np.hstack([shapes * (1 - place)[:, None], shapes * place[:, None]])


@dataclass(frozen=True, eq=False)
class LogLinearCalibration:
    """The kinds "temperature", "vector" and "matrix"; k classes.

    Attributes
    ----------
    name : str
    reach : Reach
    sharpness : ndarray
        (1,) for a temperature, (k, TERMS) for a vector, (k, k, TERMS) for a matrix.
    bias : ndarray, shape (k, TERMS)
    """

    name: str
    reach: Reach
    sharpness: np.ndarray
    bias: np.ndarray

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities; see `SkyCalibration`."""
        terms = self.reach.terms(magnitude, missing)
        return softmax(_scores(self.sharpness, self.bias, log_probabilities(probabilities), terms))

    def state(self) -> dict[str, Any]:
        """Return reach, sharpness and bias."""
        reach = {item.name: getattr(self.reach, item.name) for item in fields(self.reach)}
        return {"reach": reach, "sharpness": self.sharpness.tolist(), "bias": self.bias.tolist()}


def _scores(sharpness: np.ndarray, bias: np.ndarray, logs: np.ndarray, terms: np.ndarray) -> np.ndarray:
    if sharpness.ndim == 1:
        return logs * sharpness[0]
    if sharpness.ndim == 2:
        return logs * (terms @ sharpness.T) + terms @ bias.T
    mixed = sum(logs[:, [j]] * (terms @ sharpness[:, j].T) for j in range(logs.shape[1]))
    return mixed + terms @ bias.T


def _slopes(sharpness: np.ndarray, slopes: np.ndarray, logs: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Return the slope of the loss along each parameter; ``slopes`` (n, k) are those along the scores."""
    if sharpness.ndim == 1:
        return np.array([(slopes * logs).sum()])
    if sharpness.ndim == 2:
        along = (slopes * logs).T @ terms
    else:
        along = np.stack([(slopes * logs[:, [j]]).T @ terms for j in range(logs.shape[1])], axis=1)
    return np.concatenate([along.ravel(), (slopes.T @ terms).ravel()])


def _unchanging(kind: str, classes: int) -> np.ndarray:
    """Return the sharpness that leaves probabilities as they are."""
    if kind == "temperature":
        return np.ones(1)
    if kind == "vector":
        return np.ones((classes, TERMS))
    return np.repeat(np.eye(classes)[:, :, None], TERMS, axis=2)


def _bounds(kind: str, classes: int) -> list[tuple[float | None, float | None]]:
    """Return the limits of the parameters: a class's own sharpness stays positive, so that nothing is turned round."""
    free, positive = (None, None), (BLUNTEST, None)
    if kind == "temperature":
        return [positive]
    own = np.ones((classes, 1), bool) if kind == "vector" else np.eye(classes, dtype=bool)
    sharpness: list[tuple[float | None, float | None]] = [
        positive if one else free for one in np.repeat(own.ravel(), TERMS)
    ]
    return sharpness + [free] * (classes * TERMS)


def fit_log_linear(kind: str, sample: ValidationSample) -> LogLinearCalibration:
    """Return the calibration of the lowest cross entropy on a validation sample; convex, so that there is one.

    Parameters
    ----------
    kind : {"temperature", "vector", "matrix"}
    sample : ValidationSample
        Its weights count.
    """
    from scipy.optimize import minimize

    classes, rows = sample.classes, np.arange(len(sample))
    reach = Reach.of(sample.magnitude, sample.missing)
    logs, terms = log_probabilities(sample.probabilities), reach.terms(sample.magnitude, sample.missing)
    weights = sample.weights / sample.weights.sum()
    start = _unchanging(kind, classes)
    biases = 0 if kind == "temperature" else classes * TERMS
    origin = np.concatenate([start.ravel(), np.zeros(biases)])
    stiffness = STIFFNESS / sample.weights.sum()

    def split(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bias = parameters[start.size :].reshape(-1, TERMS) if biases else np.zeros((classes, TERMS))
        return parameters[: start.size].reshape(start.shape), bias

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        sharpness, bias = split(parameters)
        found = softmax(_scores(sharpness, bias, logs, terms))
        value = -weights @ np.log(np.maximum(found[rows, sample.labels], 1e-300))
        found[rows, sample.labels] -= 1.0
        moved = parameters - origin
        along = _slopes(sharpness, found * weights[:, None], logs, terms)
        return float(value + 0.5 * stiffness * moved @ moved), along + stiffness * moved

    found = minimize(
        loss,
        origin,
        jac=True,
        method="L-BFGS-B",
        bounds=_bounds(kind, classes),
        options={"maxiter": 500, "ftol": 1e-10, "gtol": 1e-7},
    )
    return LogLinearCalibration(kind, reach, *split(found.x))


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


LOG_LINEAR = ("temperature", "vector", "matrix")

FITS: dict[str, Callable[[ValidationSample], SkyCalibration]] = {
    **{kind: (lambda sample, kind=kind: fit_log_linear(kind, sample)) for kind in LOG_LINEAR},
    "isotonic": fit_isotonic,
}
"""How each kind is fitted to a validation sample."""


def restore_calibration(kind: str, state: dict[str, Any]) -> SkyCalibration:
    """Return the calibration that `SkyCalibration.state` described.

    Raises
    ------
    InputError
        If the kind is unknown or the state does not belong to it.
    """
    try:
        if kind == "isotonic":
            places, heights = (
                [np.array(one, dtype=np.float64) for one in state[key]] for key in ("places", "heights")
            )
            return IsotonicCalibration(np.array(state["edges"], dtype=np.float64), places, heights)
        if kind in LOG_LINEAR:
            arrays = (np.array(state[key], dtype=np.float64) for key in ("sharpness", "bias"))
            return LogLinearCalibration(kind, Reach(**state["reach"]), *arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"calibration {kind!r}: its stored state is not valid ({error!r})") from None
    raise InputError(f"calibration {kind!r}: allowed are {', '.join(map(repr, FITS))}")
