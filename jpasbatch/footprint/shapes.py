"""Circles and polygons on the sphere as ranges of HEALPix pixels.

A pixel of the chosen grid belongs to a shape when its centre does: areas are right on average, whatever the size of
the shape. Cells that lie wholly within are found at once (package cdshealpix); only those on the edge are looked at one
by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jpasbatch.footprint.coverage import ORDER, order_of, united

FARTHEST = 85.0
"""Distance of the corners of a polygon from its middle, degrees, up to which it can be drawn in the plane."""

SMALL = 0.1
"""Radius of circles, degrees, up to which their pixels are listed one by one."""

NARROWEST = np.radians(1e-3 / 3600)
"""Width of a polygon below which it is a line: a milliarcsec, less than the digits of most tables."""

Cells = tuple[np.ndarray, np.ndarray, np.ndarray]
Ranges = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Circle:
    """A small circle.

    Attributes
    ----------
    ra, dec, radius : float
        Degrees.
    """

    ra: float
    dec: float
    radius: float

    def contains(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions lie within, bool (n,); degrees."""
        lon, lat, middle = np.radians(ra - self.ra), np.radians(dec), np.radians(self.dec)
        half = np.sin((lat - middle) / 2) ** 2 + np.cos(lat) * np.cos(middle) * np.sin(lon / 2) ** 2
        return half <= np.sin(np.radians(self.radius) / 2) ** 2

    def cells(self, order: int) -> Cells:
        """Return cells that cover the circle: pixel, order, and whether they lie wholly within."""
        import healpy

        if self.radius <= SMALL:  # eight times as fast, and of a large one too many pixels
            vector = healpy.ang2vec(self.ra, self.dec, lonlat=True)
            pixel = healpy.query_disc(2**order, vector, np.radians(self.radius), nest=True)
            return pixel, np.full(len(pixel), order), np.ones(len(pixel), dtype=bool)
        from astropy import units
        from astropy.coordinates import Latitude, Longitude
        from cdshealpix.nested import cone_search

        position = Longitude(self.ra, units.deg), Latitude(self.dec, units.deg)
        return cone_search(*position, self.radius * units.deg, order)


@dataclass(frozen=True, eq=False)
class Polygon:
    """A polygon whose edges are great circles; it need not be convex, and holds its middle's side of the sphere.

    Attributes
    ----------
    name : str
    ra, dec : ndarray of float64, shape (v,)
        Corners in order, degrees; the last is joined to the first.
    """

    name: str
    ra: np.ndarray
    dec: np.ndarray

    def __post_init__(self) -> None:
        corners = directions(self.ra, self.dec)
        middle = corners.sum(axis=0)
        length = np.linalg.norm(middle)
        if len(self.ra) < 3:
            raise ValueError(f"polygon {self.name}: found {len(self.ra)} corners; three at least are needed")
        if length < 1e-9 or (corners @ middle / length).min() < np.cos(np.radians(FARTHEST)):
            raise ValueError(
                f"polygon {self.name}: reaches more than {FARTHEST:g} degrees from its middle; divide it"
            )
        plane = self._plane(self.ra, self.dec)[0]
        crossing = crossed_edges(plane)
        if crossing is not None:
            raise ValueError(
                f"polygon {self.name}: the edges that begin at corners {crossing[0] + 1} and {crossing[1] + 1} cross "
                "or touch each other; give the corners in order around it, each once"
            )
        if is_line(plane):
            raise ValueError(
                f"polygon {self.name}: encloses no area, since its corners lie on one great circle; give corners that "
                "do, or leave it out"
            )

    def contains(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Return which positions lie within, bool (n,); degrees."""
        points, ahead = self._plane(ra, dec)
        corners = self._plane(self.ra, self.dec)[0]
        inside = np.zeros(len(points), dtype=bool)
        for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y1 == y2:
                continue
            between = (points[:, 1] < y1) != (points[:, 1] < y2)
            inside ^= between & (points[:, 0] < x1 + (points[:, 1] - y1) * (x2 - x1) / (y2 - y1))
        return inside & ahead

    def cells(self, order: int) -> Cells:
        """Return cells that cover the polygon: pixel, order, and whether they lie wholly within."""
        from astropy import units
        from astropy.coordinates import Latitude, Longitude
        from cdshealpix.nested import polygon_search

        corners = Longitude(self.ra, units.deg), Latitude(self.dec, units.deg)
        return polygon_search(*corners, order)

    def _plane(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return positions in the plane that touches the sphere at the middle, (n, 2), and which lie ahead of it.

        Great circles are straight lines there (gnomonic projection).
        """
        middle = directions(self.ra, self.dec).sum(axis=0)
        middle /= np.linalg.norm(middle)
        east = np.cross([0.0, 0.0, 1.0] if abs(middle[2]) < 0.9 else [1.0, 0.0, 0.0], middle)
        east /= np.linalg.norm(east)
        vectors = directions(ra, dec)
        depth = vectors @ middle
        ahead = depth > 1e-6
        plane = vectors @ np.column_stack([east, np.cross(middle, east)])
        return plane / np.where(ahead, depth, np.inf)[:, None], ahead


def ranges_of(shapes: list[Circle] | list[Polygon], nside: int) -> Ranges:
    """Return the union of shapes as ranges of pixels of order 29.

    Parameters
    ----------
    shapes : list of Circle or Polygon
        One at least.
    nside : int
        Of the grid whose centres decide.
    """
    found = [_ranges(shape.cells, shape.contains, order_of(nside)) for shape in shapes]
    starts, stops = (np.concatenate(one) for one in zip(*found, strict=True))
    return united(starts, stops)


def _ranges(
    cells: Callable[[int], Cells], contains: Callable[[np.ndarray, np.ndarray], np.ndarray], order: int
) -> Ranges:
    pixel, depth, whole = cells(order)
    pixel, depth, whole = pixel.astype(np.int64), depth.astype(np.int64), whole.astype(bool)
    edge = np.flatnonzero(~whole)
    kept = whole.copy()
    kept[edge] = contains(*centres(pixel[edge], depth[edge]))
    width = 4 ** (ORDER - depth[kept])
    return united(pixel[kept] * width, (pixel[kept] + 1) * width)


def centres(pixel: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return right ascension and declination of the centres of nested pixels of any orders, degrees."""
    import healpy

    return healpy.pix2ang(2**order, pixel, nest=True, lonlat=True)


def directions(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return unit vectors of positions in degrees, float64 (n, 3)."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def crossed_edges(corners: np.ndarray) -> tuple[int, int] | None:
    """Return the first two edges of a closed line in the plane, (v, 2), that cross or touch; None where none do."""
    following = np.roll(corners, -1, axis=0)
    repeated = np.flatnonzero((corners == following).all(axis=1))
    if len(repeated):
        return int(repeated[0]), int(repeated[0] + 1) % len(corners)
    for one in range(len(corners) - 2):
        others = np.arange(one + 2, len(corners) - (one == 0))
        a, b, c, d = corners[one], following[one], corners[others], following[others]
        apart = _side(a, b, c) * _side(a, b, d) > 0
        apart |= _side(c, d, a) * _side(c, d, b) > 0
        apart |= (np.minimum(c, d) > np.maximum(a, b)).any(axis=1) | (
            np.maximum(c, d) < np.minimum(a, b)
        ).any(axis=1)
        if not apart.all():
            return one, int(others[~apart][0])
    return None


def is_line(corners: np.ndarray) -> bool:
    """Return whether a closed line in the plane, (v, 2), is on average narrower than `NARROWEST`."""
    corners = corners - corners[0]
    following = np.roll(corners, -1, axis=0)
    area = abs((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum()) / 2
    return bool(area < NARROWEST * np.linalg.norm(following - corners, axis=1).sum() / 2)


def _side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return on which side of the line from a to b the point c lies: the sign of a determinant."""
    return np.sign(
        (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    )
