"""Reader of observed colours against which mocks are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.layout import needed
from jpasbatch.mocks.packs.reading import read_rows, row_numbers

CLASSES = {"STAR": "star", "GALAXY": "galaxy", "QSO": "qso"}

SENTINEL = -1000.0
"""Magnitudes below it (SDSS writes -9999) are not measured."""


@dataclass(frozen=True, eq=False)
class SdssPhotometry:
    """SDSS objects with a spectroscopic class.

    u, g, r, i : float64 (n,), magnitudes as published, NaN where not measured; true_class : str (n,), "star",
    "galaxy" or "qso"; redshift : float64 (n,).
    """

    u: np.ndarray
    g: np.ndarray
    r: np.ndarray
    i: np.ndarray
    true_class: np.ndarray
    redshift: np.ndarray


def read_sdss_photometry(pack: str | Path) -> SdssPhotometry:
    """Read the photometry, class and redshift of SDSS objects.

    Raises
    ------
    InputError
        If the file is missing or wrong, or a class is unknown; it names the file.
    """
    path = needed(pack, "sdss-photometry")[0]
    rows = read_rows(path, ("u", "g", "r", "i", "redshift", "class"))
    unknown = sorted({row["class"] for row in rows} - set(CLASSES))
    if unknown:
        raise InputError(f"{path}: class {', '.join(unknown)}; expected {', '.join(CLASSES)}")
    magnitudes = {band: row_numbers(rows, band, path) for band in "ugri"}
    for band, values in magnitudes.items():
        values[values < SENTINEL] = np.nan
        if np.any(values < 0) or np.any(values > 40):
            raise InputError(f"{path}: column {band}: expected magnitudes from 0 to 40, or -9999")
    true_class = np.array([CLASSES[row["class"]] for row in rows])
    return SdssPhotometry(**magnitudes, true_class=true_class, redshift=row_numbers(rows, "redshift", path))
