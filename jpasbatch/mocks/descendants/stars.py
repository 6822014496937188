"""Stars: a parent of a type that is drawn by magnitude."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.residuals import add_wiggles
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.shares import check_shares
from jpasbatch.options import Options
from jpasbatch.photometry.streams import ObjectStreams

STAR_KINDS = (
    *("B", "A", "F", "G", "K", "M", "white dwarf", "cataclysmic variable", "featureless white dwarf"),
    *(
        "blue horizontal branch",
        "metal white dwarf",
        "carbon star",
        "M giant",
        "brown dwarf",
        "Wolf-Rayet star",
    ),
)

PARENTS_OF = {"blue horizontal branch": "A"}
"""Kinds of stars that descend from parents of another kind."""

OPTIONAL_KINDS = ("brown dwarf",)
"""Kinds that only some template packs give; without them, their share falls to the others."""

BRIGHT_MIX = {"B": 0.01, "A": 0.03, "F": 0.22, "G": 0.27, "K": 0.27, "M": 0.17, "white dwarf": 0.02}
FAINT_MIX = {"B": 0.01, "A": 0.04, "F": 0.14, "G": 0.10, "K": 0.13, "M": 0.50, "white dwarf": 0.07}
"""Shares of the types at the bright and at the faint limit. No public mix for these fields and depths was found:
assumed, from the bimodal colours of faint high-latitude fields (halo turn-off stars and disc dwarfs)."""

METAL_RANK = {"F": (0.55, 0.20), "G": (0.68, 0.15), "K": (0.88, 0.10), "blue horizontal branch": (0.0, 0.15)}
"""Mean and scatter of the rank by metal lines that stars of a type are drawn with. The grid of models is uniform in
metallicity, the Galaxy is not; chosen so that u - g at given g - r is that of SDSS stars with r < 19. Stars of the blue
horizontal branch have few metals, and narrower Balmer lines, which lie in the same window, for their low gravity."""

RARE_IN_THE_SKY = {
    "blue horizontal branch": 5e-4,
    "metal white dwarf": 1.5e-3,
    "cataclysmic variable": 5e-5,
    "carbon star": 7e-5,
    "M giant": 5e-5,
    "brown dwarf": 2e-4,
    "Wolf-Rayet star": 0.0,
}
"""Shares of all stars with 17 < r <= 23.6 at high latitude, of which paper A counts 2,190 per deg2.

====================== ====================================================================================
kind                   from
====================== ====================================================================================
blue horizontal branch about 1 per deg2: 4,985 in SDSS (Xue et al. 2011, ApJ 738, 79)
metal white dwarf      410 DZ and 261 DQ of 20,407 white dwarfs (Kleinman et al. 2013, ApJS 204, 5), and as many
                       cool DA; of the 2 to 7 % that are white dwarfs here
cataclysmic variable   507 in 20 years of SDSS (Inight et al. 2023, MNRAS 524, 4867): 0.05 to 0.1 per deg2
carbon star            1,220 in SDSS (Green 2013, ApJ 765, 12): 0.15 per deg2
M giant                0.1 per deg2 (Bochanski et al. 2014, AJ 147, 76: 404 candidates)
brown dwarf            L dwarfs to 100 pc at 0.004 per pc3 (Best et al. 2021, AJ 161, 42): 0.4 per deg2
Wolf-Rayet star        none at high latitude
====================== ====================================================================================
"""

RARE_LEARNT = {
    "A": 0.03,
    "B": 0.02,
    "blue horizontal branch": 0.02,
    "featureless white dwarf": 0.015,
    "metal white dwarf": 0.025,
    "cataclysmic variable": 0.015,
    "carbon star": 0.01,
    "M giant": 0.01,
    "brown dwarf": 0.015,
    "Wolf-Rayet star": 0.005,
}
"""Shares in the balanced sets beyond those of `bright` and `faint`: as many as it takes to be known. Assumed."""

FEATURELESS_SHARE = 0.25
"""White dwarfs without lines for each one with lines: cool and strongly magnetic ones. Assumed."""


def _mix(shares: dict[str, float]) -> dict[str, float]:
    featureless = FEATURELESS_SHARE * shares["white dwarf"]
    return {**shares, "featureless white dwarf": featureless}


@dataclass(frozen=True)
class StarVariety(Options):
    """Which stars there are, and how they vary beyond their parents.

    Parameters
    ----------
    bright, faint : dict of str to float
        Shares of the types of `STAR_KINDS` at the bright and at the faint limit of the magnitudes, straight in
        magnitude between; they need not sum to one.
    rare_in_the_sky, rare_learnt : dict of str to float
        Shares of all stars, at any magnitude, that are taken from these for others of `STAR_KINDS`: in field and
        survey, and in training, validation and test.
    continuum_wiggles : float
        Standard deviation of the continuum's wiggles.
    """

    bright: dict[str, float] = field(default_factory=lambda: _mix(BRIGHT_MIX))
    faint: dict[str, float] = field(default_factory=lambda: _mix(FAINT_MIX))
    rare_in_the_sky: dict[str, float] = field(default_factory=lambda: dict(RARE_IN_THE_SKY))
    rare_learnt: dict[str, float] = field(default_factory=lambda: dict(RARE_LEARNT))
    continuum_wiggles: Annotated[float, Interval(ge=0, le=0.3)] = 0.02

    def check_relations(self) -> None:
        """Check how options depend on each other."""
        for key, shares in (("bright", self.bright), ("faint", self.faint)):
            unknown = sorted(set(shares) - set(STAR_KINDS))
            if unknown:
                raise ValueError(f"{key}: no type {unknown[0]!r}; allowed: {', '.join(STAR_KINDS)}")
            if not all(0 <= share < np.inf for share in shares.values()) or sum(shares.values()) <= 0:
                raise ValueError(f"{key} = {shares!r}: shares must not be negative, and some be positive")
        for key in ("rare_in_the_sky", "rare_learnt"):
            check_shares(key, getattr(self, key), STAR_KINDS)

    def mix(self, brightness: np.ndarray, rare: dict[str, float]) -> np.ndarray:
        """Return the shares (n, kinds) of `STAR_KINDS`, which sum to 1, of stars by their brightness (n,)."""
        bright, faint = (
            np.array([shares.get(kind, 0.0) for kind in STAR_KINDS]) for shares in (self.bright, self.faint)
        )
        part = brightness[:, None]
        common = part * bright / bright.sum() + (1 - part) * faint / faint.sum()
        added = np.array([rare.get(kind, 0.0) for kind in STAR_KINDS])
        return (1 - added.sum()) * common + added


def star_mixes(
    parents: Parents, brightness: np.ndarray, variety: StarVariety, rare: dict[str, float]
) -> np.ndarray:
    """Return the shares (n, kinds) of `STAR_KINDS` of stars; arguments as those of `choose_stars`."""
    given = {
        kind: share
        for kind, share in rare.items()
        if kind not in OPTIONAL_KINDS or (parents.kind == kind).any()
    }
    return variety.mix(brightness, given)


def choose_stars(
    parents: Parents,
    split: str,
    brightness: np.ndarray,
    streams: ObjectStreams,
    variety: StarVariety,
    rare: dict[str, float],
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
    rare : dict of str to float
        `rare_in_the_sky` or `rare_learnt` of it.

    Raises
    ------
    InputError
        If a type that is asked for has no parent in the split.
    """
    drawn = streams.named("star parent")
    mix = star_mixes(parents, brightness, variety, rare)
    kind, pick, metals = drawn.choice(mix), drawn.uniform(), drawn.normal()
    chosen = np.empty(len(streams), dtype=np.int64)
    for number, name in enumerate(STAR_KINDS):
        rows = np.flatnonzero(kind == number)
        pool = parents.of_kind(split, PARENTS_OF.get(name, name))
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
