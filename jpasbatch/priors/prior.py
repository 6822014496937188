"""The share of each class on the sky, by stratum, with its errors; and what it makes of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.learning.calibration import Calibration, make_calibration
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.estimation import covariance, maximum_likelihood, posterior, unfolded
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.validation import ValidationSample, known_magnitude

HALF = 0.5
"""Of an object, which each class has more in each bin of the validation sample: none is impossible."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Shares of s strata (b magnitude bins) and k classes.

    Attributes
    ----------
    classes : tuple of str
    strata : Strata
    source : ndarray, shape (b, k)
        Shares in the sample that probabilities are calibrated for.
    shares : ndarray, shape (s, k)
        On the sky. Those of the source where no object is.
    objects : ndarray of int64, shape (s,)
    covariance : ndarray, shape (s, k, k)
        Of the numbers of objects, from counting.
    redrawn : ndarray, shape (redraws, s, k)
        How far the numbers of objects move when the validation sample is drawn again.
    calibration : Calibration
        Of the committee's probabilities; shares are found of calibrated ones.
    """

    classes: tuple[str, ...]
    strata: Strata
    source: np.ndarray
    shares: np.ndarray
    objects: np.ndarray
    covariance: np.ndarray
    redrawn: np.ndarray
    calibration: Calibration

    @property
    def numbers(self) -> np.ndarray:
        """Objects of each class in each stratum, float64 (s, k)."""
        return self.shares * self.objects[:, None]

    @property
    def ratio(self) -> np.ndarray:
        """Share on the sky over that in the source, (s, k)."""
        return self.shares / np.repeat(self.source, self.strata.parts, axis=0)

    def correct(self, probabilities: np.ndarray, magnitude: np.ndarray, stratum: np.ndarray) -> np.ndarray:
        """Return the probabilities under the mix of the sky, float64 (n, k).

        Parameters
        ----------
        probabilities : ndarray, shape (n, k)
            As the committee gives them.
        magnitude : ndarray, shape (n,)
            Of the reference band; NaN where unknown.
        stratum : ndarray of int, shape (n,)
            See `Strata.stratum_of`.
        """
        calibrated = self.calibration(probabilities.astype(np.float64), known_magnitude(magnitude))
        return posterior(calibrated, self.ratio[stratum])

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as JSON-able values."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        calibration = {"kind": self.calibration.name, "state": self.calibration.state()}
        described = {
            "classes": list(self.classes),
            "strata": self.strata.to_dict(),
            "calibration": calibration,
        }
        return described | arrays

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Prior:
        """Return the prior that `to_dict` described."""
        strata, classes = Strata.from_dict(values["strata"]), tuple(values["classes"])
        arrays = {name: np.array(values[name], dtype=kind) for name, kind in ARRAYS.items()}
        arrays["redrawn"] = arrays["redrawn"].reshape(-1, len(strata), len(classes))
        return cls(classes, strata, calibration=make_calibration(**values["calibration"]), **arrays)


ARRAYS: dict[str, type] = {
    "source": np.float64,
    "shares": np.float64,
    "objects": np.int64,
    "covariance": np.float64,
    "redrawn": np.float64,
}


class Reference(NamedTuple):
    """What the shares of a sky are found by: how probabilities are calibrated, and a sample of known classes.

    ``sample`` is calibrated. ``strata`` are those of the sky and of the sample.
    """

    calibration: Calibration
    sample: ValidationSample
    strata: Strata

    def cells(self, probabilities: np.ndarray, magnitude: np.ndarray, stratum: np.ndarray) -> Cells:
        """Return objects in cells of calibrated probability; arguments as those of `Prior.correct`."""
        calibrated = self.calibration(probabilities.astype(np.float64), known_magnitude(magnitude))
        return Cells.of(calibrated, stratum)


def fit_prior(
    cells: Cells, reference: Reference, options: PriorOptions, classes: tuple[str, ...], seed: int
) -> Prior:
    """Find the share of each class on the sky, from what a committee says of it.

    Parameters
    ----------
    cells : Cells
        Of the whole sky (`Reference.cells`).
    reference : Reference
    options : PriorOptions
    classes : tuple of str
    seed : int
        Of the redraws.
    """
    stratum, probabilities = cells.stratum, cells.probabilities
    calibration, sample, strata = reference
    objects = np.bincount(stratum, cells.numbers, len(strata)).astype(np.int64)
    source = source_shares(sample, strata)
    sky = _Sky(stratum, probabilities, cells.numbers, strata)
    shares = sky.shares(sample, source, options.method, None)
    return Prior(
        classes,
        strata,
        source,
        shares,
        objects,
        sky.covariance(source, shares * objects[:, None]),
        _redraw(sky, sample, options, shares, seed) * objects[:, None],
        calibration,
    )


def source_shares(sample: ValidationSample, strata: Strata) -> np.ndarray:
    """Return the share of each class in each magnitude bin of a validation sample, (bins, classes); none is 0."""
    counts = np.full((strata.bins, sample.classes), HALF)
    np.add.at(counts, (strata.bin_of(sample.magnitude), sample.labels), 1.0)
    return counts / counts.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class _Sky:
    """Cells of the sky: stratum, probabilities and number of objects of each."""

    stratum: np.ndarray
    probabilities: np.ndarray
    numbers: np.ndarray
    strata: Strata

    def shares(
        self, sample: ValidationSample, source: np.ndarray, method: str, start: np.ndarray | None
    ) -> np.ndarray:
        """Return the share of each class in each stratum."""
        found = np.repeat(source, self.strata.parts, axis=0)
        responses = _responses(sample, self.strata) if method == "unfolding" else None
        for stratum in np.unique(self.stratum):
            here = self.stratum == stratum
            number, bin_number = self.numbers[here], stratum // self.strata.parts
            if responses is not None:
                mean = np.average(self.probabilities[here], axis=0, weights=number)
                found[stratum] = unfolded(responses[bin_number], mean)
                continue
            likelihoods = self.probabilities[here] / source[bin_number]
            first = found[stratum] if start is None else np.maximum(start[stratum], 1e-6)
            found[stratum] = maximum_likelihood(likelihoods, number, first)
        return found

    def covariance(self, source: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the covariance of the numbers of each stratum, from counting."""
        classes = numbers.shape[1]
        found = np.zeros((len(self.strata), classes, classes))
        for stratum in np.unique(self.stratum):
            here = self.stratum == stratum
            likelihoods = self.probabilities[here] / source[stratum // self.strata.parts]
            found[stratum] = covariance(likelihoods, self.numbers[here], numbers[stratum])
        return found


def _responses(sample: ValidationSample, strata: Strata) -> np.ndarray:
    """Return the mean probabilities (rows) of the objects of each class (columns) in each magnitude bin."""
    classes = sample.classes
    sums, counts = np.zeros((strata.bins, classes, classes)), np.zeros((strata.bins, classes))
    bins = strata.bin_of(sample.magnitude)
    np.add.at(sums, (bins, sample.labels), sample.probabilities.astype(np.float64))
    np.add.at(counts, (bins, sample.labels), 1.0)
    everywhere = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)[:, None]
    here = np.where(counts[..., None] > 0, sums / np.maximum(counts, 1.0)[..., None], everywhere)
    return here.transpose(0, 2, 1)


def _redraw(
    sky: _Sky, sample: ValidationSample, options: PriorOptions, shares: np.ndarray, seed: int
) -> np.ndarray:
    """Return how far shares move when the validation sample is drawn again, and its calibration fitted again."""
    rng = np.random.default_rng([seed, 14])
    magnitude = _bin_magnitudes(sample, sky.strata)[sky.stratum // sky.strata.parts]
    moved = np.zeros((options.redraws, *shares.shape))
    whole = _recalibrated(sky, sample, sample, magnitude, options.method, shares)
    for number in range(options.redraws):
        drawn = sample.redrawn(rng)
        moved[number] = _recalibrated(sky, drawn, sample, magnitude, options.method, shares) - whole
    return moved


def _recalibrated(
    sky: _Sky,
    drawn: ValidationSample,
    sample: ValidationSample,
    magnitude: np.ndarray,
    method: str,
    shares: np.ndarray,
) -> np.ndarray:
    calibration = drawn.recalibration()
    probabilities = calibration(sky.probabilities, magnitude)
    again = _Sky(sky.stratum, probabilities, sky.numbers, sky.strata)
    calibrated = calibration(drawn.probabilities.astype(np.float64), known_magnitude(drawn.magnitude))
    given = ValidationSample(calibrated, drawn.magnitude, drawn.labels)
    return again.shares(given, source_shares(drawn, sky.strata), method, shares)


def _bin_magnitudes(sample: ValidationSample, strata: Strata) -> np.ndarray:
    """Return the mean magnitude of the validation sample in each bin."""
    bins = strata.bin_of(sample.magnitude)
    sums = np.bincount(bins, np.nan_to_num(sample.magnitude.astype(np.float64)), strata.bins)
    return sums / np.maximum(np.bincount(bins, minlength=strata.bins), 1)
