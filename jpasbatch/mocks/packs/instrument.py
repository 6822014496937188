"""Readers of the instrument of a pack: filter curves, and depth and seeing of every tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs.layout import needed
from jpasbatch.mocks.packs.reading import (
    FETCH_AGAIN,
    check_finite,
    check_not_negative,
    check_wavelength,
    read_bytes,
    read_rows,
    refused,
    row_numbers,
)
from jpasbatch.mocks.spectra.responses import ANGSTROM_PER, Response, curve_table, load_responses
from jpasbatch.photometry.survey import Band, Survey

UNDERSHOOT = 2e-3
"""Tolerated negative transmission in units of the peak: the published curve of rSDSS falls to -0.0006 of 0.62."""

CURVE_SOURCES = {"jpas_filters": "filter-curves", "splus_filters": "splus-curves"}
"""Folders of curves in a pack, and the sources that they are."""

DEPTH, SEEING = "DEPTH3ARC5S", "FWHMG"


@dataclass(frozen=True, eq=False)
class TileConditions:
    """Depth and seeing of every band in every tile, bands in the survey's order.

    tile : str (t,), REF_TILE_ID, miniJPAS before J-NEP, each in increasing order; depth : float64
    (t, bands), 5-sigma AB magnitude in an aperture of 3 arcsec; fwhm : float64 (t, bands), arcsec.
    """

    tile: np.ndarray
    depth: np.ndarray
    fwhm: np.ndarray


def read_filter_curves(pack: str | Path, survey: Survey) -> tuple[Response, ...]:
    """Read the published transmission curves of a survey's bands, in its order.

    What `synthesis.load_responses` reads, after stricter checks: no negative transmission beyond
    `UNDERSHOOT`, and wavelengths in Angstrom that cover the band.

    Raises
    ------
    InputError
        If a file is missing or wrong; it names the file.
    """
    curves = survey.curves
    if curves.folder not in CURVE_SOURCES:
        raise InputError(
            f"survey {survey.name!r}: a template pack has no folder {curves.folder!r} of curves; allowed are "
            f"{', '.join(CURVE_SOURCES)} ([curves] folder of the survey file)"
        )
    source = CURVE_SOURCES[curves.folder]
    paths = {path.name.removesuffix(".gz"): path for path in needed(pack, source)}
    for band in survey.bands:
        name = curves.name_of(band)
        if name not in paths:
            raise InputError(f"{Path(pack) / curves.folder / name}: there is no curve of band {band.name!r}")
        _check_curve(paths[name], band, ANGSTROM_PER[curves.unit])
    return load_responses(Path(pack) / curves.folder, survey)


def read_tile_images(pack: str | Path, survey: Survey) -> TileConditions | None:
    """Read depth and seeing from the TileImage tables of miniJPAS and, if it is there, of J-NEP.

    None for a survey whose file names no tiles: these images are not its own.

    Bands are matched by name: FILTER_ID through the Filter table, and that name must be in the name of
    the image too, which guards J-NEP, whose own Filter table is not in the pack.

    Raises
    ------
    InputError
        If a file is missing or wrong, or a tile has a band twice or not at all; it names the file.
    """
    if not survey.tiles:
        return None
    paths = {path.name.removesuffix(".gz"): path for path in needed(pack, "tile-images")}
    band_of = _filter_names(paths.pop("minijpas.Filter.csv"), survey)
    tiles = [entry for path in paths.values() for entry in _tiles(path, band_of, survey).items()]
    names = [name for name, _ in tiles]
    if len(set(names)) != len(names):
        raise InputError(
            f"{', '.join(map(str, paths.values()))}: share a REF_TILE_ID; expected different tiles"
        )
    values = np.array([value for _, value in tiles])
    return TileConditions(np.array(names), values[:, 0], values[:, 1])


def _filter_names(path: Path, survey: Survey) -> dict[str, str]:
    rows = read_rows(path, ("FILTER_ID", "name"))
    names = {row["FILTER_ID"]: row["name"] for row in rows}
    if len(names) != len(rows) or len(set(names.values())) != len(rows):
        raise InputError(f"{path}: a FILTER_ID or name is there twice; expected one row a filter")
    missing = [name for name in survey.band_names if name not in names.values()]
    if missing:
        raise InputError(f"{path}: has no filter {', '.join(missing)}; {FETCH_AGAIN}")
    return names


def _tiles(path: Path, band_of: dict[str, str], survey: Survey) -> dict[str, np.ndarray]:
    """Return depth and seeing, float64 (2, bands), of every tile of one table."""
    rows = read_rows(path, ("REF_TILE_ID", "FILTER_ID", "name", DEPTH, SEEING))
    depth, seeing = row_numbers(rows, DEPTH, path), row_numbers(rows, SEEING, path)
    if depth.min() < 10 or depth.max() > 35 or seeing.min() <= 0 or seeing.max() > 20:
        raise InputError(
            f"{path}: {DEPTH} from {depth.min():g} to {depth.max():g} mag, {SEEING} from {seeing.min():g} to "
            f"{seeing.max():g} arcsec; expected 10 to 35 mag and 0 to 20 arcsec"
        )
    tiles: dict[str, np.ndarray] = {}
    for row, values in zip(rows, np.stack([depth, seeing], axis=1), strict=True):
        band = _band_of_row(row, band_of, path)
        if band not in survey.band_names:
            continue
        column = tiles.setdefault(row["REF_TILE_ID"], np.full((2, len(survey.bands)), np.nan))
        if np.isfinite(column[0, survey.index(band)]):
            raise InputError(
                f"{path}: tile {row['REF_TILE_ID']} has band {band} twice; expected one image each"
            )
        column[:, survey.index(band)] = values
    if not tiles:
        raise InputError(f"{path}: has no image in a band of survey {survey.name!r}")
    for tile, column in tiles.items():
        missing = [
            name for name, seen in zip(survey.band_names, np.isfinite(column[0]), strict=True) if not seen
        ]
        if missing:
            raise InputError(f"{path}: tile {tile} has no image in {', '.join(missing)}; {FETCH_AGAIN}")
    return dict(sorted(tiles.items()))


def _band_of_row(row: dict[str, str], band_of: dict[str, str], path: Path) -> str:
    band = band_of.get(row["FILTER_ID"])
    if band is None or f"_{band}_" not in row["name"]:
        raise InputError(
            f"{path}: FILTER_ID {row['FILTER_ID']} of image {row['name']} is {band or 'unknown'} by the Filter "
            "table, which is not in the image's name; take both tables from the same release"
        )
    return band


def _check_curve(path: Path, band: Band, scale: float) -> None:
    with refused(path):
        table = curve_table(read_bytes(path))
    if table.ndim != 2 or table.shape[1] != 2:
        raise InputError(f"{path}: expected two columns, wavelength in Angstrom and transmission")
    check_finite(table, str(path))
    wavelength, transmission = table.T
    low, high = band.wavelength - band.width / 2, band.wavelength + band.width / 2
    check_wavelength(wavelength * scale, low, high, path, floor=1000)
    check_not_negative(transmission, path, "the transmission", UNDERSHOOT * float(transmission.max()))
