"""Positions that are close to each other, by trees of unit vectors."""

from __future__ import annotations

import numpy as np

ALONE = -1
"""In the place of a neighbour: there is none."""

TOGETHER = 10_000
"""Circles whose objects are listed at a time."""


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return positions in degrees as unit vectors, float64 (n, 3)."""
    right, up = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)])


def chord(degrees: np.ndarray | float) -> np.ndarray:
    """Return the straight distance between points of the unit sphere that are so many degrees apart."""
    return 2 * np.sin(np.radians(np.asarray(degrees, dtype=np.float64)) / 2)


def close_neighbours(ra: np.ndarray, dec: np.ndarray, arcsec: float) -> np.ndarray:
    """Return for each position the row of another one that is as close as this, int64 (n,); `ALONE` where none is.

    Pairs are not listed: a million rows of one position have 5e11.

    Parameters
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Degrees.
    arcsec : float
    """
    from scipy.spatial import KDTree

    if len(ra) < 2:
        return np.full(len(ra), ALONE, dtype=np.int64)
    places, first, place = np.unique(
        np.column_stack([ra, dec]), axis=0, return_index=True, return_inverse=True
    )
    place = place.ravel()
    neighbour = np.full(len(places), ALONE, dtype=np.int64)
    if len(places) > 1:
        tree = KDTree(unit_vectors(places[:, 0], places[:, 1]))
        distance, nearest = (np.asarray(one) for one in tree.query(tree.data, k=2))
        itself = np.arange(len(places))
        other = np.where(nearest[:, 1] == itself, nearest[:, 0], nearest[:, 1])
        close = distance[:, 1] <= float(chord(arcsec / 3600))
        neighbour[close] = first[other[close]]
    rows = np.arange(len(ra))
    later = rows != first[place]
    found = np.where(later, first[place], neighbour[place])
    last = np.full(len(places), ALONE, dtype=np.int64)
    last[place[later]] = rows[later]  # who is first at a place has the others there for neighbours
    return np.where(~later & (last[place] >= 0), last[place], found)


def within_circles(
    ra: np.ndarray, dec: np.ndarray, circles: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return which positions lie in any of some circles, bool (n,).

    Parameters
    ----------
    ra, dec : ndarray of float64, shape (n,)
        Degrees.
    circles : (ndarray, ndarray, ndarray)
        Right ascensions, declinations and radii, degrees, (c,) each.
    """
    from scipy.spatial import KDTree

    inside = np.zeros(len(ra), dtype=bool)
    if len(ra) and len(circles[0]):
        tree = KDTree(unit_vectors(ra, dec))
        right, up, radius = np.unique(np.column_stack(circles), axis=0).T
        for begin in range(0, len(right), TOGETHER):
            some = slice(begin, begin + TOGETHER)
            for rows in tree.query_ball_point(unit_vectors(right[some], up[some]), chord(radius[some])):
                inside[rows] = True
    return inside
