"""Maps of the observed share that others made: HEALPix and healsparse files, and multi-order coverage maps (MOC)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.footprint.containers import whole_fits
from jpasbatch.footprint.coverage import PIXELS, Coverage

CHUNK = 2**22
"""Pixels of a full-sky map that are looked at together."""

UNSEEN = -1.6375e30
"""What HEALPix writes into a pixel without a value (Gorski et al. 2005)."""


def read_moc(key: str, path: Path) -> Coverage:
    """Read a MOC (FITS, JSON or text); it is a footprint.

    Raises
    ------
    InputError
        When it cannot be read, or is empty.
    """
    from mocpy import MOC

    _require(key, path)
    form = {".json": "json", ".txt": "ascii", ".ascii": "ascii"}.get(path.suffix.lower(), "fits")
    try:
        ranges = np.asarray(MOC.load(str(path), format=form).to_depth29_ranges, dtype=np.int64)
    except Exception as error:  # a panic of its parser is no declared exception
        raise InputError(
            f"{key} {path}: cannot be read as a MOC ({' '.join(str(error).split())[:200]})"
        ) from None
    if not len(ranges):
        raise InputError(f"{key} {path}: the MOC is empty")
    if ranges.min() < 0 or ranges.max() > PIXELS or (ranges[:, 0] >= ranges[:, 1]).any():
        raise InputError(
            f"{key} {path}: holds cells that the sky does not have; allowed are 12 * 4**order of an order"
        )
    return Coverage.of_ranges(ranges[:, 0], ranges[:, 1], "footprint")


def read_map(key: str, path: Path) -> Coverage:
    """Read a map of the observed share: a healsparse file, or a HEALPix file, full-sky or of given pixels.

    The first column of values is taken. Pixels without a value, or of value 0, were not observed.

    Raises
    ------
    InputError
        When it cannot be read, says not in which order its pixels are, is not equatorial, holds a pixel twice, or has a
        share below 0 or above 1.
    """
    _require(key, path)
    try:
        with whole_fits(path, memmap=True) as extensions:
            names = [extension.name for extension in extensions]
            if "COV" in names and "SPARSE" in names:
                return _read_healsparse(key, path)
            table = next(
                (one for one in extensions if one.header.get("PIXTYPE", "").upper() == "HEALPIX"), None
            )
            if table is None:
                raise InputError(
                    f"{key} {path}: no extension says PIXTYPE = HEALPIX; found {', '.join(names)}"
                )
            nside = _check_header(key, path, table.header)
            found = list(_read_pixels(key, path, table, nside))
    except InputError:
        raise
    except Exception as error:  # of a file that is cut off, astropy raises whatever comes first
        raise InputError(
            f"{key} {path}: cannot be read as FITS ({' '.join(str(error).split())[:200]})"
        ) from None
    pixels, values = (np.concatenate(one) for one in zip(*found, strict=True))
    return _coverage(key, path, pixels, values, nside)


def _require(key: str, path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{key} {path}: there is no such file")


def _check_header(key: str, path: Path, header: Any) -> int:
    """Return the nside of a HEALPix file."""
    order, nside = str(header.get("ORDERING", "")).strip().upper(), header.get("NSIDE", 0)
    if order not in ("NESTED", "NEST", "RING"):
        raise InputError(f"{key} {path}: ORDERING is {order or 'not given'}; allowed are NESTED and RING")
    if not isinstance(nside, int) or nside < 1 or nside & (nside - 1) or nside > 2**29:
        raise InputError(f"{key} {path}: NSIDE is {nside!r}; allowed is a power of two")
    frame = str(header.get("COORDSYS", "C")).strip().upper()
    if frame not in ("C", "Q", "CELESTIAL", "EQUATORIAL", ""):
        raise InputError(
            f"{key} {path}: COORDSYS is {frame!r}; allowed is C: rotate the map to equatorial coordinates"
        )
    return nside


def _read_pixels(key: str, path: Path, table: Any, nside: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield nested pixels that have a value, and these, of a HEALPix table."""
    import healpy

    ring = str(table.header["ORDERING"]).strip().upper() == "RING"
    names = table.columns.names
    explicit = (
        str(table.header.get("INDXSCHM", "")).strip().upper() == "EXPLICIT" or names[0].upper() == "PIXEL"
    )
    if explicit and len(names) < 2:
        raise InputError(f"{key} {path}: has a column of pixels and none of values")
    values = table.data[names[1 if explicit else 0]]
    per_row = int(np.prod(values.shape[1:], dtype=np.int64))
    if not explicit and len(values) * per_row != 12 * nside**2:
        raise InputError(
            f"{key} {path}: holds {len(values) * per_row} pixels; NSIDE = {nside} has {12 * nside**2}, or INDXSCHM is "
            "EXPLICIT with a column PIXEL"
        )
    rows = max(CHUNK // per_row, 1)
    for first in range(0, len(values), rows):
        chunk = np.asarray(values[first : first + rows], dtype=np.float64).ravel()
        pixel = np.arange(first * per_row, first * per_row + len(chunk))
        if explicit:
            pixel = np.asarray(table.data[names[0]][first : first + rows], dtype=np.int64).ravel()
            if len(pixel) and (pixel.min() < 0 or pixel.max() >= 12 * nside**2):
                raise InputError(f"{key} {path}: holds pixels that NSIDE = {nside} does not have")
        seen = np.isfinite(chunk) & (chunk > 0.99 * UNSEEN) & (chunk != 0)
        pixel = pixel[seen]
        yield (np.asarray(healpy.ring2nest(nside, pixel), dtype=np.int64) if ring else pixel), chunk[seen]


def _read_healsparse(key: str, path: Path) -> Coverage:
    try:
        import healsparse
    except ModuleNotFoundError:
        raise InputError(f"{key} {path}: is a healsparse map; install jpasbatch[maps] to read it") from None
    try:
        held: Any = healsparse.HealSparseMap.read(str(path))
        pixels = np.asarray(held.valid_pixels, dtype=np.int64)
        values = np.asarray(held[pixels])
    except Exception as error:  # of a damaged file it raises whatever comes first
        raise InputError(
            f"{key} {path}: cannot be read as healsparse ({' '.join(str(error).split())[:200]})"
        ) from None
    if values.dtype.kind not in "bf" or values.ndim != 1:
        raise InputError(
            f"{key} {path}: holds {values.dtype}; allowed is a map of true and false, or of the observed share"
        )
    return _coverage(key, path, pixels, values.astype(np.float64), int(held.nside_sparse))


def _coverage(key: str, path: Path, pixels: np.ndarray, values: np.ndarray, nside: int) -> Coverage:
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1 + 1e-6)))
    if len(wrong):
        raise InputError(
            f"{key} {path}: pixel {pixels[wrong[0]]} (nested) holds {values[wrong[0]]:g}; allowed is the observed "
            "share, 0 to 1"
        )
    if len(np.unique(pixels)) != len(pixels):
        raise InputError(f"{key} {path}: holds a pixel more than once")
    if not values.any():
        raise InputError(f"{key} {path}: nothing is observed: no pixel has a share above 0")
    return Coverage.of_pixels(pixels, np.minimum(values, 1.0), nside)
