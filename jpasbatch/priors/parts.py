"""Parts of a sky by stellarity: what a class looks like among objects that are points, and among those that are not.

Quasars that are seen with their host galaxy do not look like those that are points. A validation sample that knows the
stellarity of its objects is divided as the sky is: each part has a mix and a calibration of its own. It begins at the
calibration of all objects and the mix of the part, and stays there where the part says nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.priors.calibrations.log_linear import LogLinearCalibration, fit_log_linear
from jpasbatch.priors.calibrations.protocol import Reach
from jpasbatch.priors.estimation import posterior
from jpasbatch.priors.strata import FEWEST, Strata
from jpasbatch.priors.validation import ValidationSample

HALF = 0.5
"""Of an object, which each class has more in each bin of the validation sample: none is impossible."""

RECALIBRATION = "vector"
"""Kind by which probabilities are calibrated again, whatever they were calibrated by before."""


def source_shares(sample: ValidationSample, strata: Strata) -> np.ndarray:
    """Return the share of each class in each magnitude bin of a validation sample, (bins, classes); none is 0."""
    counts = np.full((strata.bins, sample.classes), HALF)
    np.add.at(counts, (strata.bin_of(sample.magnitude), sample.labels), sample.weights)
    return counts / counts.sum(axis=1, keepdims=True)


class View(NamedTuple):
    """Objects of a validation sample that say what those of a part of the sky look like.

    ``source`` (bins, classes) is the mix that their probabilities are calibrated for.
    """

    sample: ValidationSample
    source: np.ndarray

    @classmethod
    def of(cls, sample: ValidationSample, strata: Strata) -> View:
        """Return the view of a sample by magnitude."""
        return cls(sample, source_shares(sample, strata))


@dataclass(frozen=True, eq=False)
class Part:
    """A part by stellarity.

    Attributes
    ----------
    number : int
        As `Strata.kind_of` counts them.
    borrows : tuple of bool
        Of which classes the part has too few objects: those of all parts stand for them.
    ratio : ndarray, shape (bins, classes)
        Share of each class in the part of the sample over that in the whole sample.
    calibration : LogLinearCalibration
        Of probabilities under the mix of the part.
    """

    number: int
    borrows: tuple[bool, ...]
    ratio: np.ndarray
    calibration: LogLinearCalibration

    def __call__(
        self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray, magnitude_bin: np.ndarray
    ) -> np.ndarray:
        """Return probabilities that are calibrated for the part, float64 (n, classes), from those for all objects."""
        mixed = posterior(probabilities, self.ratio.T.take(magnitude_bin, axis=1).T)
        return self.calibration(mixed, magnitude, missing)

    def calibrated(self, sample: ValidationSample, strata: Strata) -> ValidationSample:
        """Return a sample with probabilities for the part, as if all of its objects were in it."""
        given = (sample.probabilities, sample.magnitude, sample.missing)
        return replace(sample, probabilities=self(*given, strata.bin_of(sample.magnitude)))

    def chosen(self, sample: ValidationSample, strata: Strata) -> ValidationSample:
        """Return the objects of the part, and those that stand for classes of which it has too few."""
        return _chosen(sample, strata, self.number, self.borrows)

    def to_dict(self) -> dict[str, Any]:
        """Return the part as JSON-able values."""
        return {
            "number": self.number,
            "borrows": list(self.borrows),
            "ratio": self.ratio.tolist(),
            "calibration": self.calibration.state(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Part:
        """Return the part that `to_dict` described."""
        state = values["calibration"]
        arrays = (np.array(state[key], dtype=np.float64) for key in ("sharpness", "bias"))
        calibration = LogLinearCalibration(RECALIBRATION, Reach(**state["reach"]), *arrays)
        ratio = np.array(values["ratio"], dtype=np.float64)
        return cls(int(values["number"]), tuple(values["borrows"]), ratio, calibration)


def _chosen(
    sample: ValidationSample, strata: Strata, number: int, borrows: tuple[bool, ...]
) -> ValidationSample:
    """Return the objects of a part; of a class that is borrowed all, which count together as those of the part.

    They count as one object at least.
    """
    inside = strata.kind_of(sample.class_star) == number
    weights = np.where(inside, sample.weights, 0.0)
    for label in np.flatnonzero(borrows):
        mine = sample.labels == label
        own = max(float(weights[mine].sum()), 1.0)
        weights[mine] = sample.weights[mine] * own / max(float(sample.weights[mine].sum()), 1e-300)
    rows = np.flatnonzero(weights > 0)
    return replace(sample.take(rows), weights=weights[rows])


def fit_parts(sample: ValidationSample, strata: Strata) -> tuple[Part, ...]:
    """Return the parts of which a calibrated validation sample has enough objects; none where it has no stellarity.

    Parameters
    ----------
    sample : ValidationSample
        Calibrated.
    strata : Strata
    """
    if not strata.stellarity or not sample.has_stellarity:
        return ()
    whole, kinds = source_shares(sample, strata), strata.kind_of(sample.class_star)
    found = []
    for number in range(len(strata.stellarity) + 1):
        inside = kinds == number
        if inside.sum() < FEWEST:
            continue
        effective = sample.take(np.flatnonzero(inside)).effective
        borrows = tuple(bool(one) for one in effective < FEWEST)
        view = _chosen(sample, strata, number, borrows)
        ratio = source_shares(view, strata) / whole
        mixed = posterior(view.probabilities, ratio[strata.bin_of(view.magnitude)])
        calibration = fit_log_linear(RECALIBRATION, replace(view, probabilities=mixed))
        found.append(Part(number, borrows, ratio, calibration))
    return tuple(found)


def calibrate_parts(
    parts: tuple[Part, ...],
    probabilities: np.ndarray,
    magnitude: np.ndarray,
    missing: np.ndarray,
    stratum: np.ndarray,
    strata: Strata,
) -> np.ndarray:
    """Return probabilities in which objects of each part are calibrated for it; others stay."""
    if not parts:
        return probabilities
    # class by class, as the calibrations do it: rows of four numbers are slow, and an index would give such
    found, kinds = np.array(probabilities, dtype=np.float64).T, strata.kind_of_stratum(stratum)
    for part in parts:
        rows = np.flatnonzero(kinds == part.number)
        if rows.size:
            bins = stratum[rows] // strata.parts
            found[:, rows] = part(found.take(rows, axis=1).T, magnitude[rows], missing[rows], bins).T
    return found.T
