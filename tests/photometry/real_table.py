"""Rows of J-PAS as its TAP service gives them: lower case, a prefix, vectors of 57."""

import numpy as np

from jpasbatch.photometry.normalisation import Normalised, QualityCuts, normalise
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey, load_survey

J57 = load_survey("jpas57")
ROWS = 6


def magnitude_columns(aperture: str = "aper_cor_3_0", rows: int = ROWS) -> dict[str, np.ndarray]:
    """Return the columns of `jpas.MagABDualObj`: magnitude 21.4 with an error of 0.05 in every band."""
    bands = len(J57.bands)
    return {
        "tile_id": np.full(rows, 7, np.int64),
        "number": np.arange(1, rows + 1),
        "alpha_j2000": np.linspace(214.0, 215.0, rows),
        "delta_j2000": np.linspace(52.0, 53.0, rows),
        "class_star": np.full(rows, 0.9, np.float32),
        "flags": np.zeros((rows, bands), np.int32),
        "mask_flags": np.zeros((rows, bands), np.int32),
        f"mag_{aperture}": np.full((rows, bands), 21.4, np.float32),
        f"mag_err_{aperture}": np.full((rows, bands), 0.05, np.float32),
    }


def flux_columns(rows: int = ROWS) -> dict[str, np.ndarray]:
    """Return the columns of `jpas.FNuDualObj`: 10 microjansky at S/N 20 in every band."""
    columns = magnitude_columns(rows=rows)
    del columns["mag_aper_cor_3_0"], columns["mag_err_aper_cor_3_0"]
    shape = columns["flags"].shape
    return columns | {
        "flux_aper_cor_3_0": np.full(shape, 10.0, np.float32),
        "flux_relerr_aper_cor_3_0": np.full(shape, 0.05, np.float32),
    }


def make_raw(columns: dict[str, np.ndarray], bands: tuple[str, ...] = J57.band_names) -> RawTable:
    """Return a table of such columns, with their units."""
    units = {name: "mag" for name in columns if name.startswith("mag_") and name != "mag_flags"}
    units |= {name: "uJy" for name in columns if name.startswith("flux_aper")}
    units |= {"alpha_j2000": "deg", "delta_j2000": "deg"}
    prefixed = {f"jpas.{name}": value for name, value in columns.items()}
    return RawTable(prefixed, {f"jpas.{name}": unit for name, unit in units.items()}, bands, "tile.vot")


def read(columns: dict[str, np.ndarray], survey: Survey = J57, cuts: QualityCuts | None = None) -> Normalised:
    """Return the canonical rows of such columns."""
    return normalise(make_raw(columns), survey, cuts or QualityCuts())
