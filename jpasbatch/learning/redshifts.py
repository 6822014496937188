"""Redshifts from a committee whose classes are ranges of redshift: probability density, point value, interval.

The density of an object in ln(1 + z) integrates over each range to the probability of that class. Within a range it
follows the neighbours: its cumulative is a monotone cubic (Fritsch & Carlson 1980) through the values at the limits.
A density that is constant within each range would spread objects at a limit over two whole ranges.

The prior of the density is how many objects each range had in the training sample. For another one multiply each
probability by the ratio of the shares, and divide by the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen

from jpasbatch.errors import InputError
from jpasbatch.learning.manifest import Manifest
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.options import Options

CENTRAL = 0.68
"""Probability within the published interval."""

NEIGHBOURHOOD = 0.05
"""In ln(1 + z), to either side: redshifts that are the same peak."""

BLOCK = 8192
"""Objects whose cumulatives are held at once: each has four coefficients a range."""

BISECTIONS = 40
"""To solve a cubic: beyond the digits of double precision that a redshift needs."""


@dataclass(frozen=True)
class RedshiftOptions(Options):
    """Which committee finds redshifts, and of which objects.

    Attributes
    ----------
    artefact : str
        Folder of a trained committee whose classes are ranges of redshift (`jobs/redshifts.toml`).
    minimum_probability : float
        Least summed probability of the classes of the same true class, as the job's own committee gives it, of an
        object whose redshift is looked for.
    """

    artefact: Annotated[str, MinLen(1)]
    minimum_probability: Annotated[float, Interval(ge=0, lt=1)] = 0.1


@dataclass(frozen=True)
class RedshiftRanges:
    """Ranges of redshift without gaps, k of them.

    Attributes
    ----------
    limits : tuple of float
        The k + 1 limits, rising, 0 or more, finite.
    truth : tuple of str
        Values of ``true_class`` of the objects that they are of.
    """

    limits: tuple[float, ...]
    truth: tuple[str, ...] = ("qso",)

    def __post_init__(self) -> None:
        limits = np.asarray(self.limits, dtype=np.float64)
        if limits.size < 3 or not np.isfinite(limits).all() or limits[0] < 0 or (np.diff(limits) <= 0).any():
            raise InputError(
                f"ranges of redshift need two ranges at least, with finite limits of 0 or more that rise; found the "
                f"limits {list(self.limits)}"
            )

    @classmethod
    def of(cls, manifest: Manifest) -> RedshiftRanges:
        """Return the ranges that are the classes of a committee.

        Raises
        ------
        InputError
            When they are no ranges of redshift of the same objects, side by side: then it names the class.
        """
        definitions = [manifest.definitions[name] for name in manifest.classes]
        limits: list[tuple[float, float]] = []
        for name, definition in zip(manifest.classes, definitions, strict=True):
            if definition.redshift is None or definition.truth != definitions[0].truth:
                raise _no_ranges(
                    name, definition, "every class must be a range of redshift of the same objects"
                )
            limits.append(definition.redshift)
        for name, one, other in zip(manifest.classes[1:], limits[:-1], limits[1:], strict=True):
            if one[1] != other[0]:
                raise _no_ranges(
                    name, manifest.definitions[name], f"it must begin at {one[1]:g}, without a gap"
                )
        return cls((limits[0][0], *(high for _, high in limits)), definitions[0].truth)

    def __len__(self) -> int:
        return len(self.limits) - 1

    @cached_property
    def _places(self) -> np.ndarray:
        """Limits in ln(1 + z), float64 (k + 1,)."""
        return np.log1p(np.asarray(self.limits, dtype=np.float64))

    def point(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the point value, as a redshift: where the highest density lies, in the place of most probability.

        The place is that range within `NEIGHBOURHOOD` of whose middle most probability lies, so that of an object with
        two peaks it is the larger one, where a median may lie between them. The value is the mean of ln(1 + z) over the
        range of the highest density in that neighbourhood and the two ranges beside it.

        Parameters
        ----------
        probabilities : ndarray, shape (n, k)
            Rows sum to 1.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        values = np.asarray(probabilities, dtype=np.float64)
        middles = 0.5 * (self._places[1:] + self._places[:-1])
        density = values / np.diff(self._places)
        near = np.clip(
            np.minimum(self._places[1:], middles[:, None] + NEIGHBOURHOOD)
            - np.maximum(self._places[:-1], middles[:, None] - NEIGHBOURHOOD),
            0.0,
            None,
        )
        place = (density @ near.T).argmax(axis=1)
        highest = np.where(near[place] > 0, density, -1.0).argmax(axis=1)
        beside = highest[:, None] + np.array([-1, 0, 1])
        there = (beside >= 0) & (beside < len(self))
        beside = np.clip(beside, 0, len(self) - 1)
        weight = np.where(there, np.take_along_axis(values, beside, axis=1), 0.0)
        return np.expm1((weight * middles[beside]).sum(axis=1) / weight.sum(axis=1))

    def quantile(self, probabilities: np.ndarray, *shares: float) -> np.ndarray:
        """Return the redshifts below which the density has these shares, float64 (shares, n)."""
        values = np.asarray(probabilities)
        parts = [
            self._quantile(values[start : start + BLOCK], shares) for start in range(0, len(values), BLOCK)
        ]
        return np.concatenate([np.empty((len(shares), 0)), *parts], axis=1)

    def _quantile(self, probabilities: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
        values = np.asarray(probabilities, dtype=np.float64)
        coefficients, rows = self._cumulative(values).c, np.arange(len(values))
        upper = values.cumsum(axis=1)
        found = np.empty((len(shares), len(values)))
        for number, share in enumerate(shares):
            wanted = share * upper[:, -1]
            at = np.minimum((upper < wanted[:, None]).sum(axis=1), len(self) - 1)
            width = np.diff(self._places)[at]
            part = _solve(coefficients[:, at, rows] * width ** np.arange(3, -1, -1)[:, None], wanted)
            found[number] = np.expm1(self._places[at] + part * width)
        return found

    def _cumulative(self, values: np.ndarray) -> Any:
        """Return the cumulative in ln(1 + z) of n densities, a piecewise polynomial of scipy."""
        from scipy.interpolate import PchipInterpolator

        below = np.concatenate([np.zeros((1, len(values))), values.cumsum(axis=1).T])
        return PchipInterpolator(self._places, below, axis=0)

    def interval(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the limits of the central interval of probability `CENTRAL`, each float64 (n,)."""
        tail = 0.5 * (1.0 - CENTRAL)
        low, high = self.quantile(probabilities, tail, 1.0 - tail)
        return low, high

    def position(self, redshift: np.ndarray) -> np.ndarray:
        """Return the range of each redshift, int64 (n,), lower limit inclusive; -1 beyond all of them and for NaN."""
        at = np.searchsorted(self.limits, redshift, side="right") - 1
        return np.where((at >= 0) & (at < len(self)), at, -1).astype(np.int64)

    def within(self, probabilities: np.ndarray, low: float, high: float) -> np.ndarray:
        """Return how much of the probability of each range lies at ``low`` <= z < ``high``, float64 (n, k).

        ``high`` may be infinite. The sum over ranges is the probability of these redshifts.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        bounds = np.clip(self._places, *np.log1p([max(low, 0.0), high]))
        if np.isin(bounds, self._places).all():  # whole ranges, as they are
            return np.where(np.diff(bounds) > 0, values, 0.0)
        return np.maximum(np.diff(self._cumulative(values)(bounds), axis=0).T, 0.0)


@dataclass(frozen=True, eq=False)
class Redshifts:
    """Redshifts of n objects; NaN where none was looked for or none could be found.

    Attributes
    ----------
    point, low, high : ndarray of float64, shape (n,)
        Point value, and the central interval of 68 %; the point value may lie outside of it where there are two peaks.
    probabilities : ndarray of float64, shape (n, k)
        Of each range.
    """

    point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, ranges: RedshiftRanges, probabilities: np.ndarray, rows: np.ndarray) -> Redshifts:
        """Return the redshifts of all objects, of which some have probabilities.

        Parameters
        ----------
        ranges : RedshiftRanges
        probabilities : ndarray, shape (objects with a redshift, k)
        rows : ndarray of bool, shape (n,)
            Which objects these are.
        """
        low, high = ranges.interval(probabilities)
        values = (ranges.point(probabilities), low, high, probabilities)
        return cls(*(_spread(np.asarray(one), rows) for one in values))


def _solve(coefficients: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where cubics that rise between 0 and 1 have given values; coefficients (4, n), that of the cube first."""
    low, high = np.zeros_like(wanted), np.ones_like(wanted)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        value = (
            (coefficients[0] * middle + coefficients[1]) * middle + coefficients[2]
        ) * middle + coefficients[3]
        below = value < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _spread(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    spread = np.full((len(rows), *values.shape[1:]), np.nan)
    spread[rows] = values
    return spread


def _no_ranges(name: str, definition: ClassDefinition, reason: str) -> InputError:
    return InputError(
        f"[redshifts] artefact: class {name!r} of this committee has truth {list(definition.truth)} and redshift "
        f"{definition.redshift}; {reason}. Name a committee that a job such as jobs/redshifts.toml "
        "trained"
    )
