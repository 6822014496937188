"""The share of each class on the sky, by stratum, with its errors; and what it makes of probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.priors.calibrations.protocol import Reach, SkyCalibration
from jpasbatch.priors.calibrations.registry import restore_calibration
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.estimation import covariance, maximum_likelihood, posterior, unfolded
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.parts import Part, View, calibrate_parts, fit_parts
from jpasbatch.priors.strata import Strata
from jpasbatch.priors.validation import ValidationSample


@dataclass(frozen=True, eq=False)
class Prior:
    """Shares of s strata (b magnitude bins) and k classes.

    Attributes
    ----------
    classes : tuple of str
    strata : Strata
    source : ndarray, shape (b, k)
        Shares in the sample that probabilities are calibrated for. With ``parts`` it has a row for each magnitude bin
        and part by stellarity, in the order of the strata.
    shares : ndarray, shape (s, k)
        On the sky. Those of the source where no object is.
    objects : ndarray of int64, shape (s,)
    covariance : ndarray, shape (s, k, k)
        Of the numbers of objects, from counting.
    redrawn : ndarray, shape (redraws, s, k)
        How far the numbers of objects move when the validation sample is drawn again.
    variants : tuple of str
        Names of validation samples of other mocks.
    varied : ndarray, shape (variants, s, k)
        How far the numbers move with each of them.
    calibration : SkyCalibration
        Of the committee's probabilities; shares are found of calibrated ones.
    parts : tuple of Part
        What is calibrated again, by stellarity.
    """

    classes: tuple[str, ...]
    strata: Strata
    source: np.ndarray
    shares: np.ndarray
    objects: np.ndarray
    covariance: np.ndarray
    redrawn: np.ndarray
    variants: tuple[str, ...]
    varied: np.ndarray
    calibration: SkyCalibration
    parts: tuple[Part, ...] = ()

    @property
    def numbers(self) -> np.ndarray:
        """Objects of each class in each stratum, float64 (s, k)."""
        return self.shares * self.objects[:, None]

    @property
    def ratio(self) -> np.ndarray:
        """Share on the sky over that in the source, (s, k)."""
        return self.shares / np.repeat(self.source, len(self.strata) // len(self.source), axis=0)

    def correct(
        self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray, stratum: np.ndarray
    ) -> np.ndarray:
        """Return the probabilities under the mix of the sky, float64 (n, k).

        Parameters
        ----------
        probabilities : ndarray, shape (n, k)
            As the committee gives them.
        magnitude : ndarray, shape (n,)
            Of the reference band; NaN where unknown.
        missing : ndarray of int, shape (n,)
            Number of bands that were not observed.
        stratum : ndarray of int, shape (n,)
            See `Strata.stratum_of`.
        """
        calibrated = self.calibration(probabilities, magnitude, missing)
        calibrated = calibrate_parts(self.parts, calibrated, magnitude, missing, stratum, self.strata)
        return posterior(calibrated, self.ratio.T.take(stratum, axis=1).T)

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as JSON-able values."""
        arrays = {name: getattr(self, name).tolist() for name in ARRAYS}
        calibration = {"kind": self.calibration.name, "state": self.calibration.state()}
        described = {
            "classes": list(self.classes),
            "strata": self.strata.to_dict(),
            "calibration": calibration,
            "variants": list(self.variants),
        }
        if self.parts:
            described["parts"] = [part.to_dict() for part in self.parts]
        return described | arrays

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Prior:
        """Return the prior that `to_dict` described."""
        strata, classes = Strata.from_dict(values["strata"]), tuple(values["classes"])
        arrays = {name: np.array(values[name], dtype=kind) for name, kind in ARRAYS.items()}
        for name in ("redrawn", "varied"):
            arrays[name] = arrays[name].reshape(-1, len(strata), len(classes))
        calibration = restore_calibration(**values["calibration"])
        parts = tuple(Part.from_dict(part) for part in values.get("parts", ()))
        variants = tuple(values["variants"])
        return cls(classes, strata, variants=variants, calibration=calibration, parts=parts, **arrays)


ARRAYS: dict[str, type] = {
    "source": np.float64,
    "shares": np.float64,
    "objects": np.int64,
    "covariance": np.float64,
    "redrawn": np.float64,
    "varied": np.float64,
}


class Measure(NamedTuple):
    """How a sky is counted: how probabilities are calibrated, into which strata it is divided, and what was fitted."""

    calibration: SkyCalibration
    strata: Strata
    reach: Reach
    parts: tuple[Part, ...] = ()

    def cells(
        self, probabilities: np.ndarray, magnitude: np.ndarray, missing: np.ndarray, stratum: np.ndarray
    ) -> Cells:
        """Return objects in cells of calibrated probability; arguments as those of `Prior.correct`."""
        calibrated = self.calibration(probabilities, magnitude, missing)
        calibrated = calibrate_parts(self.parts, calibrated, magnitude, missing, stratum, self.strata)
        return Cells.of(calibrated, stratum, self.reach.clipped(magnitude), missing)


@dataclass(frozen=True, eq=False)
class Reference:
    """What the shares of a sky are found by: how probabilities are calibrated, and a sample of known classes.

    ``sample`` is calibrated. ``strata`` are those of the sky and of the sample.
    """

    calibration: SkyCalibration
    sample: ValidationSample
    strata: Strata

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is calibrated again by stellarity, where the sample knows it."""
        return fit_parts(self.sample, self.strata)

    @property
    def measure(self) -> Measure:
        """How skies are counted, without the sample."""
        reach = Reach.of(self.sample.magnitude, self.sample.missing)
        return Measure(self.calibration, self.strata, reach, self.parts)

    @property
    def views(self) -> tuple[View, ...]:
        """What objects look like in each part by stellarity; a part of which nothing is known is as the whole."""
        whole = View.of(self.sample, self.strata)
        own = {part.number: part for part in self.parts}

        def view(part: Part) -> View:
            chosen = part.chosen(self.sample, self.strata)
            return View.of(part.calibrated(chosen, self.strata), self.strata)

        return tuple(view(own[kind]) if kind in own else whole for kind in range(self.strata.kinds))


def source_of(views: Sequence[View]) -> np.ndarray:
    """Return the shares that probabilities are calibrated for, as `Prior.source` has them."""
    if all(view is views[0] for view in views):
        return views[0].source
    return np.stack([view.source for view in views], axis=1).reshape(-1, views[0].source.shape[1])


def fit_prior(cells: Cells, reference: Reference, options: PriorOptions, classes: tuple[str, ...]) -> Prior:
    """Find the share of each class on the sky, from what a committee says of it; see `redraws` for its errors.

    Parameters
    ----------
    cells : Cells
        Of the whole sky (`Measure.cells`).
    reference : Reference
    options : PriorOptions
    classes : tuple of str
    """
    strata, views = reference.strata, reference.views
    sky = SkyCells.of(cells, strata)
    shares = sky.shares(views, options.method, None)
    objects = np.bincount(sky.stratum, cells.numbers, len(strata)).astype(np.int64)
    counting = sky.covariance(views, shares * objects[:, None])
    nothing = np.zeros((0, *shares.shape))
    errors = (counting, nothing, (), nothing)
    source = source_of(views)
    return Prior(classes, strata, source, shares, objects, *errors, reference.calibration, reference.parts)


@dataclass(frozen=True, eq=False)
class SkyCells:
    """Cells of the sky: stratum (c,), probabilities (c, k) and number of objects (c,) of each."""

    stratum: np.ndarray
    probabilities: np.ndarray
    numbers: np.ndarray
    strata: Strata

    @classmethod
    def of(cls, cells: Cells, strata: Strata) -> SkyCells:
        """Return the cells of a sky that is divided into these strata."""
        return cls(cells.stratum, cells.probabilities, cells.numbers, strata)

    def shares(self, views: Sequence[View], method: str, start: np.ndarray | None) -> np.ndarray:
        """Return the share of each class in each stratum; a view a part by stellarity."""
        source = source_of(views)
        found = np.repeat(source, len(self.strata) // len(source), axis=0)
        responses = (
            {id(view): _responses(view.sample, self.strata) for view in views}
            if method == "unfolding"
            else {}
        )
        for stratum in np.unique(self.stratum):
            here = self.stratum == stratum
            number, bin_number = self.numbers[here], stratum // self.strata.parts
            view = views[self._bin_and_kind(stratum)[1]]
            if responses:
                mean = np.average(self.probabilities[here], axis=0, weights=number)
                found[stratum] = unfolded(responses[id(view)][bin_number], mean)
                continue
            likelihoods = self.probabilities[here] / view.source[bin_number]
            first = found[stratum] if start is None else np.maximum(start[stratum], 1e-6)
            found[stratum] = maximum_likelihood(likelihoods, number, first)
        return found

    def covariance(self, views: Sequence[View], numbers: np.ndarray) -> np.ndarray:
        """Return the covariance of the numbers of each stratum, from counting.

        One object of each class more than was found is spread over the strata. One in each of them would add as many to
        the variance of a count as there are strata: half of that of five quasars.
        """
        classes, occupied = numbers.shape[1], np.unique(self.stratum)
        found = np.zeros((len(self.strata), classes, classes))
        for (number, kind), strata in groupby(occupied, self._bin_and_kind):
            sample, source = views[kind]
            examples = _examples(sample, self.strata.distance(sample.magnitude, number))
            rows = np.flatnonzero(examples.any(axis=1))
            likelihoods = sample.probabilities[rows] / source[self.strata.bin_of(sample.magnitude[rows])]
            for stratum in strata:
                found[stratum] = covariance(
                    likelihoods, examples[rows], numbers[stratum], 1.0 / len(occupied)
                )
        return found

    def _bin_and_kind(self, stratum: np.integer[Any]) -> tuple[int, int]:
        """Return the magnitude bin and the part by stellarity of a stratum."""
        return int(stratum) // self.strata.parts, int(self.strata.kind_of_stratum(stratum))


FEWEST_EXAMPLES = 50
"""Objects that say what those of a class look like in a magnitude bin."""


def _examples(sample: ValidationSample, distance: np.ndarray) -> np.ndarray:
    """Return which share of the objects of each class in a magnitude bin each of the sample stands for, (n, classes).

    These are the objects of the class in the bin, and where they are few those nearest to it: a bin without a bright
    quasar does not say that bright quasars look like stars. ``distance`` is that to the bin, mag (n,).
    """
    examples = np.zeros((len(sample), sample.classes))
    for label in range(sample.classes):
        rows = np.flatnonzero((sample.labels == label) & (distance == 0))
        if len(rows) < FEWEST_EXAMPLES:
            rows = np.flatnonzero(sample.labels == label)
            rows = rows[np.argsort(distance[rows], kind="stable")[:FEWEST_EXAMPLES]]
        examples[rows, label] = sample.weights[rows] / sample.weights[rows].sum()
    return examples


def _responses(sample: ValidationSample, strata: Strata) -> np.ndarray:
    """Return the mean probabilities (rows) of the objects of each class (columns) in each magnitude bin."""
    classes = sample.classes
    sums, counts = np.zeros((strata.bins, classes, classes)), np.zeros((strata.bins, classes))
    bins = strata.bin_of(sample.magnitude)
    weights = sample.weights
    np.add.at(sums, (bins, sample.labels), weights[:, None] * sample.probabilities)
    np.add.at(counts, (bins, sample.labels), weights)
    everywhere = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1e-9)[:, None]
    here = np.where(counts[..., None] > 0, sums / np.maximum(counts, 1e-9)[..., None], everywhere)
    return here.transpose(0, 2, 1)
