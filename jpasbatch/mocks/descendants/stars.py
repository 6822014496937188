"""Stars: a parent of a type that is drawn by magnitude."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.residuals import add_wiggles
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.ranges import check_ranges
from jpasbatch.photometry.streams import ObjectStreams

STAR_KINDS = ("B", "A", "F", "G", "K", "M", "white dwarf", "cataclysmic variable", "featureless white dwarf")

BRIGHT_MIX = {"B": 0.01, "A": 0.03, "F": 0.22, "G": 0.27, "K": 0.27, "M": 0.17, "white dwarf": 0.02}
FAINT_MIX = {"B": 0.01, "A": 0.04, "F": 0.14, "G": 0.10, "K": 0.13, "M": 0.50, "white dwarf": 0.07}
"""Shares of the types at the bright and at the faint limit. No public mix for these fields and depths was found:
assumed, from the bimodal colours of faint high-latitude fields (halo turn-off stars and disc dwarfs)."""

METAL_RANK = {"F": (0.55, 0.20), "G": (0.68, 0.15), "K": (0.88, 0.10)}
"""Mean and scatter of the rank by metal lines that stars of a type are drawn with. The grid of models is uniform in
metallicity, the Galaxy is not; chosen so that u - g at given g - r is that of SDSS stars with r < 19."""

CATACLYSMIC_SHARE = 0.005

FEATURELESS_SHARE = 0.25
"""White dwarfs without lines for each one with lines: cool and strongly magnetic ones. Assumed."""


def _mix(shares: dict[str, float]) -> dict[str, float]:
    featureless = FEATURELESS_SHARE * shares["white dwarf"]
    return {**shares, "cataclysmic variable": CATACLYSMIC_SHARE, "featureless white dwarf": featureless}


@dataclass(frozen=True)
class StarVariety:
    """Which stars there are, and how they vary beyond their parents.

    Parameters
    ----------
    bright, faint : dict of str to float
        Shares of the types of `STAR_KINDS` at the bright and at the faint limit of the magnitudes, straight in
        magnitude between; they need not sum to one.
    continuum_wiggles : float
        Standard deviation of the continuum's wiggles.
    """

    bright: dict[str, float] = field(default_factory=lambda: _mix(BRIGHT_MIX))
    faint: dict[str, float] = field(default_factory=lambda: _mix(FAINT_MIX))
    continuum_wiggles: float = 0.02

    def __post_init__(self) -> None:
        for key, shares in (("bright", self.bright), ("faint", self.faint)):
            unknown = sorted(set(shares) - set(STAR_KINDS))
            if unknown:
                raise ValueError(f"{key}: no type {unknown[0]!r}; allowed: {', '.join(STAR_KINDS)}")
            if not all(0 <= share < np.inf for share in shares.values()) or sum(shares.values()) <= 0:
                raise ValueError(f"{key} = {shares!r}: shares must not be negative, and some be positive")
        check_ranges(self, {"continuum_wiggles": (0, 0.3)})


def choose_stars(
    parents: Parents,
    split: str,
    brightness: np.ndarray,
    streams: ObjectStreams,
    variety: StarVariety,
) -> np.ndarray:
    """Return the parent (n,) of each star.

    Parameters
    ----------
    parents : Parents
    split : str
    brightness : ndarray, shape (n,)
        0 at the faint limit of the magnitudes, 1 at the bright one.
    streams : ObjectStreams
    variety : StarVariety

    Raises
    ------
    InputError
        If a type that is asked for has no parent in the split.
    """
    bright, faint = (
        np.array([shares.get(kind, 0.0) for kind in STAR_KINDS]) for shares in (variety.bright, variety.faint)
    )
    drawn = streams.named("star parent")
    mix = brightness[:, None] * bright / bright.sum() + (1 - brightness[:, None]) * faint / faint.sum()
    kind, pick, metals = drawn.choice(mix), drawn.uniform(), drawn.normal()
    chosen = np.empty(len(streams), dtype=np.int64)
    for number, name in enumerate(STAR_KINDS):
        rows = np.flatnonzero(kind == number)
        pool = parents.of_kind(split, name)
        if rows.size and not pool.size:
            raise InputError(
                f"the template pack holds no usable star of type {name!r} in split {split!r}; "
                "complete the pack, or set its share to 0 in [mock.stars]"
            )
        place = pick[rows]
        if name in METAL_RANK:
            mean, scatter = METAL_RANK[name]
            pool = pool[np.argsort(parents.rank[pool], kind="stable")]
            place = _reflected(mean + scatter * metals[rows])
        chosen[rows] = pool[np.minimum((place * pool.size).astype(np.int64), pool.size - 1)]
    return chosen


def _reflected(place: np.ndarray) -> np.ndarray:
    """Return numbers within [0, 1], those beyond an end reflected at it."""
    return np.clip(1 - np.abs(1 - np.abs(place)), 0.0, 1.0)


def star_spectra(
    parents: Parents, chosen: np.ndarray, streams: ObjectStreams, variety: StarVariety
) -> np.ndarray:
    """Return spectra (n, 1626) float32 of stars, f_lambda in any unit, on `observed_grid`."""
    flux = parents.observed(chosen, np.zeros(chosen.size))
    add_wiggles(flux, variety.continuum_wiggles, streams.named("star continuum"))
    return flux
