"""Calibrations whose log-probabilities are linear in those of the committee: "temperature", "vector" and "matrix"."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.learning.calibration import BLUNTEST, log_probabilities, softmax
from jpasbatch.priors.calibrations.protocol import TERMS, Reach
from jpasbatch.priors.validation import ValidationSample

LOG_LINEAR = ("temperature", "vector", "matrix")

STIFFNESS = 1.0
"""How firmly parameters stay near those that change nothing, in objects: a prior of standard deviation 1. Where a
sample says nothing of a parameter, it stays."""


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
    """Return log-probabilities that lack a constant, (n, k), a column after the other where the logarithms are."""
    if sharpness.ndim == 1:
        return logs * sharpness[0]
    if sharpness.ndim == 2:
        return logs * (sharpness @ terms.T).T + (bias @ terms.T).T
    mixed = sum(logs[:, [j]] * (sharpness[:, j] @ terms.T).T for j in range(logs.shape[1]))
    return mixed + (bias @ terms.T).T


def _unchanging(kind: str, classes: int) -> np.ndarray:
    """Return the sharpness that leaves probabilities as they are."""
    if kind == "temperature":
        return np.ones(1)
    if kind == "vector":
        return np.ones((classes, TERMS))
    return np.repeat(np.eye(classes)[:, :, None], TERMS, axis=2)


def _own_sharpness(kind: str, classes: int) -> np.ndarray:
    """Return which values of the sharpness are of a class's own probability, bool; these stay above `BLUNTEST`."""
    if kind == "matrix":
        return np.repeat(np.eye(classes, dtype=bool)[:, :, None], TERMS, axis=2)
    return np.ones(_unchanging(kind, classes).shape, dtype=bool)


NEWTON_STEPS = 30
CONVERGED = 1e-11
"""Twice the loss that a further step could take away."""
KNOWN_STEPS = 8
"""Of a search that begins near a known minimum: those that take its curvature for their own."""
NEARLY = 0.01
"""The same of all objects together, where another sample of them would move it by the number of parameters."""
SHORTEST = 1e-4
"""Of a step, in parts of Newton's."""


class Nearby(NamedTuple):
    """A calibration, and the second derivatives of its loss there."""

    calibration: LogLinearCalibration
    curvature: np.ndarray


class _CrossEntropy:
    """The loss of a log-linear calibration on a validation sample, as a function of its parameters: convex.

    The score of a class is linear in the parameters: ``inputs`` is what these weigh, an array (n, f) for each class,
    which has f parameters of its own. A temperature is one parameter of all classes.
    """

    def __init__(self, kind: str, sample: ValidationSample) -> None:
        classes = sample.classes
        self.reach = Reach.of(sample.magnitude, sample.missing)
        logs = log_probabilities(sample.probabilities)
        terms = np.ascontiguousarray(self.reach.terms(sample.magnitude, sample.missing))
        self.shared = kind == "temperature"
        self.unchanging = _unchanging(kind, classes)
        self.own = _own_sharpness(kind, classes)
        self.weights = sample.weights / sample.weights.sum()
        self.stiffness = STIFFNESS / sample.weights.sum()
        self.rows, self.labels = np.arange(len(sample)), sample.labels
        if self.shared:
            self.inputs = [logs[:, [label]] for label in range(classes)]
            self.origin, self.bounded = self.unchanging, self.own
            return
        mixed = (logs[:, :, None] * terms[:, None, :]) if kind == "matrix" else None
        self.inputs = [
            np.hstack([logs[:, [label]] * terms if mixed is None else mixed.reshape(len(terms), -1), terms])
            for label in range(classes)
        ]
        nothing = np.zeros((classes, TERMS))
        self.origin = np.hstack([self.unchanging.reshape(classes, -1), nothing]).ravel()
        self.bounded = np.hstack([self.own.reshape(classes, -1), nothing.astype(bool)]).ravel()

    def split(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sharpness and bias."""
        if self.shared:
            return parameters, np.zeros((len(self.inputs), TERMS))
        rows = parameters.reshape(len(self.inputs), -1)
        return rows[:, :-TERMS].reshape(self.unchanging.shape), rows[:, -TERMS:]

    def joined(self, calibration: LogLinearCalibration) -> np.ndarray:
        """Return the parameters of a calibration: the inverse of `split`."""
        if self.shared:
            return calibration.sharpness
        rows = len(self.inputs)
        return np.hstack([calibration.sharpness.reshape(rows, -1), calibration.bias]).ravel()

    def probabilities(self, parameters: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, (n, k)."""
        rows = np.broadcast_to(parameters, (len(self.inputs), 1)) if self.shared else parameters
        rows = rows.reshape(len(self.inputs), -1)
        return softmax(np.column_stack([part @ row for part, row in zip(self.inputs, rows, strict=True)]))

    def value_and_slope(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss and its slope along each parameter."""
        value, slope, _ = self.all_of(parameters)
        return value, slope

    def all_of(self, parameters: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the loss, its slope along each parameter, and the calibrated probabilities (n, k)."""
        probabilities = self.probabilities(parameters)
        found = probabilities.copy()
        moved = parameters - self.origin
        value = -self.weights @ np.log(np.maximum(found[self.rows, self.labels], 1e-300))
        found[self.rows, self.labels] -= 1.0
        found *= self.weights[:, None]
        along = [found[:, label] @ part for label, part in enumerate(self.inputs)]
        slope = np.sum(along, axis=0) if self.shared else np.concatenate(along)
        value = float(value + 0.5 * self.stiffness * moved @ moved)
        return value, slope + self.stiffness * moved, probabilities

    def curvature(self, found: np.ndarray) -> np.ndarray:
        """Return the second derivatives of the loss where the calibrated probabilities are these."""
        classes = range(len(self.inputs))
        blocks = [[np.empty(0)] * len(classes) for _ in classes]
        for one in classes:
            for other in range(one + 1):
                weight = self.weights * found[:, one] * ((one == other) - found[:, other])
                blocks[one][other] = (self.inputs[one] * weight[:, None]).T @ self.inputs[other]
                blocks[other][one] = blocks[one][other].T
        whole = np.sum(blocks, axis=(0, 1)) if self.shared else np.block(blocks)
        return whole + self.stiffness * np.eye(len(self.origin))

    def minimum(self, near: Nearby | None = None) -> np.ndarray:
        """Return the parameters of the lowest loss, by Newton's steps; by a slower way where limits bind.

        Near a calibration that is known its curvature serves for the first steps, which then cost a fifth.
        """
        parameters = self.origin if near is None else self.joined(near.calibration)
        converged = CONVERGED if near is None else NEARLY / len(self.rows)
        value, slope, probabilities = self.all_of(parameters)
        for number in range(NEWTON_STEPS):
            curvature = (
                near.curvature if near is not None and number < KNOWN_STEPS else self.curvature(probabilities)
            )
            step = np.linalg.solve(curvature, slope)
            if step @ slope < converged:
                return parameters
            length = 1.0
            while length > SHORTEST:
                tried = parameters - length * step
                if not (tried[self.bounded] < BLUNTEST).any():
                    found, along, seen = self.all_of(tried)
                    if found < value:
                        break
                length /= 4
            if length <= SHORTEST:  # at a limit, or as near as numbers tell
                break
            parameters, value, slope, probabilities = tried, found, along, seen
        return self.bounded_minimum()

    def bounded_minimum(self) -> np.ndarray:
        """Return the parameters of the lowest loss within their limits."""
        from scipy.optimize import minimize

        limits = [(BLUNTEST if bounded else None, None) for bounded in self.bounded]
        options = {"maxiter": 500, "ftol": 1e-10, "gtol": 1e-7}
        found = minimize(
            self.value_and_slope, self.origin, jac=True, method="L-BFGS-B", bounds=limits, options=options
        )
        return found.x


def fit_log_linear(kind: str, sample: ValidationSample, near: Nearby | None = None) -> LogLinearCalibration:
    """Return the calibration of the lowest cross entropy on a validation sample; convex, so that there is one.

    Parameters
    ----------
    kind : {"temperature", "vector", "matrix"}
    sample : ValidationSample
        Its weights count.
    near : Nearby, optional
        Of the same kind and of a sample that this one is drawn from. The search begins there, and ends when what
        is left is a thousandth of what the chance of a draw moves.
    """
    loss = _CrossEntropy(kind, sample)
    return LogLinearCalibration(kind, loss.reach, *loss.split(loss.minimum(near)))


def fit_nearby(kind: str, sample: ValidationSample) -> Nearby:
    """Return the calibration of a sample, to find those of samples that are drawn from it by."""
    loss = _CrossEntropy(kind, sample)
    found = loss.minimum()
    calibration = LogLinearCalibration(kind, loss.reach, *loss.split(found))
    return Nearby(calibration, loss.curvature(loss.probabilities(found)))
