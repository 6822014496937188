"""Quasars and targets in each field of a spectrograph."""

from __future__ import annotations

from typing import Any

import numpy as np

from jpasbatch.products.accumulation import sum_by_pixel
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.targets.targets import FIELD_NSIDE, TargetLists

SLIVER = 0.02
"""Share of a field below which the field says nothing about a density."""


def field_rows(counts: CountSummary, targets: TargetLists | None) -> list[dict[str, Any]]:
    """Return covered area, QSOs and targets in each pixel of nside 32, about one WEAVE field.

    Empty when nothing was counted, or on pixels larger than a field.
    """
    if counts.options.nside < FIELD_NSIDE or not len(counts.pixels):
        return []
    import healpy

    parent = counts.pixels // (counts.options.nside // FIELD_NSIDE) ** 2
    pixels, above = sum_by_pixel(parent, counts.pixel_above_threshold[:, None])
    place = np.searchsorted(pixels, parent)
    area = np.bincount(place, counts.pixel_area_deg2, len(pixels))
    summed = np.bincount(place, counts.pixel_summed, len(pixels))
    number = _targets_in(pixels, targets)
    ra, dec = healpy.pix2ang(FIELD_NSIDE, pixels, nest=True, lonlat=True)
    whole = healpy.nside2pixarea(FIELD_NSIDE, degrees=True)
    return [
        {
            "pixel": int(pixels[row]),
            "ra": float(ra[row]),
            "dec": float(dec[row]),
            "area": float(area[row]),
            "covered": float(area[row] / whole),
            "summed": float(summed[row]),
            "above": int(above[row, 0]),
            "targets": int(number[row]),
            "target_density": float(number[row] / area[row]) if area[row] > SLIVER * whole else np.nan,
        }
        for row in np.argsort(-area, kind="stable")
    ]


def _targets_in(pixels: np.ndarray, targets: TargetLists | None) -> np.ndarray:
    number = np.zeros(len(pixels), dtype=np.int64)
    for one in targets.lists if targets else ():
        inside = np.isin(one.pixels, pixels)
        np.add.at(number, np.searchsorted(pixels, one.pixels[inside]), one.pixel_targets[inside])
    return number
