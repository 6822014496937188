"""What more fibres gain: expected number of right targets, and purity, against the density of fibres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.products.targets.fibres import rank_in_field
from jpasbatch.products.targets.options import TargetProgramme

POINTS = 200
"""Of a curve, at most."""


def likely_right(
    expected: np.ndarray, variance: np.ndarray, targets: np.ndarray, shift: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of the central 68 % of the number of right targets of lists, float64 (p,) each.

    The number is a sum of independent trials of unequal probability (Poisson-binomial; taken in its normal limit). All
    log-odds together may be off by a shift, which moves p by p (1 - p) of it: class shares that are wrong do that.

    Parameters
    ----------
    expected, variance : ndarray of float64, shape (p,)
        Sums of p and of p (1 - p).
    targets : ndarray, shape (p,)
    shift : float
        Standard error of the log-odds that all objects share.
    """
    error = np.sqrt(variance + (shift * variance) ** 2)
    return np.maximum(expected - error, 0), np.minimum(expected + error, targets)


def shared_shift(errors: Sequence[float], variance: float) -> float:
    """Return the standard error of the log-odds that all objects share, from what is known of a count of them.

    A shift of all log-odds by one moves a sum of probabilities by the sum of p (1 - p).

    Parameters
    ----------
    errors : sequence of float
        Standard errors of a count that do not come from chance: of the calibration, of the mocks. NaN: not known.
    variance : float
        Sum of p (1 - p) of what is counted.
    """
    return float(np.sqrt(np.nansum(np.square(errors))) / variance) if variance > 0 else 0.0


@dataclass(frozen=True, eq=False)
class YieldCurve:
    """The best lists of any length that one rule allows, shortest first.

    Attributes
    ----------
    fibres : ndarray of int64, shape (p,)
        Of each field where the rule limits these; else of the whole list.
    targets : ndarray of int64, shape (p,)
    expected, variance : ndarray of float64, shape (p,)
        Sums of p and of p (1 - p): mean and variance of the number of right targets.
    gain : ndarray of float64, shape (p,)
        What the last fibre gained: the mean probability of the objects that got it, field by field.
    per_field : bool
    """

    fibres: np.ndarray
    targets: np.ndarray
    expected: np.ndarray
    variance: np.ndarray
    gain: np.ndarray
    per_field: bool

    @property
    def purity(self) -> np.ndarray:
        """Share of right targets."""
        return self.expected / np.maximum(self.targets, 1)

    def interval(self, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return limits of the central 68 % of the number of right targets; see `likely_right`."""
        return likely_right(self.expected, self.variance, self.targets, shift)

    def up_to(self, targets: int) -> YieldCurve:
        """Return the curve of lists of at most so many targets."""
        short = self.targets <= targets
        arrays = (self.fibres, self.targets, self.expected, self.variance, self.gain)
        fibres, number, expected, variance, gain = (one[short] for one in arrays)
        return YieldCurve(fibres, number, expected, variance, gain, self.per_field)

    def saturation(self, gain: float) -> int | None:
        """Return the position from which on one more fibre gains less than this; None where it never does."""
        below = np.flatnonzero(self.gain < gain)
        return int(below[0]) if len(below) else None


def yield_curve(entries: np.ndarray, rule: TargetProgramme) -> YieldCurve:
    """Return the curve of one rule, of all its candidates in rank order.

    Where fibres are counted by field, the point of n fibres has the n best of every field.
    """
    sums = exact(entries["probability"])
    scatter = exact(
        entries["probability"].astype(np.float64) * (1 - entries["probability"].astype(np.float64))
    )
    rank = rank_in_field(entries)
    if rule.per_field is None:
        rank = np.arange(len(entries))
    length = int(rank.max(initial=-1)) + 1
    number = np.bincount(rank, minlength=length)
    added = [_summed(rank, values, length) for values in (sums, scatter)]
    targets, expected, variance = np.cumsum(number), *(inexact(np.cumsum(one)) for one in added)
    gain = inexact(added[0]) / np.maximum(number, 1)
    shown = np.arange(length)
    if length > POINTS:  # close together where lists are short
        shown = np.unique(((length - 1) * np.linspace(0, 1, POINTS) ** 2).astype(np.int64))
    fibres = np.arange(1, length + 1)
    return YieldCurve(
        fibres[shown],
        targets[shown],
        expected[shown],
        variance[shown],
        gain[shown],
        rule.per_field is not None,
    )


def _summed(rank: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    total = np.zeros(length, dtype=np.int64)
    np.add.at(total, rank, values)
    return total


def curve_table(curves: Sequence[YieldCurve], area_deg2: float, shift: float) -> pa.Table:
    """Return curves as a table, one row a rule and length; densities are NaN where the area is not known."""
    parts = []
    for number, curve in enumerate(curves, start=1):
        low, high = curve.interval(shift)
        columns = {
            "rule": np.full(len(curve.targets), number),
            "fibres_per_field": curve.fibres
            if curve.per_field
            else np.zeros(len(curve.fibres), dtype=np.int64),
            "targets": curve.targets,
            "targets_per_deg2": curve.targets / area_deg2,
            "expected_right": curve.expected,
            "expected_right_low": low,
            "expected_right_high": high,
            "expected_right_per_deg2": curve.expected / area_deg2,
            "purity": curve.purity,
            "gain_of_last_fibre": curve.gain,
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


CURVE_UNITS = {"targets_per_deg2": "deg-2", "expected_right_per_deg2": "deg-2"}
