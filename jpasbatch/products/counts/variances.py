"""Variances of a number of objects that is a sum of probabilities, from the errors of the class shares of the sky."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jpasbatch.priors.prior import Prior
from jpasbatch.products.counts.estimates import ONE_SIGMA

FARTHEST = 3.0
"""That a redraw counts for, in standard deviations: of normal ones three in a thousand are farther."""


class Variances(NamedTuple):
    """Variances of a summed probability, without those between fields; NaN where one is not known."""

    counting: float
    calibration: float
    systematic: float

    @property
    def total(self) -> float:
        """Sum of those that are known."""
        return float(np.nansum(self))


def count_variances(sums: np.ndarray, products: np.ndarray, counted: list[int], prior: Prior) -> Variances:
    """Return the variances of a summed probability; arguments as those of `counting_variance`."""
    return Variances(
        counting_variance(sums, products, counted, prior),
        calibration_variance(sums, counted, prior),
        systematic_variance(sums, counted, prior),
    )


def counting_variance(sums: np.ndarray, products: np.ndarray, counted: list[int], prior: Prior) -> float:
    """Return the variance of a summed probability over skies that are drawn again.

    Each object adds its probability w, and moves the class shares of its stratum, which moves the probabilities of the
    others. The variance is the sum of the squares of what objects add in all (delta method for a Poisson process).

    Parameters
    ----------
    sums : ndarray, shape (s, c)
        Summed probabilities of the counted classes in the selection.
    products : ndarray, shape (s, k)
        Summed products of w and the probability of each class.
    counted : list of int
        Positions of the counted classes.
    prior : Prior
        With its strata and covariance.
    """
    total = 0.0
    for stratum in range(len(sums)):
        numbers = np.maximum(prior.numbers[stratum], 1e-9)
        moved = products[stratum] / numbers
        derivative = -moved
        derivative[counted] += sums[stratum] / numbers[counted]
        covariance = prior.covariance[stratum]
        total += products[stratum][counted].sum()
        total += 2.0 * derivative @ covariance @ moved + derivative @ covariance @ derivative
    return max(float(total), 0.0)


def calibration_variance(sums: np.ndarray, counted: list[int], prior: Prior) -> float:
    """Return the variance of a summed probability over validation samples that are drawn again.

    It is the mean square of how far redraws move it, where none counts for more than `FARTHEST` times what 68 of 100
    stay within. Where a class has no example, a few redraws take stars for quasars: a plain mean would be theirs.
    """
    if not len(prior.redrawn):
        return float("nan")
    moved = np.abs(moved_counts(sums, prior.redrawn, counted, prior))
    limit = FARTHEST * np.quantile(moved, ONE_SIGMA, method="median_unbiased")
    return float(np.mean(np.minimum(moved, limit) ** 2))


def systematic_variance(sums: np.ndarray, counted: list[int], prior: Prior) -> float:
    """Return the variance that the wrongness of the mocks brings.

    The mocks are wrong in several ways that do not depend on each other; each is as large as one standard deviation.
    """
    if not prior.variants:
        return float("nan")
    return float(np.sum(moved_counts(sums, prior.varied, counted, prior) ** 2))


def moved_counts(sums: np.ndarray, moves: np.ndarray, counted: list[int], prior: Prior) -> np.ndarray:
    """Return how far a summed probability moves with the numbers of the classes, (moves,).

    The selection is taken to hold the same share of the objects of each class and stratum.

    Parameters
    ----------
    sums : ndarray, shape (s, c)
        Summed probabilities of the counted classes in the selection.
    moves : ndarray, shape (moves, s, k)
    counted : list of int
    prior : Prior
    """
    strata = len(sums)
    numbers = np.maximum(prior.numbers[:strata, counted], 1e-9)
    return np.einsum("rsc,sc->r", moves[:, :strata][:, :, counted], sums / numbers)
