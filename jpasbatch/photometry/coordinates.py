"""Published coordinates to degrees, with the faults of single rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.catalogue_format import CatalogueFormat
from jpasbatch.photometry.raw_table import RawTable, as_scalars
from jpasbatch.photometry.units import is_degrees

IMPOSSIBLE_DENSITY = 1e7
"""Objects per square degree; deep optical fields hold some 1e5 to 1e6."""

FEWEST_FOR_DENSITY = 100

HOURS = 24.0
LONGEST_STRIP = 10.0
"""Extent in declination over that in right ascension, on the sky, of a table whose right ascensions all fit into
hours; hours in place of degrees make it 15 times larger."""


class Coordinates(NamedTuple):
    """Positions in degrees, the rows with a fault by reason, and what was changed.

    ``ra`` is in [0, 360) and ``dec`` in [-90, 90], (n,) float64, where no fault holds.
    """

    ra: np.ndarray
    dec: np.ndarray
    faults: dict[str, np.ndarray]
    notes: tuple[str, ...]


def read_coordinates(raw: RawTable, catalogue: CatalogueFormat, matched: dict[str, str]) -> Coordinates:
    """Return positions; right ascensions in [-180, 0) are raised by 360 degrees.

    Raises
    ------
    InputError
        If a column is not in double precision (unless the survey allows float32), states a unit
        other than degrees, or seems to hold radians or hours.
    """
    ra = _read(raw, matched[catalogue.ra], catalogue)
    dec = _read(raw, matched[catalogue.dec], catalogue)
    if catalogue.check_radians:
        stated = all(raw.units.get(matched[name], "").strip() for name in (catalogue.ra, catalogue.dec))
        _check_radians(ra, dec, stated, raw.source)
        _check_hours(ra, dec, stated or not raw.has_units, raw.source)
    finite_ra, finite_dec = np.isfinite(ra), np.isfinite(dec)
    with np.errstate(invalid="ignore"):
        faults = {
            "ra not finite": ~finite_ra,
            "dec not finite": ~finite_dec,
            "ra out of range": finite_ra & ((ra < -180) | (ra > 360)),
            "dec out of range": finite_dec & (np.abs(dec) > 90),
        }
        negative = finite_ra & (ra < 0) & (ra >= -180)
    wrapped = np.where(negative, ra + 360, ra)
    # 360 itself, and what rounding makes of a tiny negative number
    wrapped[wrapped == 360] = 0.0
    notes = []
    if negative.any():
        notes.append(f"{raw.source}: {int(negative.sum())} right ascensions in [-180, 0) were raised by 360")
    return Coordinates(wrapped, dec, faults, tuple(notes))


def no_coordinates(rows: int) -> Coordinates:
    """Return the positions of a table that has none, NaN and without a fault."""
    nowhere = np.full(rows, np.nan)
    return Coordinates(nowhere, nowhere, {}, ())


def _read(raw: RawTable, name: str, catalogue: CatalogueFormat) -> np.ndarray:
    column = as_scalars(raw, name)
    unit = raw.units.get(name, "").strip()
    if unit and not is_degrees(unit):
        raise InputError(f"{raw.source}: column {name!r} has the unit {unit!r}; coordinates must be in deg")
    if column.dtype.kind == "f" and column.dtype.itemsize < 8:
        if not catalogue.float32_coordinates:
            raise InputError(
                f"{raw.source}: column {name!r} is {column.dtype}, too coarse for positions (steps of up to"
                " 0.1 arcsec); float64 is required, or float32_coordinates = true in the [catalogue] of the"
                " survey file"
            )
    elif column.dtype.kind != "f" and len(column):
        raise InputError(f"{raw.source}: column {name!r} must hold float64 degrees, found {column.dtype}")
    values = column.filled(np.nan) if isinstance(column, np.ma.MaskedArray) else column
    return values.astype(np.float64, copy=False)


def _check_radians(ra: np.ndarray, dec: np.ndarray, unit_is_stated: bool, source: str) -> None:
    usable = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[usable], dec[usable]
    within = ra.size > 0 and -np.pi <= ra.min() and ra.max() <= 2 * np.pi and np.abs(dec).max() <= np.pi / 2
    if not within:
        return
    if not unit_is_stated:
        raise InputError(
            f"{source}: all {ra.size} positions lie within the range of radians (ra {ra.min():.4f} to"
            f" {ra.max():.4f}, dec {dec.min():.4f} to {dec.max():.4f}) and no unit is stated; convert them to"
            " degrees, or state the unit deg, or set check_radians = false in the survey file"
        )
    area = max(float(np.ptp(ra) * np.ptp(dec)), np.finfo(float).tiny)
    if ra.size >= FEWEST_FOR_DENSITY and ra.size / area > IMPOSSIBLE_DENSITY:
        raise InputError(
            f"{source}: {ra.size} objects within {area:.2e} square degrees cannot be: the positions seem to"
            " be in radians although the unit says deg"
        )


def _check_hours(ra: np.ndarray, dec: np.ndarray, unit_is_stated: bool, source: str) -> None:
    usable = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[usable], dec[usable]
    if not ra.size or ra.min() < 0 or ra.max() > HOURS:
        return
    advice = "convert them to degrees, or set check_radians = false in the survey file"
    if not unit_is_stated:
        raise InputError(
            f"{source}: all {ra.size} right ascensions lie within {ra.min():.4f} to {ra.max():.4f}, "
            f"which may be hours, and no unit is stated; state the unit deg, or {advice}"
        )
    width = float(np.ptp(ra)) * max(float(np.cos(np.radians(np.abs(dec).min()))), 0.01)
    if ra.size >= FEWEST_FOR_DENSITY and np.ptp(dec) > LONGEST_STRIP * width:
        raise InputError(
            f"{source}: the {ra.size} positions lie within ra {ra.min():.4f} to {ra.max():.4f} and "
            f"dec {dec.min():.4f} to {dec.max():.4f}, a strip along the meridian: "
            f"right ascensions seem to be in hours; {advice}"
        )
