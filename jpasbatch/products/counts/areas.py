"""The area of densities, on any grid: of all pixels together it is that of the counts."""

from __future__ import annotations

import numpy as np

from jpasbatch.footprint.coverage import Coverage
from jpasbatch.products.accumulation import SKY_DEG2
from jpasbatch.products.counts.tally import CountSummary


def pixel_areas(
    counts: CountSummary, coverage: Coverage | None, nside: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the pixels of a grid that were observed, and the observed area of each.

    Parameters
    ----------
    counts : CountSummary
    coverage : Coverage, optional
        The observed part of the sky that the counts are of.
    nside : int
        Of the grid; without a coverage at most ``counts.options.area_nside``.

    Returns
    -------
    (pixels, area) or None
        int64 (p,) nested and ascending, and float64 (p,), deg2. None where the counts have no area.

    Raises
    ------
    ValueError
        When the grid is finer than the one that measured the area.
    """
    if coverage is not None:
        return coverage.areas(nside)
    if np.isnan(counts.area_deg2):
        return None
    options = counts.options
    if nside > options.area_nside:
        raise ValueError(f"nside {nside}: the area was measured on pixels of nside {options.area_nside}")
    fine = SKY_DEG2 / (12 * options.area_nside**2)
    scale = counts.area_deg2 / counts.measured_area_deg2 if counts.measured_area_deg2 > 0 else 1.0
    between = max(nside, options.nside)
    children, bits = (between // options.nside) ** 2, np.unpackbits(counts.covered, axis=1)
    number = bits.reshape(len(bits), children, -1).sum(axis=2, dtype=np.int64)
    row, child = np.nonzero(number)
    pixels, place = np.unique(
        (counts.occupied[row] * children + child) // (between // nside) ** 2, return_inverse=True
    )
    return pixels, np.bincount(place, number[row, child], len(pixels)) * (fine * scale)
