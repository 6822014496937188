"""What lies in front of a quasar: the Lyman series forest, Lyman-limit systems, broad absorption.

Mean transmission tau_eff(z) = 0.0036 (1+z)^3.45 for Lyman alpha (Kirkman et al. 2005, MNRAS 360, 1373,
in the form of Faucher-Giguere et al. 2008, ApJ 681, 831), higher lines in proportion to lambda f.
Sightlines scatter by the large-scale power of the forest. For demonstration, not for science.
"""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.spectra.grids import SPEED_OF_LIGHT_KMS, observed_wavelength
from jpasbatch.photometry.streams import NamedStream

LYMAN_LIMIT = 911.75

LYMAN_SERIES = (
    # wavelength in Angstrom, effective optical depth relative to Lyman alpha's at the same redshift:
    # ratios of lambda f, raised since stronger lines saturate first (beta 0.16 -> 0.29 etc., approximate)
    (1215.67, 1.0),
    (1025.72, 0.29),
    (972.54, 0.14),
    (949.74, 0.085),
    (937.80, 0.06),
)

POWER_AT_Z2 = 22.0
"""km/s; one-dimensional power of the flux contrast at k = 0.001 s/km and z = 2.2, growing as
(1+z)^3.5 (read off Palanque-Delabrouille et al. 2013, A&A 559, A85, fig. 19; approximate)."""


def forest_transmission(redshift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the transmission of the intergalactic gas.

    Parameters
    ----------
    redshift : ndarray, shape (n,)
        Of the quasars.
    rng : numpy Generator
        Draws the sightlines.

    Returns
    -------
    ndarray, shape (n, 1601), float32
        On `observed_wavelength`, in [0, 1]; 1 redward of Lyman alpha.
    """
    wavelength = observed_wavelength()
    transmission = np.ones((redshift.size, wavelength.size), dtype=np.float32)
    rows = np.flatnonzero((1 + redshift) * LYMAN_SERIES[0][0] > wavelength[0])
    if rows.size:
        blue = wavelength < (1 + redshift.max()) * LYMAN_SERIES[0][0]
        transmission[np.ix_(rows, blue)] = _absorbed(redshift[rows], wavelength[blue], rng)
    return transmission


def _absorbed(redshift: np.ndarray, wavelength: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    depth = np.zeros((redshift.size, wavelength.size))
    for line, relative in LYMAN_SERIES:
        gas = wavelength / line
        tau = relative * 0.0036 * gas**3.45
        depth += np.where(wavelength[None, :] < line * (1 + redshift[:, None]), tau[None, :], 0.0)
    result = np.exp(-depth)
    gas = wavelength / LYMAN_SERIES[0][0]
    velocity = SPEED_OF_LIGHT_KMS * np.gradient(wavelength) / wavelength
    sigma = np.sqrt(POWER_AT_Z2 * (gas / 3.2) ** 3.5 / velocity)
    contrast = 1 + sigma[None, :] * rng.normal(size=result.shape)
    forest = wavelength[None, :] < LYMAN_SERIES[0][0] * (1 + redshift[:, None])
    result = np.where(forest, result * np.clip(contrast, 0.0, 2.0), 1.0)
    return result * lyman_limit_transmission(redshift, wavelength, rng)


def lyman_limit_transmission(
    redshift: np.ndarray, wavelength: np.ndarray, rng: np.random.Generator | NamedStream
) -> np.ndarray:
    """Return the transmission (n, pixels) of the first optically thick system of each sightline.

    dN/dz = 2.80 ((1+z)/4.5)^1.94 for tau > 1 (Songaila & Cowie 2010, ApJ 721, 1448), the optical depth
    drawn from a power law of column densities (slope -1.5), falling as lambda^3 below the limit.
    """
    cumulative = rng.exponential(size=redshift.size)
    scale = 2.80 * 4.5 / 2.94
    highest = ((1 + redshift) / 4.5) ** 2.94 - cumulative / scale
    system = 4.5 * np.clip(highest, 0.0, None) ** (1 / 2.94)
    tau = np.minimum(rng.uniform(0.0, 1.0, redshift.size) ** -2.0, 100.0)
    edge = LYMAN_LIMIT * system[:, None]
    optical_depth = tau[:, None] * (wavelength[None, :] / np.maximum(edge, 1.0)) ** 3
    return np.where(wavelength[None, :] < edge, np.exp(-optical_depth), 1.0)


BROAD_ABSORPTION_SHARE = 0.12
"""Share of quasars with broad absorption (10-15 % in optical samples: Gibson et al. 2009, ApJ 692, 758)."""

BROAD_ABSORPTION_LINES = ((1549.1, 1.0), (1398.3, 0.5), (1240.1, 0.9), (1215.7, 0.5), (1033.8, 0.7))
"""Rest wavelength in Angstrom and depth relative to C IV."""


def broad_absorption(redshift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the transmission (n, 1601) float32 of broad absorption: 1 for most quasars.

    One trough a quasar, 3,000-20,000 km/s blueward, 2,000-10,000 km/s wide, 30-90 % deep in C IV.
    """
    wavelength = observed_wavelength()
    absorbed = rng.uniform(size=redshift.size) < BROAD_ABSORPTION_SHARE
    velocity = rng.uniform(3000.0, 20000.0, redshift.size)
    width = rng.uniform(2000.0, 10000.0, redshift.size)
    depth = rng.uniform(0.3, 0.9, redshift.size)
    transmission = np.ones((redshift.size, wavelength.size), dtype=np.float32)
    seen = redshift > wavelength[0] / BROAD_ABSORPTION_LINES[0][0] - 1
    for row in np.flatnonzero(absorbed & seen):
        for line, relative in BROAD_ABSORPTION_LINES:
            shift = SPEED_OF_LIGHT_KMS * (line * (1 + redshift[row]) / wavelength - 1)
            shape = np.exp(-((2 * (shift - velocity[row]) / width[row]) ** 4))
            transmission[row] *= (1 - relative * depth[row] * shape).astype(np.float32)
    return transmission
