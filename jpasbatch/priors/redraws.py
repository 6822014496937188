"""How far the numbers of a sky move with another validation sample: one that is drawn again, or one of other mocks.

Another sample calibrates otherwise, and other classes are beside each other in it. Both are done again, on the cells of
the sky: they hold calibrated probabilities, which the other sample calibrates once more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jpasbatch.priors.calibrations.log_linear import fit_log_linear
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Prior, Reference, SkyCells, source_shares
from jpasbatch.priors.validation import ValidationSample

RECALIBRATION = "vector"
"""Kind by which cells are calibrated again, whatever their probabilities were calibrated by before."""


def moved_by_redraws(
    cells: Cells, reference: Reference, options: PriorOptions, prior: Prior, seed: int, numbers: range
) -> np.ndarray:
    """Return how far the numbers of objects move when the validation sample is drawn again, (redraws, s, k).

    Parameters
    ----------
    cells : Cells
        Of the whole sky.
    reference : Reference
    options : PriorOptions
    prior : Prior
        As it was found.
    seed : int
    numbers : range
        Which redraws; each has random numbers of its own.
    """
    if not numbers:
        return np.zeros((0, *prior.shares.shape))
    again = _Again(cells, reference, options, prior)
    whole = again.shares(reference.sample)
    moved = [
        again.shares(reference.sample.redrawn(np.random.default_rng([seed, 14, number]))) - whole
        for number in numbers
    ]
    return np.array(moved) * prior.objects[:, None]


def moved_by_variant(
    cells: Cells, reference: Reference, options: PriorOptions, prior: Prior, variant: ValidationSample
) -> np.ndarray:
    """Return how far the numbers of objects move with the validation sample of other mocks, (s, k).

    Parameters
    ----------
    cells, reference, options, prior
        As those of `moved_by_redraws`.
    variant : ValidationSample
        Not calibrated.
    """
    again = _Again(cells, reference, options, prior)
    whole = again.shares(reference.sample)
    moved = again.shares(variant.calibrated_by(reference.calibration)) - whole
    return moved * prior.objects[:, None]


class _Again:
    """Shares that another validation sample gives to the same sky."""

    def __init__(self, cells: Cells, reference: Reference, options: PriorOptions, prior: Prior) -> None:
        self.sky = SkyCells.of(cells, reference.strata)
        self.magnitude, self.missing = cells.magnitude, cells.mean_missing
        self.method, self.start = options.method, prior.shares

    def shares(self, sample: ValidationSample) -> np.ndarray:
        """Return the shares by a sample that is calibrated as the cells are."""
        calibration = fit_log_linear(RECALIBRATION, sample)
        probabilities = calibration(self.sky.probabilities, self.magnitude, self.missing)
        sky = replace(self.sky, probabilities=probabilities)
        given = sample.calibrated_by(calibration)
        return sky.shares(given, source_shares(given, sky.strata), self.method, self.start)
