"""Calibration after training: probabilities that come true as often as they say, fitted to the validation set.

All kinds act on the logarithm of the committee's probabilities and keep rows that sum to 1.

============  ==================================================================================================
kind          log-probabilities become, but for a constant
============  ==================================================================================================
none          log p
temperature   log p / T (Guo et al. 2017, temperature scaling)
magnitude     s(m) log p + b(m), class by class; s is a parabola and b a line in m = (r - 21) / 2
============  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Protocol

import numpy as np

from jpasbatch.errors import InputError

SMALLEST = 1e-7
"""A probability below is taken for it: what a committee of single precision can tell."""

CENTRE, SPAN = 21.0, 2.0
"""Magnitudes: m = (r - CENTRE) / SPAN."""

BLUNTEST = 0.05
"""Least sharpness of a calibration by magnitude: probabilities that say nothing are made flat, never turned round."""

HOTTEST = 1000.0
"""Highest temperature: above it, all classes of all objects are as probable as each other."""

TAILS, NARROWEST = 0.001, 0.01
"""Share of the objects at either end of the magnitudes that no parabola follows; narrowest range in mag."""

FEWEST = 50
"""Objects of each class without which nothing is fitted."""


class Calibration(Protocol):
    """A map of probabilities, possibly by magnitude, fitted to a validation set."""

    name: str
    needs_magnitude: bool

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        """Return calibrated probabilities, float64 (n, classes); rows sum to 1.

        Parameters
        ----------
        probabilities : ndarray, shape (n, classes)
        magnitude : ndarray, shape (n,), or None
            Of the reference band. Beyond the range that was fitted, the nearest end is taken.
        """
        ...

    def fit(self, probabilities: np.ndarray, magnitude: np.ndarray, labels: np.ndarray) -> Calibration:
        """Return the calibration with the lowest cross entropy on a validation set (the original is unchanged).

        Raises
        ------
        InputError
            When a class has fewer than `FEWEST` objects.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Return what `fit` learned, as JSON-able values; `make_calibration` takes it back."""
        ...


class NoCalibration:
    """Probabilities as the committee gives them."""

    name = "none"
    needs_magnitude = False

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        """Return the same probabilities."""
        return probabilities

    def fit(self, probabilities: np.ndarray, magnitude: np.ndarray, labels: np.ndarray) -> NoCalibration:
        """Return itself."""
        return self

    def state(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}


class TemperatureCalibration:
    """One temperature for all; above 1 for a committee that is too sure of itself.

    Parameters
    ----------
    temperature : float
    """

    name = "temperature"
    needs_magnitude = False

    def __init__(self, temperature: float = 1.0) -> None:
        if isinstance(temperature, bool) or not 0.0 < temperature <= HOTTEST:
            raise ValueError(f"temperature = {temperature!r}: must be above 0 to {HOTTEST:g}")
        self.temperature = float(temperature)

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        """Return calibrated probabilities; the most probable class stays."""
        return softmax(log_probabilities(probabilities) / self.temperature)

    def fit(
        self, probabilities: np.ndarray, magnitude: np.ndarray, labels: np.ndarray
    ) -> TemperatureCalibration:
        """Return the temperature of the lowest cross entropy."""
        check_labels(labels, probabilities.shape[1])
        logs = log_probabilities(probabilities)

        def gradient(parameters: np.ndarray, slopes: np.ndarray) -> np.ndarray:
            return np.array([(slopes * logs).sum()])

        scale = minimise(lambda parameters: parameters[0] * logs, gradient, np.ones(1), labels)
        return TemperatureCalibration(1.0 / max(float(scale[0]), 1 / HOTTEST))

    def state(self) -> dict[str, Any]:
        """Return the temperature."""
        return {"temperature": self.temperature}


class MagnitudeCalibration:
    """A sharpness and a bias of each class that change with magnitude: faint objects need others than bright ones.

    Parameters
    ----------
    sharpness : list of 3 floats
        Of s(m) = s0 + s1 m + s2 m^2.
    bias : list of [float, float], one a class
        Of b(m) = b0 + b1 m.
    limits : (float, float), optional
        Brightest and faintest magnitude that was fitted.
    """

    name = "magnitude"
    needs_magnitude = True

    def __init__(
        self,
        sharpness: list[float] | None = None,
        bias: list[list[float]] | None = None,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.sharpness = np.array([1.0, 0.0, 0.0] if sharpness is None else sharpness, dtype=np.float64)
        self.bias = None if bias is None else np.array(bias, dtype=np.float64)
        self.limits = None if limits is None else (float(limits[0]), float(limits[1]))
        if self.sharpness.shape != (3,) or not np.isfinite(self.sharpness).all():
            raise ValueError(f"sharpness = {sharpness!r}: must be three numbers")
        if self.bias is not None and (self.bias.ndim != 2 or self.bias.shape[1] != 2):
            raise ValueError(f"bias = {bias!r}: must be two numbers a class")
        if self.bias is not None and not np.isfinite(self.bias).all():
            raise ValueError(f"bias = {bias!r}: must be finite")

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        """Return calibrated probabilities.

        Raises
        ------
        ValueError
            Without magnitudes, or before `fit`.
        """
        if magnitude is None or self.bias is None or self.limits is None:
            raise ValueError("calibration by magnitude needs magnitudes, and fit() before")
        terms = magnitude_terms(np.clip(magnitude, *self.limits))
        return softmax(
            log_probabilities(probabilities) * (terms @ self.sharpness)[:, None] + terms[:, :2] @ self.bias.T
        )

    def fit(
        self, probabilities: np.ndarray, magnitude: np.ndarray, labels: np.ndarray
    ) -> MagnitudeCalibration:
        """Return the calibration of the lowest cross entropy; sharpness stays above `BLUNTEST` over its range."""
        classes = probabilities.shape[1]
        check_labels(labels, classes)
        limits = fitted_limits(magnitude)
        clipped = np.clip(magnitude, *limits)
        logs, lines = log_probabilities(probabilities), magnitude_terms(clipped)[:, :2]
        shapes = bernstein_terms(clipped, limits)

        def scores(parameters: np.ndarray) -> np.ndarray:
            heights, bias = parameters[:3], parameters[3:].reshape(classes, 2)
            return logs * (shapes @ heights)[:, None] + lines @ bias.T

        def gradient(parameters: np.ndarray, slopes: np.ndarray) -> np.ndarray:
            return np.concatenate([(slopes * logs).sum(axis=1) @ shapes, (slopes.T @ lines).ravel()])

        start = np.concatenate([np.ones(3), np.zeros(2 * classes)])
        bounds = [(BLUNTEST, None)] * 3 + [(None, None)] * (2 * classes)
        found = minimise(scores, gradient, start, labels, bounds)
        places = np.linspace(*limits, 3)
        sharpness = np.linalg.solve(magnitude_terms(places), bernstein_terms(places, limits) @ found[:3])
        return MagnitudeCalibration(sharpness.tolist(), found[3:].reshape(classes, 2).tolist(), limits)

    def state(self) -> dict[str, Any]:
        """Return sharpness, bias and limits."""
        bias = None if self.bias is None else self.bias.tolist()
        return {
            "sharpness": self.sharpness.tolist(),
            "bias": bias,
            "limits": list(self.limits) if self.limits else None,
        }


CALIBRATIONS: dict[str, type] = {
    kind.name: kind for kind in (NoCalibration, TemperatureCalibration, MagnitudeCalibration)
}
"""Every kind of calibration by its name in a job file."""


def make_calibration(kind: str, state: dict[str, Any] | None = None) -> Calibration:
    """Return the calibration of a kind, restored from a `Calibration.state` if one is given.

    Raises
    ------
    InputError
        If the kind is unknown or the state does not belong to it.
    """
    if kind not in CALIBRATIONS:
        raise InputError(f"calibration kind = {kind!r}: allowed are {', '.join(map(repr, CALIBRATIONS))}")
    try:
        if state is not None and (missing := sorted(CALIBRATIONS[kind]().state().keys() - state.keys())):
            raise ValueError(f"{', '.join(missing)}: missing")
        return CALIBRATIONS[kind](**(state or {}))
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"calibration kind = {kind!r}: its stored state is not valid ({error})") from None


def magnitude_terms(magnitude: np.ndarray) -> np.ndarray:
    """Return 1, m and m^2 (n, 3) float64."""
    m = (np.asarray(magnitude, dtype=np.float64) - CENTRE) / SPAN
    return np.stack([np.ones_like(m), m, m**2], axis=1)


def fitted_limits(magnitude: np.ndarray) -> tuple[float, float]:
    """Return the range of magnitudes that is fitted, without the few objects beyond `TAILS` at either end.

    A parabola would follow these: an object whose flux is hardly above zero may be at 30 mag.
    """
    low, high = np.quantile(magnitude, [TAILS, 1 - TAILS])
    return float(low), float(max(high, low + NARROWEST))


def bernstein_terms(magnitude: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return the Bernstein polynomials (n, 3) of degree 2: a sum of them with positive weights is positive."""
    return np.stack(bernstein_columns(magnitude, limits), axis=1)


def bernstein_columns(
    magnitude: np.ndarray, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `bernstein_terms` returns, column by column, each float64 (n,)."""
    place = (np.asarray(magnitude, dtype=np.float64) - limits[0]) / (limits[1] - limits[0])
    left = 1 - place
    return left**2, 2 * place * left, place**2


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return natural logarithms, float64, of probabilities that are cut off at `SMALLEST`."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), SMALLEST))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities (n, classes) of log-probabilities that lack a constant."""
    # column by column: NumPy reduces short rows at a tenth of that speed
    odds = np.exp(scores - reduce(np.maximum, scores.T)[:, None])
    odds /= reduce(np.add, odds.T)[:, None]
    return odds


def check_labels(labels: np.ndarray, classes: int) -> None:
    """Raise `InputError` when a class has fewer than `FEWEST` objects to fit with."""
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < FEWEST:
        raise InputError(
            f"the validation set has {int(counts.min())} objects of class number {int(counts.argmin())}: too few to "
            f"calibrate with, {FEWEST} are needed; use [calibration] kind = 'none', or a larger validation set"
        )


def minimise(
    scores: Callable[[np.ndarray], np.ndarray],
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray],
    start: np.ndarray,
    labels: np.ndarray,
    bounds: list[tuple[float | None, float | None]] | None = None,
) -> np.ndarray:
    """Return the parameters of the lowest mean cross entropy; convex, so that there is one minimum."""
    from scipy.optimize import minimize

    rows = np.arange(len(labels))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        probabilities = softmax(scores(parameters))
        value = -np.log(np.maximum(probabilities[rows, labels], 1e-300)).mean()
        probabilities[rows, labels] -= 1.0
        return float(value), gradient(parameters, probabilities) / len(labels)

    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
