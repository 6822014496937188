"""Regions of the sky in tables: polygons, and circles around bright stars.

Polygons are read from a table of corners and not from region files of a viewer: one reader takes CSV, ECSV, FITS,
VOTable and Parquet, units can be written down, a database exports it, and it has no dialects.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jpasbatch.footprint.coverage import Coverage
from jpasbatch.footprint.shapes import Circle, Polygon, ranges_of
from jpasbatch.footprint.tables import Given

LARGEST_RADIUS = 3.0
"""Degrees; the glare of no star reaches so far, but its radius in another unit often does."""

RADII = {"radius": "deg", "radius_deg": "deg", "radius_arcmin": "arcmin", "radius_arcsec": "arcsec"}


def circles_of(given: Given, ra: str, dec: str) -> list[Circle]:
    """Return the circles of a table, one a row.

    Raises
    ------
    InputError
        When a column is missing, a value is no number, or a radius is not above 0 and at most `LARGEST_RADIUS`.
    """
    from astropy import units

    lon, lat = given.positions(ra, dec)
    name = given.column(*RADII)
    sizes = [one for one in RADII if given.name_of(one) is not None]
    if len(sizes) > 1:
        raise given.wrong(f"has the columns {' and '.join(map(repr, sizes))}; allowed is one radius a circle")
    unit = RADII[name.lower()]
    radius = (given.numbers(name, unit) * units.Unit(unit)).to_value("deg")
    wrong = np.flatnonzero(~((radius > 0) & (radius <= LARGEST_RADIUS)))
    if len(wrong):
        raise given.wrong(
            f"column {name!r}, row {wrong[0] + 1}: a radius of {radius[wrong[0]]:g} degrees; allowed is above 0 to "
            f"{LARGEST_RADIUS:g}. Name the column radius_arcsec or radius_arcmin if it is in another unit"
        )
    return [Circle(*values) for values in zip(lon.tolist(), lat.tolist(), radius.tolist(), strict=True)]


def polygons_of(given: Given, ra: str, dec: str) -> list[Polygon]:
    """Return the polygons of a table of corners: rows with the same value of ``polygon`` follow each other.

    Without that column all rows are one polygon.

    Raises
    ------
    InputError
        When a column is missing, a value is no number, a polygon has fewer than three corners, is divided, crosses
        itself, or is larger than can be drawn.
    """
    lon, lat = given.positions(ra, dec)
    name = given.name_of("polygon")
    names = _names_of(given, name) if name else np.full(len(lon), "1")
    first = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    if len(first) != len(set(names[first])):
        again = next(one for number, one in enumerate(names[first]) if one in names[first][:number])
        raise given.wrong(
            f"polygon {again}: its corners do not follow each other; write them in order around it"
        )
    found = []
    for begin, end in zip(first, [*first[1:], len(names)], strict=True):
        corners = slice(begin, end - 1 if _closed(lon[begin:end], lat[begin:end]) else end)
        try:
            found.append(Polygon(str(names[begin]), lon[corners], lat[corners]))
        except ValueError as error:
            raise given.wrong(str(error)) from None
    return found


def _names_of(given: Given, column: str) -> np.ndarray:
    """Return the name of the polygon of each corner, text (rows,); corners without one would become one polygon."""
    cells: Any = given.table[column]
    masked = getattr(cells, "mask", None)
    names = np.asarray(cells).astype(str)
    blank = np.char.strip(names) == ""
    if masked is not None:
        blank |= np.asarray(masked, dtype=bool)
    if blank.any():
        raise given.wrong(
            f"column {column!r}, row {int(np.flatnonzero(blank)[0]) + 1}: has no value; allowed is the name of a "
            "polygon at each of its corners"
        )
    return names


def _closed(ra: np.ndarray, dec: np.ndarray) -> bool:
    """Return whether the last corner is the first again, as some programs write it."""
    return len(ra) > 3 and bool(ra[0] == ra[-1]) and bool(dec[0] == dec[-1])


def drawn(shapes: list[Circle] | list[Polygon], nside: int) -> Coverage:
    """Return the union of shapes."""
    return Coverage.of_ranges(*ranges_of(shapes, nside))
