"""Galaxies nearer than about z = 0.1: their number, magnitudes, redshifts and colours.

In the sky they follow the luminosity functions of blue and red galaxies in GAMA at z < 0.1 (Loveday et al. 2012, MNRAS
420, 1239, table 3). Balanced sets have further ones, spread evenly over redshift and magnitude, so that lines of every
redshift are seen in every band; beyond, they may thin out instead of ending.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.populations.densities import (
    COUNTS_PER_DEG2,
    GALAXY_REDSHIFTS,
    MAGNITUDE_LIMITS,
    MAGNITUDES,
    galaxy_density,
)
from jpasbatch.mocks.spectra.cosmology import HUBBLE_CONSTANT, comoving_distance, distance_modulus
from jpasbatch.photometry.streams import ObjectStreams

NEAR_LIMIT = 0.105
"""An edge of the bins of `GALAXY_REDSHIFTS`, beyond which these serve."""

NEAR_STEP = 0.0025
NEAR_REDSHIFTS = np.arange(0.00375, NEAR_LIMIT, NEAR_STEP)
"""Middles of bins from 0.0025, where peculiar motion no longer rules."""

LUMINOSITY_FUNCTIONS = {
    # alpha, M* - 5 log h in r at z = 0.1, phi* in h^3 per Mpc3
    "blue": (-1.45, -20.28, 0.55e-2),
    "red": (-0.53, -20.28, 0.98e-2),
}
"""The K correction from r at z = 0.1 to r, 0.1 mag or less here, is left out."""

RED_SHARE_LEARNT = 0.3
"""Share of red galaxies among these further ones: assumed."""


COLOURS = ("red", "blue")


@dataclass(frozen=True, eq=False)
class GalaxyDensity:
    """Galaxies per deg2, magnitude and unit redshift, of one colour and one range of redshifts.

    Attributes
    ----------
    density : ndarray, shape (magnitudes, redshifts)
        At `MAGNITUDES`.
    redshift : ndarray, shape (redshifts,)
        Middles of the bins.
    step : float
        Width of the bins.
    red : ndarray of bool, shape (redshifts,)
        Whether the galaxies are red; the same for all.
    """

    density: np.ndarray
    redshift: np.ndarray
    step: float
    red: np.ndarray

    @property
    def number(self) -> float:
        """Galaxies per deg2 with 17 < r <= 23.6."""
        return float(self.density.sum()) * self.step * float(MAGNITUDES[1] - MAGNITUDES[0])


@lru_cache(maxsize=2)
def near_density(colour: str) -> GalaxyDensity:
    """Return the near galaxies of one colour."""
    alpha, characteristic, density = LUMINOSITY_FUNCTIONS[colour]
    hubble = HUBBLE_CONSTANT / 100
    absolute = MAGNITUDES[:, None] - distance_modulus(NEAR_REDSHIFTS)[None, :]
    ratio = 10 ** (-0.4 * (absolute - (characteristic + 5 * np.log10(hubble))))
    schechter = 0.4 * np.log(10) * density * hubble**3 * ratio ** (alpha + 1) * np.exp(-ratio)
    volume = np.gradient(comoving_distance(NEAR_REDSHIFTS) ** 3 / 3, NEAR_REDSHIFTS)
    red = np.full(NEAR_REDSHIFTS.size, colour == "red")
    return GalaxyDensity(schechter * volume * (np.pi / 180) ** 2, NEAR_REDSHIFTS, NEAR_STEP, red)


@lru_cache(maxsize=2)
def far_density(colour: str) -> GalaxyDensity:
    """Return the galaxies of one colour beyond `NEAR_LIMIT`: those of `densities.galaxy_density`."""
    far = GALAXY_REDSHIFTS > NEAR_LIMIT
    step = float(GALAXY_REDSHIFTS[1] - GALAXY_REDSHIFTS[0])
    red = np.full(int(far.sum()), colour == "red")
    return GalaxyDensity(galaxy_density(colour)[:, far], GALAXY_REDSHIFTS[far], step, red)


@lru_cache(maxsize=1)
def sky_density() -> tuple[GalaxyDensity, ...]:
    """Return near and far galaxies of both colours, near ones first.

    The near ones are as many as their luminosity functions say; the far ones, of which only the shape is known, make
    up the number of all galaxies in the field of Martinez-Solaeche et al. (2023).
    """
    near, far = ([one(colour) for colour in COLOURS] for one in (near_density, far_density))
    missing = COUNTS_PER_DEG2["galaxy"] - sum(part.number for part in near)
    scale = missing / sum(part.number for part in far)
    return (*near, *(replace(part, density=part.density * scale) for part in far))


def draw_evenly(
    streams: ObjectStreams, faintest: float = MAGNITUDE_LIMITS[1], reach: float = NEAR_LIMIT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return r magnitudes, redshifts and whether the galaxy is red, (n,) each, of the further ones in balanced sets.

    Parameters
    ----------
    streams : ObjectStreams
    faintest : float
        Limit of the magnitudes.
    reach : float
        Redshift to which they thin out, linearly from `NEAR_LIMIT`; at the limit itself they end there.
    """
    drawn = streams.named("near galaxy")
    bright, faint = MAGNITUDE_LIMITS[0], faintest
    magnitude = faint - (faint - bright) * drawn.uniform()
    redshift = _thinning(drawn.uniform(), reach)
    return np.maximum(magnitude, np.nextafter(bright, 99)), redshift, drawn.uniform() < RED_SHARE_LEARNT


def even_density(
    redshift: np.ndarray, red: np.ndarray, faintest: float, reach: float = NEAR_LIMIT
) -> np.ndarray:
    """Return the density, per magnitude and unit redshift, with which `draw_evenly` draws galaxies, float64 (n,).

    It is the same at all magnitudes, and its integral over both colours is 1.
    """
    first = float(NEAR_REDSHIFTS[0]) - NEAR_STEP / 2
    even, slope = NEAR_LIMIT - first, reach - NEAR_LIMIT
    share = np.where(red, RED_SHARE_LEARNT, 1 - RED_SHARE_LEARNT) / (faintest - MAGNITUDE_LIMITS[0])
    thinned = np.clip((reach - redshift) / max(slope, np.finfo(float).tiny), 0.0, 1.0)
    return share * np.where(redshift < NEAR_LIMIT, 1.0, thinned) / (even + slope / 2)


def _thinning(place: np.ndarray, reach: float) -> np.ndarray:
    """Return redshifts (n,) at places from 0 to 1 of a density that is even to `NEAR_LIMIT` and 0 at a reach."""
    first = float(NEAR_REDSHIFTS[0]) - NEAR_STEP / 2
    even, slope = NEAR_LIMIT - first, reach - NEAR_LIMIT
    along = place * (even + slope / 2)
    left = np.maximum(slope - 2 * (along - even), 0.0)
    return np.where(along <= even, first + along, reach - np.sqrt(slope * left))
