"""From a number to how rare it is among ordinary objects of the same group and magnitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99])
"""Shares of ordinary objects whose number is less: what is kept of their distribution."""

STEPS = -np.log10(1.0 - SHARES)
"""The same as levels."""

HIGHEST = 10.0
"""Levels end here; above 2 they are extrapolated, a decade for the step from 90 to 99 %."""

MOST_BINS = 12
FEWEST = 500
"""Ordinary objects of a bin of magnitude; a group with fewer takes the distribution of all groups."""


@dataclass(frozen=True, eq=False)
class Levels:
    """The distribution of a number among ordinary objects, by group and magnitude; interpolated between bins.

    Attributes
    ----------
    centre : ndarray of float64, shape (groups, bins)
        Median magnitude of each bin, ascending.
    value : ndarray of float64, shape (groups, bins, len(SHARES))
        Quantiles of the number, increasing.
    """

    centre: np.ndarray
    value: np.ndarray

    @classmethod
    def fit(
        cls, number: np.ndarray, group: np.ndarray, magnitude: np.ndarray, groups: int, resolution: float
    ) -> Levels:
        """Return the levels of a sample of ordinary objects.

        Parameters
        ----------
        number, magnitude : ndarray, shape (n,)
            Finite.
        group : ndarray of int, shape (n,)
        groups : int
            Number of groups.
        resolution : float
            Least step of the number for a level of 1: smaller differences mean nothing.
        """
        sizes = np.bincount(group, minlength=groups)
        own = sizes >= FEWEST
        bins = int(np.clip(sizes[own].min() // FEWEST, 1, MOST_BINS)) if own.any() else 1
        centre, value = np.empty((groups, bins)), np.empty((groups, bins, len(SHARES)))
        for one in range(groups):
            rows = np.flatnonzero(group == one) if own[one] else np.arange(len(number))
            order = rows[np.argsort(magnitude[rows], kind="stable")]
            for place, part in enumerate(np.array_split(order, bins)):
                centre[one, place] = np.median(magnitude[part])
                found = np.quantile(number[part], SHARES)
                # at least the resolution apart
                least = resolution * STEPS
                value[one, place] = np.maximum.accumulate(found - least) + least
        return cls(centre, value)

    def __call__(self, number: np.ndarray, group: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Return -log10 of the share of ordinary objects with at least this number, float64 (n,), 0 to `HIGHEST`.

        Beyond the magnitudes that are known, those of the nearest bin count.
        """
        level = np.empty(len(number))
        for one in range(len(self.centre)):
            rows = np.flatnonzero(group == one)
            if rows.size:
                level[rows] = self._of_group(one, number[rows], magnitude[rows])
        return level

    def _of_group(self, group: int, number: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        centre, value = self.centre[group], self.value[group]
        place = np.interp(magnitude, centre, np.arange(len(centre)))
        below = np.minimum(place.astype(np.int64), max(len(centre) - 2, 0))
        above = np.minimum(below + 1, len(centre) - 1)
        part = (place - below)[:, None]
        edge = value[below] * (1 - part) + value[above] * part
        step = np.clip((number[:, None] >= edge).sum(axis=1) - 1, 0, len(SHARES) - 2)
        rows = np.arange(len(number))
        low, high = edge[rows, step], edge[rows, step + 1]
        inside = STEPS[step] + (number - low) / (high - low) * (STEPS[step + 1] - STEPS[step])
        last, decade = edge[:, -1], edge[:, -1] - edge[:, np.searchsorted(SHARES, 0.9)]
        beyond = STEPS[-1] + (number - last) / decade
        return np.clip(np.where(number > last, beyond, inside), 0.0, HIGHEST)

    def is_valid(self, groups: int) -> bool:
        """Whether the arrays are those of this many groups, finite and in order."""
        bins = self.centre.shape[1] if self.centre.ndim == 2 else 0
        return (
            0 < bins <= MOST_BINS
            and self.centre.shape == (groups, bins)
            and self.value.shape == (groups, bins, len(SHARES))
            and bool(np.isfinite(self.centre).all() and np.isfinite(self.value).all())
            and bool((np.diff(self.centre, axis=1) >= 0).all() and (np.diff(self.value, axis=2) > 0).all())
        )
