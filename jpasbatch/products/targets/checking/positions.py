"""Rules of the positions of a target catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jpasbatch.products.targets.checking.values import Catalogue
from jpasbatch.products.targets.checking.violation import Violation, at_rows
from jpasbatch.products.targets.matching import close_neighbours

SEPARATION_ARCSEC = 1.0
"""Two targets as close as this are one object: a fibre takes in 1.3 arcsec."""

NSIDE = 32
HOURS = 24.0
FULL_CIRCLE = 360.0


def position_faults(catalogue: Catalogue) -> Iterator[Violation]:
    """Yield what is wrong with positions: the same one twice, hours, pixels of elsewhere, only one coordinate."""
    ra, dec = catalogue.numbers("GAIA_RA"), catalogue.numbers("GAIA_DEC")
    if ra is None or dec is None or not len(ra):
        return
    valid = (ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90)
    yield from at_rows("position-zero", "GAIA_RA", valid & (ra == 0) & (dec == 0), ra, "a position")
    yield from at_rows("full-circle", "GAIA_RA", ra == FULL_CIRCLE, ra, "0, which is the same", "warning")
    if len(ra) > 3 and valid.all() and ra.max() <= HOURS and np.ptp(ra) * 15 > np.ptp(dec) * 4:
        everything = np.ones(len(ra), dtype=bool)
        yield from at_rows("hours", "GAIA_RA", everything, ra, "degrees; these may be hours", "warning")
    rows = np.flatnonzero(valid)
    close = np.zeros(len(ra), dtype=bool)
    close[rows] = close_neighbours(ra[rows], dec[rows], SEPARATION_ARCSEC) >= 0
    yield from at_rows(
        "position-twice", "GAIA_RA", close, ra, f"targets more than {SEPARATION_ARCSEC:g} arcsec apart"
    )
    yield from _pixels(catalogue, ra, dec, valid)


def _pixels(catalogue: Catalogue, ra: np.ndarray, dec: np.ndarray, valid: np.ndarray) -> Iterator[Violation]:
    import healpy

    pixel = catalogue.numbers("HEALPIX")
    if pixel is None:
        return
    wanted = np.full(len(ra), -1.0)
    wanted[valid] = healpy.ang2pix(NSIDE, ra[valid], dec[valid], nest=True, lonlat=True)
    # what is public does not say whether pixels are counted from 0 or from 1
    odd = valid & (pixel != -1) & (pixel != wanted) & (pixel != wanted + 1)
    yield from at_rows(
        "pixel", "HEALPIX", odd, pixel, "the nested pixel of nside 32 of the position, or nothing"
    )
