"""CLASS_STAR of mock objects: what SExtractor makes of points and galaxies, less and less well as they fade.

The share of points that are called points falls with r as a / (1 + exp((r - m) / w)); that of galaxies which are
called points falls in the same way from a small one. The three numbers follow from the measured ratios of objects that
are called points to stars and quasars, in three bins of r, in the sky's mix of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.options.stellarity import STELLARITY_EDGES, Stellarity
from jpasbatch.mocks.populations.densities import COUNTS_PER_DEG2, MAGNITUDES, STAR_SLOPE, quasar_density
from jpasbatch.mocks.populations.nearby import sky_density
from jpasbatch.photometry.streams import NamedStream

QUASAR_CELL = 0.02 * 0.05
"""Unit redshift and magnitude of a cell of `quasar_density`."""

HOSTS_BELOW = 0.5
"""Redshift below which the hosts of quasars can be seen."""

SHARPNESS = 8.0
"""Bright points have CLASS_STAR 1 - 0.5 u^9, u uniform (0.95 on average), faint ones 1 - 0.5 u; extended objects
likewise from 0. Assumed."""

LARGEST_MISS = 0.02
"""By which the shares may miss a measured ratio."""


@dataclass(frozen=True)
class StellarityCurve:
    """How the share of objects that are called points falls with r.

    Attributes
    ----------
    points, galaxies : float
        The share where objects are bright.
    middle, width : float
        Magnitude at which half of it is left, and how fast it falls, magnitudes.
    """

    points: float
    galaxies: float
    middle: float
    width: float

    def clarity(self, magnitude: np.ndarray) -> np.ndarray:
        """Return how much of the bright objects' share is left (n,), 1 to 0."""
        return 1 / (1 + np.exp((np.asarray(magnitude) - self.middle) / self.width))


@lru_cache(maxsize=8)
def stellarity_curve(options: Stellarity) -> StellarityCurve:
    """Return the curve that gives the wanted ratios in the sky's mix of classes.

    Raises
    ------
    InputError
        If no such curve gives them within `LARGEST_MISS`.
    """
    from scipy.optimize import least_squares

    point, extended = sky_counts()
    wanted = np.array(options.point_ratio)

    def miss(values: np.ndarray) -> np.ndarray:
        curve = StellarityCurve(values[0], options.compact_share, values[1], values[2])
        return point_ratios(curve, point, extended) - wanted

    found = least_squares(miss, (0.9, 21.8, 0.6), bounds=((0.01, 17.0, 0.05), (1.0, 26.0, 5.0)))
    if np.abs(found.fun).max() > LARGEST_MISS:
        given = ", ".join(f"{one:.2f}" for one in wanted + found.fun)
        raise InputError(
            f"[mock.stellarity] point_ratio = {list(options.point_ratio)}: with compact_share = "
            f"{options.compact_share:g} the nearest that can be made is {given}; choose ratios that fall more evenly, "
            "or a smaller compact_share"
        )
    # rounded, so that no processor's last bit decides what an object is called
    first, middle, width = np.round(found.x, 4).tolist()
    return StellarityCurve(first, options.compact_share, middle, width)


def sky_counts() -> tuple[np.ndarray, np.ndarray]:
    """Return stars and quasars, and galaxies, per deg2 at `MAGNITUDES` (magnitudes,), in bins of 0.05."""
    stars = 10 ** (STAR_SLOPE * MAGNITUDES)
    stars *= COUNTS_PER_DEG2["star"] / stars.sum()
    quasars = quasar_density().sum(axis=1) * QUASAR_CELL
    galaxies = sum(part.density.sum(axis=1) * part.step * 0.05 for part in sky_density())
    return stars + quasars, np.asarray(galaxies)


def point_ratios(curve: StellarityCurve, point: np.ndarray, extended: np.ndarray) -> np.ndarray:
    """Return objects that are called points for each point, in the bins of `STELLARITY_EDGES`.

    Parameters
    ----------
    curve : StellarityCurve
    point, extended : ndarray
        Numbers at `MAGNITUDES`.
    """
    clarity = curve.clarity(MAGNITUDES)
    called = clarity * (curve.points * point + curve.galaxies * extended)
    place = np.searchsorted(STELLARITY_EDGES, MAGNITUDES) - 1
    number = len(STELLARITY_EDGES) - 1
    return np.bincount(place, called, number) / np.bincount(place, point, number)


def draw_stellarity(
    true_class: str,
    magnitude: np.ndarray,
    redshift: np.ndarray,
    drawn: NamedStream,
    options: Stellarity,
) -> np.ndarray:
    """Return a CLASS_STAR (n,), float32 in [0, 1], of objects of one class.

    Parameters
    ----------
    true_class : {"star", "galaxy", "qso"}
    magnitude, redshift : ndarray, shape (n,)
        r, and redshift.
    drawn : NamedStream
    options : Stellarity
    """
    curve = stellarity_curve(options)
    clarity = curve.clarity(magnitude)
    share = np.full(magnitude.shape, curve.galaxies if true_class == "galaxy" else curve.points)
    place, host, depth = drawn.uniform(), drawn.uniform(), drawn.uniform()
    if true_class == "qso":
        share[(redshift < HOSTS_BELOW) & (host < options.host_share)] = curve.galaxies
    # within 0.499 of its end, so that rounding takes nothing across 0.5
    away = 0.499 * depth ** (1 + SHARPNESS * clarity)
    return np.where(place < share * clarity, 1 - away, away).astype(np.float32)
