"""Magnitudes and redshifts of mock objects, each from its own random stream.

The tables behind are those of `jpasbatch.mocks.populations.densities`.
"""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.populations.densities import (
    HIGH_REDSHIFT,
    MAGNITUDE_LIMITS,
    MAGNITUDES,
    QUASAR_REDSHIFTS,
    STAR_SLOPE,
    quasar_density,
)
from jpasbatch.mocks.populations.nearby import (
    NEAR_LIMIT,
    GalaxyDensity,
    draw_evenly,
    sky_density,
)
from jpasbatch.photometry.streams import NamedStream, ObjectStreams

MAGNITUDE_STEP = 0.05
QUASAR_STEP = 0.02
HALVES = {"low": (0.1, HIGH_REDSHIFT), "high": (HIGH_REDSHIFT, 5.0), "all": (0.1, 5.0)}


FAINTEST = MAGNITUDE_LIMITS[1]


def quasars_per_deg2(faintest: float = FAINTEST) -> float:
    """Return the number of quasars per square degree with 17 < r <= 23.6, or a brighter limit: 415 to 23.6.

    The published sum is 417, from a table whose last bin reaches beyond 23.6.
    """
    rows = rows_to(faintest)
    return float(quasar_density()[:rows].sum() * MAGNITUDE_STEP * QUASAR_STEP)


def rows_to(faintest: float) -> int:
    """Return how many cells of `MAGNITUDES` reach to a limit, the last perhaps in part."""
    return int(np.ceil(np.round((faintest - MAGNITUDE_LIMITS[0]) / MAGNITUDE_STEP, 6)))


def expected_quasars(
    magnitudes: tuple[tuple[float, float], ...], redshifts: tuple[tuple[float, float], ...]
) -> np.ndarray:
    """Return the table's quasars per square degree in bins of r and z, shape (magnitudes, redshifts)."""
    density = quasar_density() * MAGNITUDE_STEP * QUASAR_STEP
    result = np.empty((len(magnitudes), len(redshifts)))
    for i, (bright, faint) in enumerate(magnitudes):
        rows = (bright < MAGNITUDES) & (faint >= MAGNITUDES)
        for j, (low, high) in enumerate(redshifts):
            columns = (low <= QUASAR_REDSHIFTS) & (high > QUASAR_REDSHIFTS)
            result[i, j] = density[np.ix_(rows, columns)].sum()
    return result


def draw_quasars(
    streams: ObjectStreams, half: str, flat: bool, faintest: float = FAINTEST
) -> tuple[np.ndarray, np.ndarray]:
    """Return r magnitudes and redshifts (n,) of quasars.

    Parameters
    ----------
    streams : ObjectStreams
    half : {"low", "high", "all"}
        Below z = 2.1, from there on, or both.
    flat : bool
        Uniform in magnitude.
    faintest : float
        Limit of the magnitudes.
    """
    low, high = HALVES[half]
    chosen = (low < QUASAR_REDSHIFTS + QUASAR_STEP / 2 - 1e-9) & (
        high > QUASAR_REDSHIFTS - QUASAR_STEP / 2 + 1e-9
    )
    grid = QUASAR_REDSHIFTS[chosen]
    magnitude, redshift = _place(
        quasar_density()[:, chosen], grid, QUASAR_STEP, streams.named("quasar population"), flat, faintest
    )
    return magnitude, np.clip(redshift, low, np.nextafter(high, 0))


def draw_galaxies(
    streams: ObjectStreams,
    flat: bool,
    near_share: float = 0.0,
    faintest: float = FAINTEST,
    near_reach: float = NEAR_LIMIT,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return r magnitudes, redshifts and whether the galaxy is red, (n,) each.

    Parameters
    ----------
    streams : ObjectStreams
    flat : bool
        Uniform in magnitude.
    near_share : float
        Share of galaxies that are taken from those of the sky for others nearer than z = 0.105, evenly over redshift
        and magnitude.
    faintest : float
        Limit of the magnitudes.
    near_reach : float
        Redshift to which these others thin out; see `nearby.draw_evenly`.
    """
    sky = _place_colours(sky_density(), streams.named("galaxy population"), flat, faintest)
    near = streams.named("near galaxy or any").uniform() < near_share
    magnitude, redshift, red = (
        np.where(near, *pair) for pair in zip(draw_evenly(streams, faintest, near_reach), sky, strict=True)
    )
    return magnitude, redshift, red


def _place_colours(
    parts: tuple[GalaxyDensity, ...], drawn: NamedStream, flat: bool, faintest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw magnitudes, redshifts and whether the galaxy is red, (n,) each, from the sum of some densities."""
    density = np.concatenate([part.density * part.step for part in parts], axis=1)
    row, column = _cells(density[: rows_to(faintest)], drawn, flat)
    redshifts, steps, red = (
        np.concatenate(values)
        for values in zip(
            *((part.redshift, np.full(part.redshift.size, part.step), part.red) for part in parts),
            strict=True,
        )
    )
    magnitude = _within(MAGNITUDES[row] + MAGNITUDE_STEP * drawn.uniform(-0.5, 0.5), faintest)
    return magnitude, redshifts[column] + steps[column] * drawn.uniform(-0.5, 0.5), red[column]


def draw_stars(streams: ObjectStreams, flat: bool, faintest: float = FAINTEST) -> np.ndarray:
    """Return r magnitudes (n,) of stars: N per magnitude as 10^(`STAR_SLOPE` r), or uniform."""
    low, high = MAGNITUDE_LIMITS[0], faintest
    uniform = streams.named("star population").uniform()
    if flat:
        return low + (high - low) * uniform
    growth = 10 ** (STAR_SLOPE * (high - low)) - 1
    return low + np.log10(1 + growth * uniform) / STAR_SLOPE


def _place(
    density: np.ndarray, redshifts: np.ndarray, step: float, drawn: NamedStream, flat: bool, faintest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a density (magnitudes, redshifts), uniform within the cells."""
    row, column = _cells(density[: rows_to(faintest)], drawn, flat)
    magnitude = MAGNITUDES[row] + MAGNITUDE_STEP * drawn.uniform(-0.5, 0.5)
    return _within(magnitude, faintest), redshifts[column] + step * drawn.uniform(-0.5, 0.5)


def _cells(density: np.ndarray, drawn: NamedStream, flat: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows and columns (n,) from numbers of objects (rows, columns), by their cumulative sum."""
    if flat:
        density = density / density.sum(axis=1, keepdims=True)
    cumulative = np.cumsum(density.ravel())
    cell = np.searchsorted(cumulative, drawn.uniform() * cumulative[-1], side="right")
    row, column = np.unravel_index(np.minimum(cell, density.size - 1), density.shape)
    return row, column


def _within(magnitude: np.ndarray, faintest: float) -> np.ndarray:
    """Return magnitudes within the limits, the lower one exclusive."""
    return np.clip(magnitude, np.nextafter(MAGNITUDE_LIMITS[0], 99), faintest)
