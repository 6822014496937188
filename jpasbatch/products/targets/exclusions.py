"""Tables that a rule names: objects and circles that get no fibre, and the centres of fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.footprint.regions import circles_of
from jpasbatch.footprint.tables import Given, read_given
from jpasbatch.products.targets.matching import chord, close_neighbours, unit_vectors, within_circles
from jpasbatch.products.targets.options import TargetProgramme

IDENTIFIERS = ("object_id", "TARGID", "id")
OUTSIDE = -1

FIBRES = ("per_field", "fibres", "fibers", "quota")
SAME_FIELD = 1.0
"""Arcsec between two centres below which they are one."""

Circles = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Exclusions:
    """What the tables of a rule say.

    Attributes
    ----------
    identifiers : frozenset of str
        Objects that get no fibre.
    circles, stars : (ndarray, ndarray, ndarray)
        Right ascension, declination and radius, degrees: around objects that get no fibre, and masks.
    fields : ndarray of float64, shape (f, 2), optional
        Centres of fields, degrees; None where fields are pixels.
    """

    identifiers: frozenset[str]
    circles: Circles
    stars: Circles
    fields: np.ndarray | None

    def listed(self, names: list[str], ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which objects are in the list of those that get no fibre, bool (n,)."""
        named = np.fromiter((name in self.identifiers for name in names), dtype=bool, count=len(names))
        return named | within_circles(ra, dec, self.circles)

    def masked(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions lie in a circle that gets no fibre, bool (n,)."""
        return within_circles(ra, dec, self.stars)

    def field_of(self, ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
        """Return the number of the nearest field within so many degrees, int64 (n,); `OUTSIDE` of all."""
        from scipy.spatial import KDTree

        if self.fields is None:
            raise ValueError("fields are pixels")
        tree = KDTree(unit_vectors(self.fields[:, 0], self.fields[:, 1]))
        distance, number = tree.query(unit_vectors(ra, dec))
        return np.where(distance <= float(chord(radius)), number, OUTSIDE).astype(np.int64)


def exclusions_of(rule: TargetProgramme) -> Exclusions:
    """Read the tables of a rule; each is read once a process, until it changes.

    Raises
    ------
    InputError
        When one is missing, cannot be read, or lacks a column: the message names key, file and column.
    """
    return _read(rule.exclude, rule.exclude_radius, rule.exclude_circles, rule.fields, _moments(rule))


def _moments(rule: TargetProgramme) -> tuple[int, ...]:
    named = [Path(one) for one in (rule.exclude, rule.exclude_circles, rule.fields) if one]
    return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in named)


@lru_cache(maxsize=16)
def _read(exclude: str, radius: float, circles: str, fields: str, moments: tuple[int, ...]) -> Exclusions:
    empty = np.zeros(0)
    none = (empty, empty, empty)
    names, around = (
        _listed(read_given("[[targets]] exclude", Path(exclude)), radius) if exclude else ((), none)
    )
    stars = none
    if circles:
        found = circles_of(read_given("[[targets]] exclude_circles", Path(circles)), "ra", "dec")
        columns = zip(*((one.ra, one.dec, one.radius) for one in found), strict=True)
        ra, dec, sizes = (np.array(column) for column in columns)
        stars = (ra, dec, sizes)
    centres = None
    if fields:
        centres = _centres(read_given("[[targets]] fields", Path(fields)))
    return Exclusions(frozenset(names), around, stars, centres)


def _centres(given: Given) -> np.ndarray:
    """Return the centres of fields, degrees, float64 (f, 2).

    Raises
    ------
    InputError
        When a column is missing, two rows are the same field, or fields have fibres of their own.
    """
    own = given.name_of(*FIBRES)
    if own is not None:
        raise given.wrong(
            f"has the column {own!r}; every field has as many fibres as per_field says. Make a rule of each number, "
            "with a table of its fields"
        )
    ra, dec = given.positions("ra", "dec")
    neighbour = close_neighbours(ra, dec, SAME_FIELD)
    again = np.flatnonzero(neighbour >= 0)
    if len(again):
        one, other = sorted((int(again[0]), int(neighbour[again[0]])))
        raise given.wrong(
            f"rows {one + 1} and {other + 1} are the same field, less than {SAME_FIELD:g} arcsec apart; allowed "
            "is each field once. For two visits make per_field twice as large"
        )
    return np.column_stack([ra, dec])


def _listed(given: Given, radius: float) -> tuple[tuple[str, ...], Circles]:
    """Return identifiers and circles of a list of objects; either may be empty, and not both."""
    column = given.name_of(*IDENTIFIERS)
    right, up = given.name_of("ra", "GAIA_RA"), given.name_of("dec", "GAIA_DEC")
    if (right is None) != (up is None) or (right is None and column is None):
        raise InputError(
            f"{given.key} {given.path}: needs {IDENTIFIERS[0]!r}, or both 'ra' and 'dec'; found "
            f"{', '.join(given.table.colnames)}"
        )
    names = () if column is None else _texts(given, column)
    if right is None or up is None:
        empty = np.zeros(0)
        return names, (empty, empty, empty)
    ra, dec = given.positions(right, up)
    return names, (ra, dec, np.full(len(ra), radius / 3600))


def _texts(given: Given, name: str) -> tuple[str, ...]:
    """Return the cells of a column as texts, but for those that are empty.

    Raises
    ------
    InputError
        When they are neither texts nor whole numbers: 64 bits of an identifier are more than a float holds, so that
        another object would be excluded, or none.
    """
    column: Any = given.table[name]
    cells = np.ma.compressed(np.ma.asarray(column)) if column.ndim == 1 else np.asarray(column)
    whole = (
        all(isinstance(one, str | bytes) or one is None for one in cells) if cells.dtype.kind == "O" else None
    )
    if cells.ndim != 1 or not (whole or cells.dtype.kind in "USiu"):
        kind = cells.dtype if cells.ndim == 1 else "several values a row"
        raise given.wrong(
            f"column {name!r} holds {kind}; allowed are texts and whole numbers. Identifiers that became "
            "floating-point numbers have lost digits"
        )
    texts = (cell.decode() if isinstance(cell, bytes) else str(cell) for cell in cells if cell is not None)
    return tuple(text.strip() for text in texts if text.strip())
