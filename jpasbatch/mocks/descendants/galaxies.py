"""Galaxies: real ones brought to another redshift, with emission lines of their own; some are Seyferts.

Red and blue galaxies follow the luminosity functions of the two colours (`jpasbatch.mocks.populations.densities`). Red
ones descend from red galaxies of SDSS and, beyond z 0.3, from luminous red galaxies of DESI as well; blue ones
from blue galaxies of SDSS and, where they are faint (M_r > -19) or increasingly from z 0.3 to 0.7, from
emission-line galaxies of DESI. The galaxies of SDSS are luminous; their faint descendants get young light, and some of
the dwarfs are in a burst of star formation, as blue as quasars. A share of either colour descends from starbursts,
active galaxies, post-starbursts and sums of bulge and disc. Near galaxies are seen in part: their bulge varies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.descendants.emission import Emission, add_lines
from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS, GalaxyVariety
from jpasbatch.mocks.descendants.residuals import add_wiggles
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.spectra.cosmology import distance_modulus
from jpasbatch.mocks.spectra.grids import shifted
from jpasbatch.photometry.streams import ObjectStreams

DWARF_LIMIT = -19.0
"""M_r; galaxies that are fainter count as dwarfs."""

DWARF_SHARE = 0.3
"""Share of blue galaxies fainter than M_r = -19 that descend from emission-line galaxies at any redshift."""

BURST_LIGHT = (0.8, 4.0)
"""Young light over old at 5500 Angstrom in a burst, uniform in the logarithm: H alpha of about 100 to 230 Angstrom, to
which the young component has 300."""

NEAR = 0.1
"""Redshift below which an aperture of 3 arcsec (5.5 kpc there) holds a part of a galaxy only."""

BULGES = ("blue", "ELG", "starburst")
"""Kinds that get old light there; the others hold a bulge."""

DWARFS_AMONG_NEAR = 0.5
"""Share of near galaxies whose lines are those of their luminosity; the others are parts of luminous galaxies, whose
lines are those of the mixture. Assumed."""


@dataclass(frozen=True, eq=False)
class GalaxyFamily:
    """What galaxies are made of.

    Attributes
    ----------
    parents : Parents
        Kinds "red", "blue", "LRG", "ELG", one of red and LRG, and one of blue and ELG, at least; and some of
        `MIXED_KINDS`.
    mixture : (ndarray, ndarray, ndarray)
        Weights (k,), means (k, 4), covariances (k, 4, 4) of `RATIOS`.
    young, old : ndarray of float32, shape (3910,)
        Light of young and of old stars, 1 on average from 5000 to 6000 Angstrom; as that of the parents.
    variety : GalaxyVariety
    """

    parents: Parents
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray]
    young: np.ndarray
    old: np.ndarray
    variety: GalaxyVariety


def absolute_magnitude(magnitude: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return M_r (n,) without a K correction, good enough to tell dwarfs from giants."""
    return magnitude - distance_modulus(redshift)


def choose_galaxies(
    parents: Parents,
    split: str,
    red: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
    kinds: Mapping[str, float],
) -> np.ndarray:
    """Return the parent (n,) of each galaxy, of its colour (red: True) and fit for its place, or of a mixed kind.

    Parameters
    ----------
    parents : Parents
    split : str
    red : ndarray of bool, shape (n,)
    magnitude_and_redshift : (ndarray, ndarray), each (n,)
    streams : ObjectStreams
    kinds : mapping of str to float
        Shares of the kinds of `MIXED_KINDS`.
    """
    redshift = magnitude_and_redshift[1]
    drawn = streams.named("galaxy parent")
    distant, pick = drawn.uniform(), drawn.uniform()
    dwarf = absolute_magnitude(*magnitude_and_redshift) > DWARF_LIMIT
    blue_share = np.maximum(0.5 * np.clip((redshift - 0.3) / 0.4, 0, 1), DWARF_SHARE * dwarf)
    share = np.where(red, np.where(redshift > 0.3, 0.5, 0.0), blue_share)
    chosen = np.empty(red.size, dtype=np.int64)
    for colour, far_kind, near_kind in ((True, "LRG", "red"), (False, "ELG", "blue")):
        pools = [parents.of_kind(split, near_kind), parents.of_kind(split, far_kind)]
        if not any(pool.size for pool in pools):
            pools = [parents.rows_of_split[split]] * 2
        for far in (False, True):
            rows = np.flatnonzero((red == colour) & ((distant < share) == far))
            pool = pools[int(far)] if pools[int(far)].size else pools[int(not far)]
            chosen[rows] = _picked(pool, pick[rows])
    _choose_mixed(chosen, parents, split, kinds, streams)
    return chosen


def _choose_mixed(
    chosen: np.ndarray, parents: Parents, split: str, kinds: Mapping[str, float], streams: ObjectStreams
) -> None:
    """Replace parents (n,) in place by such of the mixed kinds, in their shares."""
    drawn = streams.named("galaxy kind")
    place, pick = drawn.uniform(), drawn.uniform()
    for number, kind in enumerate(MIXED_KINDS):
        rows = np.flatnonzero(_numbers(kinds, place) == number)
        pool = parents.of_kind(split, kind)
        if pool.size:
            chosen[rows] = _picked(pool, pick[rows])


def _numbers(kinds: Mapping[str, float], place: np.ndarray) -> np.ndarray:
    """Return the position of a kind in `MIXED_KINDS` (n,) by places from 0 to 1; their number for ordinary galaxies."""
    ends = np.cumsum([kinds.get(kind, 0.0) for kind in MIXED_KINDS])
    return np.searchsorted(ends, place, side="right")


def mixed_kinds(kinds: Mapping[str, float], streams: ObjectStreams) -> np.ndarray:
    """Return the kind of `MIXED_KINDS` that was drawn for each galaxy, str (n,); "" for ordinary ones."""
    number = _numbers(kinds, streams.named("galaxy kind").uniform())
    return np.array([*MIXED_KINDS, ""])[number]


def mixed_shares(parents: Parents, split: str, kinds: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of those kinds of `MIXED_KINDS` that have parents; galaxies of the others are ordinary ones."""
    return {kind: kinds.get(kind, 0.0) for kind in MIXED_KINDS if parents.of_kind(split, kind).size}


def _picked(pool: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the entries of a pool at places from 0 to 1."""
    return pool[np.minimum((place * pool.size).astype(np.int64), pool.size - 1)]


def galaxy_spectra(
    family: GalaxyFamily,
    chosen: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Return spectra (n, 1626) float32 of galaxies, f_lambda in any unit, on `observed_grid`."""
    magnitude, redshift = magnitude_and_redshift
    kind = family.parents.kind[chosen]
    flux = family.parents.observed(chosen, redshift)
    absolute = absolute_magnitude(magnitude, redshift)
    bursting = _add_young_light(flux, family, (kind, redshift, absolute), streams)
    _add_bulges(flux, family, (kind, redshift), streams)
    flux = np.maximum(flux, np.float32(1e-5) * flux.mean(axis=1, keepdims=True))
    add_wiggles(flux, family.variety.continuum_wiggles, streams.named("galaxy continuum"))
    strong = bursting | (kind == "starburst")
    whole = streams.named("galaxy part").uniform() < DWARFS_AMONG_NEAR
    known = strong | (whole & (redshift < NEAR))
    add_lines(flux, redshift, _emission(family, (kind, absolute), strong, known), streams)
    return flux


def _add_young_light(
    flux: np.ndarray,
    family: GalaxyFamily,
    what: tuple[np.ndarray, np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Add the light of young stars to blue galaxies in place; return which (n,) are in a burst."""
    kind, redshift, absolute = what
    young = streams.named("galaxy young light").exponential()
    faint = np.clip((absolute + 20.0) / 2.5, 0.0, 1.0)
    share = np.minimum(family.variety.young_light * faint * young, 2.0)
    burst = streams.named("galaxy burst")
    bursting = (burst.uniform() < family.variety.burst_share) & (absolute > DWARF_LIMIT) & (kind == "blue")
    low, high = np.log(BURST_LIGHT)
    share = np.where(bursting, np.exp(low + (high - low) * burst.uniform()), share * (kind == "blue"))
    flux += share.astype(np.float32)[:, None] * shifted(family.young, redshift)
    return bursting


def _add_bulges(
    flux: np.ndarray, family: GalaxyFamily, what: tuple[np.ndarray, np.ndarray], streams: ObjectStreams
) -> None:
    """Add old light to near blue galaxies in place, in shares of the light at 5500 Angstrom."""
    kind, redshift = what
    share = family.variety.bulge_light * streams.named("galaxy bulge").uniform()
    rows = np.flatnonzero((redshift < NEAR) & np.isin(kind, BULGES) & (share > 0))
    if not rows.size:
        return
    # parents are 1 on average about 5500 Angstrom, and young light comes on top
    ratio = (share[rows] / (1 - share[rows])).astype(np.float32)
    flux[rows] += ratio[:, None] * shifted(family.old, redshift[rows])


def _emission(
    family: GalaxyFamily, what: tuple[np.ndarray, np.ndarray], strong: np.ndarray, known: np.ndarray
) -> Emission:
    """Return what sets the lines of galaxies, by their kind and luminosity.

    Parameters
    ----------
    family : GalaxyFamily
    what : (ndarray, ndarray), each (n,)
        Kind and M_r.
    strong, known : ndarray of bool, shape (n,)
        Which are in a burst, and whose ratios follow from their luminosity.
    """
    kind, absolute = what
    variety = family.variety
    quiet = np.isin(kind, ("red", "LRG", "post-starburst"))
    width = np.where(quiet, variety.line_width_red, variety.line_width_blue)
    return Emission(
        mixture=family.mixture,
        width=np.where(strong, variety.burst_width, width),
        seyfert=np.where(kind == "active", 1.0, variety.seyfert_share),
        liner=np.where(np.isin(kind, ("red", "LRG")), variety.liner_share, 0.0),
        seyfert_width=variety.seyfert_width,
        liner_width=variety.liner_width,
        abundance_known=known,
        absolute=absolute,
        dust=variety.line_dust,
    )
