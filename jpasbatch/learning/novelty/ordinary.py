"""What a committee knows of ordinary objects, and how unusual it finds others.

An object is compared with the spectra of the class that most members vote for. Three numbers say how strange it is: the
misfit of all bands together, the largest residual of a single band, and how far the members disagree. Each becomes a
level (`Levels`): how rare a number as large is among ordinary objects of the same class and magnitude. The highest
level counts, and its own level among ordinary objects is the score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.learning.novelty.novelty import EXTRAPOLATION, SAFE, UNKNOWN, UNSAFE, Novelty
from jpasbatch.learning.novelty.spectra import Misfits, compare
from jpasbatch.photometry.photometry import Photometry

UNSAFE_LEVEL = 2.0
"""One ordinary object in a hundred is at least as strange: the false alarms."""

EXTRAPOLATION_LEVEL = float(-np.log10(0.05))
"""One ordinary object in twenty."""

MOST_SPECTRA = 10
FAINTEST = 99.0
"""Magnitude of an object that has none."""

SIGNS = ("misfit", "band", "disagreement")
HIGHEST = "highest"

SHARES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99])
"""Shares of ordinary objects whose number is less: what is kept of their distribution."""

STEPS = -np.log10(1.0 - SHARES)
"""The same as levels."""

HIGHEST_LEVEL = 10.0
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
        """Return -log10 of the share of ordinary objects with at least this number, float64 (n,), 0 to `HIGHEST_LEVEL`.

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
        return np.clip(np.where(number > last, beyond, inside), 0.0, HIGHEST_LEVEL)

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


@dataclass(frozen=True)
class OrdinaryFacts:
    """What a record says of an `Ordinary`.

    Attributes
    ----------
    spectra, magnitude_bins : int
        Spectra of a class, and bins of its levels.
    signs : tuple of str
        Those of `SIGNS` that it judges by.
    fewest_bands : int
        Bands of the validation sample.
    unsafe_above, extrapolation_above : float
        Levels from which on an object is.
    """

    spectra: int
    magnitude_bins: int
    signs: tuple[str, ...]
    fewest_bands: int
    unsafe_above: float
    extrapolation_above: float


@dataclass(frozen=True, eq=False)
class Ordinary:
    """What a committee knows of ordinary objects; k classes.

    Attributes
    ----------
    basis : ndarray of float64, shape (k, bands, rank)
        Spectra of each class.
    seen : ndarray of bool, shape (k, bands)
        Bands in which these are known.
    limits : ndarray of float64, shape (k, 2)
        Brightest and faintest magnitude of the validation sample, by the class voted for.
    fewest_bands : int
        Bands of the validation sample.
    levels : dict of str to Levels
        Of each of `SIGNS`, and of the highest of these. "disagreement" knows one group, the others the classes; it is
        left out where members cannot disagree, or have learnt from the validation sample.
    """

    basis: np.ndarray
    seen: np.ndarray
    limits: np.ndarray
    fewest_bands: int
    levels: dict[str, Levels]

    def judge(
        self, photometry: Photometry, voted: np.ndarray, magnitude: np.ndarray, disagreement: np.ndarray
    ) -> Novelty:
        """Return how unusual objects are.

        Parameters
        ----------
        photometry : Photometry
            Of n objects.
        voted : ndarray of int, shape (n,)
            Class with the largest vote.
        magnitude : ndarray, shape (n,)
            Of the reference band.
        disagreement : ndarray, shape (n,)
            Of the members.
        """
        magnitude = known_magnitude(magnitude)
        found = self.compare(photometry, voted)
        highest = self.highest(found, voted, magnitude, disagreement)
        # rounded, so that it does not depend on how a processor rounds its sums
        score = np.round(self.levels[HIGHEST](highest, voted, magnitude), 3)
        # a committee of one, whose levels ask for the disagreement of members, gives NaN: nothing is known then
        known = (found.bands >= 2 * self.basis.shape[2]) & np.isfinite(score)
        low, high = self.limits[voted].T
        few_bands = found.bands < self.fewest_bands
        beyond = (magnitude < low) | (magnitude > high) | few_bands
        subset = np.full(len(score), SAFE, dtype=np.int8)
        subset[beyond | (score > EXTRAPOLATION_LEVEL)] = EXTRAPOLATION
        subset[score > UNSAFE_LEVEL] = UNSAFE
        subset[~known] = UNKNOWN
        return Novelty(np.where(known, score, np.nan), subset, disagreement, few_bands)

    def compare(self, photometry: Photometry, voted: np.ndarray) -> Misfits:
        """Return how far objects are from the spectra of the class voted for, (n,)."""
        whole = Misfits(*(np.zeros(len(photometry), dtype=kind) for kind in (float, float, np.int64)))
        for number, (basis, seen) in enumerate(zip(self.basis, self.seen, strict=True)):
            rows = np.flatnonzero(voted == number)
            if rows.size:
                part = compare(photometry, rows, basis, seen)
                for all_rows, some in zip(whole, part, strict=True):
                    all_rows[rows] = some
        return whole

    def highest(
        self, found: Misfits, voted: np.ndarray, magnitude: np.ndarray, disagreement: np.ndarray
    ) -> np.ndarray:
        """Return the highest level of all signs, float64 (n,)."""
        levels = [
            self.levels["misfit"](found.misfit, voted, magnitude),
            self.levels["band"](found.band, voted, magnitude),
        ]
        if "disagreement" in self.levels:
            levels.append(self.levels["disagreement"](disagreement, np.zeros_like(voted), magnitude))
        return np.maximum.reduce(levels)

    def describe(self) -> OrdinaryFacts:
        """Return what a record says of it."""
        return OrdinaryFacts(
            spectra=self.basis.shape[2],
            magnitude_bins=self.levels[HIGHEST].centre.shape[1],
            signs=tuple(name for name in self.levels if name != HIGHEST),
            fewest_bands=self.fewest_bands,
            unsafe_above=UNSAFE_LEVEL,
            extrapolation_above=EXTRAPOLATION_LEVEL,
        )


def known_magnitude(magnitude: np.ndarray) -> np.ndarray:
    """Return magnitudes, float64; an object without one is taken for the faintest."""
    return np.nan_to_num(np.asarray(magnitude, dtype=np.float64), nan=FAINTEST)
