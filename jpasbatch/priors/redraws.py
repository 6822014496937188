"""How far the numbers of a sky move with another validation sample: one that is drawn again, or one of other mocks.

Another sample calibrates otherwise, and other classes are beside each other in it. Both are done again, on the cells of
the sky: they hold calibrated probabilities, which the other sample calibrates once more.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from jpasbatch.priors.calibrations.log_linear import (
    LogLinearCalibration,
    Nearby,
    fit_log_linear,
    fit_nearby,
)
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, SkyCells, source_shares
from jpasbatch.priors.validation import ValidationSample

RECALIBRATION = "vector"
"""Kind by which cells are calibrated again, whatever their probabilities were calibrated by before."""


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
        """Return how far the numbers move with the validation sample of other mocks, not calibrated, (s, k)."""
        moved = self._shares(variant.calibrated_by(self.reference.calibration)) - self._unmoved
        return moved * self.prior.objects[:, None]

    @cached_property
    def _again(self) -> Nearby:
        """The same sample, calibrated once more as the others are."""
        return fit_nearby(RECALIBRATION, self.reference.sample)

    @cached_property
    def _unmoved(self) -> np.ndarray:
        """Shares that the same sample gives."""
        return self._shares_by(self.reference.sample, self._again.calibration)

    def _shares(self, sample: ValidationSample) -> np.ndarray:
        """Return the shares by a sample that is calibrated as the cells are."""
        return self._shares_by(sample, fit_log_linear(RECALIBRATION, sample, near=self._again))

    def _shares_by(self, sample: ValidationSample, calibration: LogLinearCalibration) -> np.ndarray:
        """Return the shares by a sample and its calibration."""
        probabilities = calibration(self.sky.probabilities, self.magnitude, self.missing)
        sky = replace(self.sky, probabilities=probabilities)
        given = sample.calibrated_by(calibration)
        return sky.shares(given, source_shares(given, sky.strata), self.method, self.prior.shares)
