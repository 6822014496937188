"""Random positions that went through the masks of a survey: their density says which share of a pixel was observed."""

from __future__ import annotations

import numpy as np

from jpasbatch.footprint.coverage import ORDER, PIXEL_DEG2, Coverage, order_of
from jpasbatch.footprint.options import COARSEST, FINEST, AreaOptions
from jpasbatch.footprint.tables import Given

WEIGHTS = ("weight", "weights")

LEAST_SEEN = 0.5
"""Share of what is expected that one pixel in ten must hold: a density that nearly all of them miss is another one."""

FEWEST = 20.0
"""Positions that an observed pixel must expect: it is empty by chance once in 5e8."""

CHECKED, BEYOND = 1000.0, 6.0
"""Positions that a pixel expects where a density is checked, and standard deviations beyond which it is wrong."""


def coverage_of(given: Given, options: AreaOptions) -> Coverage:
    """Return the coverage that random positions show.

    The observed share of a pixel is their number over that expected where all is observed; its noise is that of
    counting, and takes it above 1 at times. An object is inside where its pixel holds a position.

    Raises
    ------
    InputError
        When positions have weights, are too few for the grid, are denser somewhere than the density that the job
        gives, or nowhere as dense as half of it.
    """
    import healpy

    _refuse_weights(given)
    ra, dec = given.positions(options.ra, options.dec)
    density = options.density_per_deg2 or len(ra) / (options.drawn_in_deg2 or np.nan)
    nside = options.nside or finest_grid(density)
    expected = density * pixel_deg2(nside)
    if expected < FEWEST:
        raise given.wrong(
            f"{density:g} positions per deg2 are {expected:.2g} in a pixel of nside {nside}; allowed is {FEWEST:g} at "
            "least: give more positions, or [area] nside smaller"
        )
    pixel = np.asarray(healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True), dtype=np.int64)
    pixels, numbers = np.unique(pixel, return_counts=True)
    _check_density(given, pixels, numbers, nside, density)
    return Coverage.of_pixels(pixels, numbers / expected, nside)


def finest_grid(density: float) -> int:
    """Return the nside of the finest grid whose pixels expect `FEWEST` positions."""
    nside = FINEST
    while nside > COARSEST and density * pixel_deg2(nside) < FEWEST:
        nside //= 2
    return nside


def pixel_deg2(nside: int) -> float:
    """Return the area of a pixel, deg2."""
    return PIXEL_DEG2 * 4 ** (ORDER - order_of(nside))


def _check_density(given: Given, pixels: np.ndarray, numbers: np.ndarray, nside: int, density: float) -> None:
    """Refuse a density that is lower than that of the positions themselves: all areas would be too large."""
    coarse = nside
    while coarse > 1 and density * pixel_deg2(coarse) < CHECKED:
        coarse //= 2
    parents, place = np.unique(pixels // (nside // coarse) ** 2, return_inverse=True)
    summed = np.bincount(place, numbers)
    expected = density * pixel_deg2(coarse)
    if summed.max() > expected + BEYOND * np.sqrt(expected):
        raise given.wrong(
            f"pixel {parents[summed.argmax()]} of nside {coarse} holds {summed.max():.0f} positions where "
            f"{expected:.0f} are expected of {density:g} per deg2, so that more than all of it would be observed; the "
            "density is wrong, or positions occur more than once"
        )
    expected = density * pixel_deg2(nside)
    dense = float(np.quantile(numbers, 0.9))  # the largest number of all is one of chance
    if dense < LEAST_SEEN * expected:
        raise given.wrong(
            f"nine of ten pixels of nside {nside} hold {dense:.0f} positions at most where {expected:.0f} are "
            f"expected of {density:g} per deg2, so that not half of them would be observed; density_per_deg2 is too "
            "high, drawn_in_deg2 too small, or the positions are too few for a field that is smaller than a pixel"
        )


def _refuse_weights(given: Given) -> None:
    name = given.name_of(*WEIGHTS)
    if name is not None and np.ptp(given.numbers(name)) > 0:
        raise given.wrong(
            f"column {name!r}: the positions have weights, and here each counts as one; allowed are positions that are "
            "drawn in proportion to their weights, without that column"
        )
