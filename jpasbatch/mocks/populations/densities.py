"""How many of what: counts, magnitudes and redshifts of the built-in mock sky.

Totals per square degree are those of the 1 deg2 test set of Martinez-Solaeche et al. (2023, A&A 673, A103,
table 1); quasars follow Palanque-Delabrouille et al. (2016, A&A 587, A41, table 7), galaxies Schechter
functions, stars an assumed slope. For demonstration, not for science.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from jpasbatch.mocks.parents.analytic import galaxies
from jpasbatch.mocks.spectra.cosmology import comoving_distance, distance_modulus

COUNTS_PER_DEG2 = {"galaxy": 6410, "star": 2190, "qso": 510}
MAGNITUDE_LIMITS = (17.0, 23.6)
HIGH_REDSHIFT = 2.1
SAMPLE_CLASSES = ("star", "galaxy", "qso_low", "qso_high")

MAGNITUDES = np.arange(MAGNITUDE_LIMITS[0] + 0.025, MAGNITUDE_LIMITS[1], 0.05)
QUASAR_REDSHIFTS = np.arange(0.11, 5.0, 0.02)
GALAXY_REDSHIFTS = np.arange(0.02, 1.3, 0.01)

_QUASAR_TABLE = """
16.75    425    173     29      3     0
17.25   1063    645    109     11     1
17.75   2637   2318    407     37     3
18.25   6171   7534   1476    119    10
18.75  12760  20293   4934    380    27
19.25  22256  42853  14012   1146    71
19.75  33079  72019  31432   3068   182
20.25  44377 102993  55189   6846   432
20.75  56787 135480  81153  12487   915
21.25  71385 172381 108661  19287  1689
21.75  89178 216865 139912  26781  2731
22.25 111154 271898 177682  35182  3976
22.75 138390 340627 224720  45094  5393
23.25 172133 426753 283998  57240  7015
23.75 213829 534834 359048  72418  8921
"""
"""Quasars per 10,000 deg2, 0.5 mag and unit redshift at z 0.5 ... 4.5 by r magnitude (PLE+LEDE model of
Palanque-Delabrouille et al. 2016, table 7)."""

SCHECHTER = {
    # B band (AB): M* = a z + b; phi* = c exp(-z / d) per Mpc3 and magnitude; faint-end slope
    "blue": ((-0.941, -20.405), (0.00370, 9.74), -1.3),
    "red": ((-0.708, -20.372), (0.00351, 1.416), -0.5),
}
"""A fit close to the luminosity functions of star-forming and quiescent galaxies in the ALHAMBRA survey
(Lopez-Sanjuan et al. 2017, A&A 599, A62). Only its shape matters: the total is `COUNTS_PER_DEG2`."""

GALAXY_TYPES = {"red": (0.80, 0.20, 0.0, 0.0), "blue": (0.0, 0.15, 0.65, 0.20)}
"""Shares of `galaxies.TYPES` within a colour: assumed."""

Purpose = Literal["sky", "training", "validation"]
"""What objects are drawn for: a sky, with its numbers by magnitude; to learn from, evenly in magnitude, with more of
what is rare; or to validate, evenly in magnitude, where at each magnitude a class looks as it does on the sky. These
objects say what the classes look like when their shares of a sky are found."""

STAR_SLOPE = 0.07
"""d log10 N / d r of stars at high Galactic latitude: assumed."""


def draw_quasars(
    n_quasars: int,
    rng: np.random.Generator,
    redshift: tuple[float, float] = (0.1, 5.0),
    purpose: Purpose = "sky",
) -> tuple[np.ndarray, np.ndarray]:
    """Draw r magnitudes and redshifts of quasars.

    Parameters
    ----------
    n_quasars : int
        How many.
    rng : numpy Generator
        Draws them.
    redshift : (float, float)
        Lower bound inclusive, upper exclusive.
    purpose : {"sky", "training", "validation"}
        For training a quarter of the objects are uniform in redshift.

    Returns
    -------
    magnitude, redshift : ndarray, shape (n,), float64
    """
    density = quasar_density()
    chosen = (redshift[0] <= QUASAR_REDSHIFTS - 0.01) & (redshift[1] + 1e-9 >= QUASAR_REDSHIFTS + 0.01)
    grid = QUASAR_REDSHIFTS[chosen]
    magnitude, drawn = _draw(density[:, chosen], grid, n_quasars, rng, flat=purpose != "sky")
    if purpose == "training":
        uniform = rng.uniform(size=n_quasars) < 0.25
        drawn = np.where(uniform, rng.uniform(grid[0] - 0.01, grid[-1] + 0.01, n_quasars), drawn)
    return magnitude, np.clip(drawn, redshift[0], np.nextafter(redshift[1], 0))


def draw_galaxies(
    n_galaxies: int, rng: np.random.Generator, purpose: Purpose = "sky"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw r magnitudes, redshifts and types (indices into `galaxies.TYPES`); see `draw_quasars`.

    For training 45 % of the galaxies are red at every magnitude.
    """
    if purpose == "validation":
        return _draw_colours_together(n_galaxies, rng)
    red, flat = galaxy_density("red").sum(), purpose != "sky"
    share = 0.45 if flat else red / (red + galaxy_density("blue").sum())
    is_red = rng.uniform(size=n_galaxies) < share
    magnitude, redshift = np.empty(n_galaxies), np.empty(n_galaxies)
    kind = np.empty(n_galaxies, dtype=np.int64)
    for colour, rows in (("red", is_red), ("blue", ~is_red)):
        density, count = galaxy_density(colour), int(rows.sum())
        magnitude[rows], redshift[rows] = _draw(density, GALAXY_REDSHIFTS, count, rng, flat)
        kind[rows] = _draw_types(colour, count, rng)
    return magnitude, redshift, kind


def _draw_colours_together(
    n_galaxies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw galaxies evenly in magnitude; at each magnitude both colours have their shares of the sky."""
    density = np.hstack([galaxy_density("red"), galaxy_density("blue")])
    row, column = _draw_cells(density, n_galaxies, rng, flat=True)
    is_blue, place = np.divmod(column, len(GALAXY_REDSHIFTS))
    magnitude, redshift = _jitter(row, place, GALAXY_REDSHIFTS, rng)
    kind = np.empty(n_galaxies, dtype=np.int64)
    for colour, rows in (("red", is_blue == 0), ("blue", is_blue == 1)):
        kind[rows] = _draw_types(colour, int(rows.sum()), rng)
    return magnitude, redshift, kind


def _draw_types(colour: str, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(len(galaxies.TYPES), size=count, p=GALAXY_TYPES[colour])


def draw_star_magnitudes(n_stars: int, rng: np.random.Generator, flat: bool = False) -> np.ndarray:
    """Draw r magnitudes of stars: N per magnitude as 10^(`STAR_SLOPE` r), or uniform."""
    low, high = MAGNITUDE_LIMITS
    uniform = 1.0 - rng.uniform(size=n_stars)  # in (0, 1]: the lower limit is exclusive
    if flat:
        return low + (high - low) * uniform
    growth = 10 ** (STAR_SLOPE * (high - low)) - 1
    return low + np.log10(1 + growth * uniform) / STAR_SLOPE


@lru_cache(maxsize=1)
def quasar_density() -> np.ndarray:
    """Return quasars per deg2, magnitude and unit redshift on the internal grid (magnitudes, redshifts).

    Log-linear between the entries of the table, then scaled to the table within each unit of redshift.
    """
    table = np.array([row.split() for row in _QUASAR_TABLE.strip().splitlines()], dtype=np.float64)
    counts = np.log(np.maximum(table[:, 1:], 0.1) * 2 / 10_000)
    counts = np.array([np.interp(MAGNITUDES, table[:, 0], column) for column in counts.T]).T
    edges = np.concatenate([counts[:, :1] - 2.0, counts, counts[:, -1:] - 1.0], axis=1)
    nodes = np.array([0.1, 0.5, 1.5, 2.5, 3.5, 4.5, 5.0])
    density = np.exp([np.interp(QUASAR_REDSHIFTS, nodes, row) for row in edges])
    for unit in range(5):
        inside = (unit <= QUASAR_REDSHIFTS) & (unit + 1 > QUASAR_REDSHIFTS)
        total = 0.02 * density[:, inside].sum(axis=1, keepdims=True)
        density[:, inside] *= np.exp(counts[:, unit : unit + 1]) / total
    return density


@lru_cache(maxsize=2)
def galaxy_density(colour: str) -> np.ndarray:
    """Return galaxies per deg2, magnitude and unit redshift on the internal grid, of one colour."""
    (slope, intercept), (density, decline), faint_end = SCHECHTER[colour]
    redshift = GALAXY_REDSHIFTS[None, :]
    absolute = MAGNITUDES[:, None] - distance_modulus(redshift) - _k_correction(colour)[None, :]
    ratio = 10 ** (-0.4 * (absolute - (slope * redshift + intercept)))
    schechter = 0.4 * np.log(10) * density * np.exp(-redshift / decline) * ratio ** (faint_end + 1)
    volume = np.gradient(comoving_distance(GALAXY_REDSHIFTS) ** 3 / 3, GALAXY_REDSHIFTS)
    return schechter * np.exp(-ratio) * volume * (np.pi / 180) ** 2


def _k_correction(colour: str) -> np.ndarray:
    """m_r - M_B - distance modulus at the internal redshifts, of the colour's mean population."""
    kind = "quiescent" if colour == "red" else "star-forming"
    templates = galaxies.populations()
    mean = np.array(galaxies.TYPES[kind][0], dtype=np.float64) @ templates.flux_lambda
    wavelength = np.exp(templates.log_start + templates.log_step * np.arange(mean.size))
    flux_nu = mean * wavelength**2
    seen = np.interp(6250.0 / (1 + GALAXY_REDSHIFTS), wavelength, flux_nu)
    return -2.5 * np.log10((1 + GALAXY_REDSHIFTS) * seen / np.interp(4400.0, wavelength, flux_nu))


def _draw(
    density: np.ndarray, redshifts: np.ndarray, count: int, rng: np.random.Generator, flat: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a density on the grid, jittered within its cells; flat in magnitude if asked."""
    return _jitter(*_draw_cells(density, count, rng, flat), redshifts, rng)


def _draw_cells(
    density: np.ndarray, count: int, rng: np.random.Generator, flat: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows and columns of a density, whose rows are magnitudes."""
    if flat:
        density = density / density.sum(axis=1, keepdims=True)
    cell = rng.choice(density.size, size=count, p=density.ravel() / density.sum())
    row, column = np.unravel_index(cell, density.shape)
    return row, column


def _jitter(
    row: np.ndarray, column: np.ndarray, redshifts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return magnitudes and redshifts anywhere within cells of the grid."""
    magnitude = MAGNITUDES[row] + 0.05 * (0.5 - rng.uniform(size=len(row)))
    redshift = redshifts[column] + (redshifts[1] - redshifts[0]) * rng.uniform(-0.5, 0.5, len(row))
    return np.clip(magnitude, np.nextafter(MAGNITUDE_LIMITS[0], 99), MAGNITUDE_LIMITS[1]), redshift
