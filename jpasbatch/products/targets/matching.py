"""Positions that are close to each other, by trees of unit vectors."""

from __future__ import annotations

import numpy as np


def unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return positions in degrees as unit vectors, float64 (n, 3)."""
    right, up = np.radians(ra), np.radians(dec)
    return np.column_stack([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)])


def chord(degrees: np.ndarray | float) -> np.ndarray:
    """Return the straight distance between points of the unit sphere that are so many degrees apart."""
    return 2 * np.sin(np.radians(np.asarray(degrees, dtype=np.float64)) / 2)


def close_pairs(ra: np.ndarray, dec: np.ndarray, arcsec: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of all pairs of positions that are as close as this, the lower row first, int64 (p,) each."""
    from scipy.spatial import KDTree

    if len(ra) < 2:
        none = np.zeros(0, dtype=np.int64)
        return none, none
    tree = KDTree(unit_vectors(ra, dec))
    pairs = tree.query_pairs(float(chord(arcsec / 3600)), output_type="ndarray")
    return pairs[:, 0], pairs[:, 1]


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
        found = tree.query_ball_point(unit_vectors(*circles[:2]), chord(circles[2]))
        for rows in found:
            inside[rows] = True
    return inside
