"""The distribution of quasars in redshift: each object's probabilities spread over the ranges, and what they sum to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jpasbatch.learning.exact_sums import inexact
from jpasbatch.learning.redshifts import RedshiftRanges
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.protocol import Findings
from jpasbatch.products.redshifts.quality import RedshiftQuality
from jpasbatch.products.redshifts.tally import RedshiftTally


def spread_over_ranges(
    probabilities: np.ndarray,
    density: np.ndarray,
    ranges: RedshiftRanges,
    limits: Sequence[tuple[float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each object to be a quasar within each range.

    The probability of a class is spread as the density has it between the redshifts of the class. So numbers of classes
    stay those of ``[counts]``, and what the density owes to its prior between classes drops out: within a class the
    prior is the distribution in redshift of what the committee learnt from.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, c)
        Of the c classes of quasars.
    density : ndarray, shape (n, k)
        Probability of each range.
    ranges : RedshiftRanges
    limits : sequence of (float, float)
        Redshifts of each of the c classes.

    Returns
    -------
    weights : ndarray of float64, shape (n, k)
    left_out : ndarray of float64, shape (n,)
        What could not be spread, where there is no density at all within the class.
    """
    weights = np.zeros(density.shape, dtype=np.float64)
    left_out = np.zeros(len(density), dtype=np.float64)
    for number, (low, high) in enumerate(limits):
        within = ranges.within(density, low, high)
        total = within.sum(axis=1)
        share = np.divide(within, total[:, None], out=np.zeros_like(within), where=total[:, None] > 0)
        weights += share * probabilities[:, number, None]
        left_out += np.where(total > 0, 0.0, probabilities[:, number])
    # probabilities of single precision may sum to more than 1 in the last digit
    return np.minimum(weights, 1.0), left_out


@dataclass(frozen=True, eq=False)
class RedshiftSummary:
    """Quasars by group (g: magnitude bins, all, counted) and range of redshift (k).

    Attributes
    ----------
    ranges : RedshiftRanges or None
        None in a job without redshifts; all else is then empty.
    number, error : ndarray, shape (g, k)
        Summed probabilities with their counting error.
    true : ndarray, shape (g, k)
        NaN in groups that hold an object of unknown class or redshift.
    true_number : ndarray, shape (g,)
        All true quasars, those beyond the ranges too; NaN as above.
    left_out : ndarray, shape (g,)
        Summed probability of objects without a redshift.
    objects : ndarray of int64, shape (g,)
        With a redshift.
    quality : tuple of RedshiftQuality
        Of each group.
    confused : ndarray of int64, shape (k, k)
        All true quasars with a redshift, by the ranges of true redshift and of redshift.
    """

    ranges: RedshiftRanges | None
    number: np.ndarray
    error: np.ndarray
    true: np.ndarray
    true_number: np.ndarray
    left_out: np.ndarray
    objects: np.ndarray
    quality: tuple[RedshiftQuality, ...]
    confused: np.ndarray

    @classmethod
    def of(cls, tally: RedshiftTally, ranges: RedshiftRanges | None) -> RedshiftSummary:
        """Return what the tally of a survey says."""
        unknown = _with_all(tally.unknown) > 0
        true, beyond = _with_all(tally.true), _with_all(tally.beyond)
        return cls(
            ranges,
            inexact(_with_all(tally.number)),
            np.sqrt(inexact(_with_all(tally.squares))),
            np.where(unknown[:, None], np.nan, true),
            np.where(unknown, np.nan, true.sum(axis=1) + beyond),
            inexact(_with_all(tally.left_out)),
            _with_all(tally.objects),
            tuple(
                RedshiftQuality.of(residuals, int(inside))
                for residuals, inside in zip(_with_all(tally.residuals), _with_all(tally.inside), strict=True)
            ),
            _with_all(tally.confused)[-2],
        )

    def table(self, groups: Sequence[str], area_deg2: float) -> pa.Table:
        """Return the distribution as a table, one row a group and range.

        Parameters
        ----------
        groups : sequence of str
            Their names.
        area_deg2 : float
            NaN where it is not known; densities are then NaN too.
        """
        limits = () if self.ranges is None else self.ranges.limits
        ranges = max(len(limits) - 1, 0)
        columns = {
            "group": [name for name in groups for _ in range(ranges)],
            "redshift_low": np.tile(limits[:-1], len(groups)),
            "redshift_high": np.tile(limits[1:], len(groups)),
            **{name: getattr(self, name).ravel() for name in ("number", "error", "true")},
        }
        columns["per_deg2"] = columns["number"] / area_deg2
        columns["per_deg2_error"] = columns["error"] / area_deg2
        return pa.table(columns)


def observed_area(findings: Findings) -> float:
    """Return the area that densities are on, deg2; NaN where it is not known."""
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")


def _with_all(sums: np.ndarray) -> np.ndarray:
    """Return sums of bins, all objects, and counted ones, of sums of bins, outside objects, and counted ones."""
    return np.concatenate([sums[:-2], sums[:-1].sum(axis=0, keepdims=True), sums[-1:]])
