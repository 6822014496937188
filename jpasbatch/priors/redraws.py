"""How far the numbers of a sky move with another validation sample: one that is drawn again, or one of other mocks.

Another sample calibrates otherwise, and other classes are beside each other in it. Both are done again, on the cells of
the sky: they hold calibrated probabilities, which the other sample calibrates once more.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.priors.calibrations.log_linear import (
    LogLinearCalibration,
    Nearby,
    fit_log_linear,
    fit_nearby,
)
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.estimation import posterior
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.parts import RECALIBRATION, View, source_shares
from jpasbatch.priors.prior import Prior, Reference, SkyCells
from jpasbatch.priors.validation import ValidationSample

WHOLE = -1
"""Number of all parts by stellarity that are taken as the whole sample."""


class Moves:
    """How far the numbers of a sky move with other validation samples.

    Parameters
    ----------
    cells : Cells
        Of the whole sky.
    reference : Reference
    options : PriorOptions
    prior : Prior
        As it was found.
    """

    def __init__(self, cells: Cells, reference: Reference, options: PriorOptions, prior: Prior) -> None:
        self.reference, self.prior, self.method = reference, prior, options.method
        self.sky = SkyCells.of(cells, reference.strata)
        self.magnitude, self.missing = cells.magnitude, cells.mean_missing
        self.parts, self.views = {part.number: part for part in reference.parts}, reference.views
        self.kinds = self._with_own(reference.strata.kind_of_stratum(cells.stratum))

    def by_redraws(self, seed: int, numbers: range) -> np.ndarray:
        """Return how far the numbers of objects move when the validation sample is drawn again, (redraws, s, k).

        Parameters
        ----------
        seed : int
        numbers : range
            Which redraws; each has random numbers of its own.
        """
        moved = np.zeros((len(numbers), *self.prior.shares.shape))
        for place, number in enumerate(numbers):
            drawn = self.reference.sample.redrawn(np.random.default_rng([seed, 14, number]))
            moved[place] = self._shares(drawn) - self._unmoved
        return moved * self.prior.objects[:, None]

    def by_variant(self, variant: ValidationSample) -> np.ndarray:
        """Return how far the numbers move with the validation sample of other mocks, not calibrated, (s, k).

        Raises
        ------
        InputError
            When the own sample knows stellarities, and this one does not.
        """
        if self.parts and not variant.has_stellarity:
            raise InputError(
                "a validation sample of another mock has no stellarity (class_star), that of the committee has: what "
                "moves the numbers would be the stellarity; make the mock again, and train again"
            )
        moved = self._shares(variant.calibrated_by(self.reference.calibration)) - self._unmoved
        return moved * self.prior.objects[:, None]

    def _with_own(self, kinds: np.ndarray) -> np.ndarray:
        """Return parts by stellarity, with `WHOLE` for those that have no calibration of their own."""
        return np.where(np.isin(kinds, list(self.parts)), kinds, WHOLE)

    @cached_property
    def _given(self) -> dict[int, View]:
        """What the sample of the reference says of each part that the sky has."""
        whole = View.of(self.reference.sample, self.reference.strata)
        return {kind: self.views[kind] if kind in self.parts else whole for kind in set(self.kinds.tolist())}

    @cached_property
    def _again(self) -> dict[int, Nearby]:
        """The same samples, calibrated once more as the others are."""
        return {kind: fit_nearby(RECALIBRATION, view.sample) for kind, view in self._given.items()}

    @cached_property
    def _unmoved(self) -> np.ndarray:
        """Shares that the same samples give."""
        again = self._again
        return self._shares_by(
            {kind: Moved(view, again[kind].calibration, None) for kind, view in self._given.items()}
        )

    def _shares(self, sample: ValidationSample) -> np.ndarray:
        """Return the shares by a sample that is calibrated as that of the reference is, before its parts are."""
        whole = View.of(sample, self.reference.strata)
        return self._shares_by({kind: self._moved(whole, kind) for kind in self._again})

    def _moved(self, whole: View, kind: int) -> Moved:
        """Return what a sample says of a part by stellarity.

        Its mix in the part over that in the whole sample is where the calibration of the part begins (`Part`).
        """
        strata, near = self.reference.strata, self._again[kind]
        if kind == WHOLE:
            return Moved(whole, fit_log_linear(RECALIBRATION, whole.sample, near=near), None)
        part = self.parts[kind]
        given = part.calibrated(part.chosen(whole.sample, strata), strata)
        source = source_shares(given, strata)
        ratio = source / whole.source / part.ratio
        mixed = posterior(given.probabilities, ratio[strata.bin_of(given.magnitude)])
        given = replace(given, probabilities=mixed)
        return Moved(View(given, source), fit_log_linear(RECALIBRATION, given, near=near), ratio)

    def _shares_by(self, moved: dict[int, Moved]) -> np.ndarray:
        """Return the shares by what a sample says of each part by stellarity that the sky has."""
        probabilities = np.empty_like(self.sky.probabilities)
        for kind, one in moved.items():
            cells = self.kinds == kind
            given = self.sky.probabilities[cells]
            if one.ratio is not None:
                given = posterior(given, one.ratio[self.sky.stratum[cells] // self.sky.strata.parts])
            probabilities[cells] = one.calibration(given, self.magnitude[cells], self.missing[cells])
        again = {kind: one.calibrated for kind, one in moved.items()}
        numbers = self._with_own(np.arange(self.sky.strata.kinds))
        views = [again.get(int(number), self.views[place]) for place, number in enumerate(numbers)]
        sky = replace(self.sky, probabilities=probabilities)
        return sky.shares(views, self.method, self.prior.shares)


class Moved(NamedTuple):
    """What another sample says of a part by stellarity.

    ``ratio`` (bins, classes) changes the mix of cells before they are calibrated; None: it stays.
    """

    view: View
    calibration: LogLinearCalibration
    ratio: np.ndarray | None

    @property
    def calibrated(self) -> View:
        """The view with probabilities that are calibrated again."""
        return View(self.view.sample.calibrated_by(self.calibration), self.view.source)
