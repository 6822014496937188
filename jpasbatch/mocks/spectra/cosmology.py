"""Distances in a flat Universe with H0 = 70 km/s/Mpc and Omega_m = 0.3, by astropy, for luminosities of mocks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

HUBBLE_CONSTANT = 70.0
MATTER_DENSITY = 0.3
CENTIMETRES_PER_MEGAPARSEC = 3.0857e24


@lru_cache(maxsize=1)
def _distance_table() -> tuple[np.ndarray, np.ndarray]:
    """Redshifts, and comoving distances in Mpc: a table, since mocks ask millions of times."""
    from astropy import cosmology

    flat: Any = cosmology.FlatLambdaCDM  # its keywords are made at run time
    redshift = np.linspace(0.0, 8.0, 4001)
    model = flat(H0=HUBBLE_CONSTANT, Om0=MATTER_DENSITY)
    return redshift, np.asarray(model.comoving_distance(redshift).value)


def comoving_distance(redshift: np.ndarray) -> np.ndarray:
    """Return the comoving distance in Mpc of redshifts up to 8."""
    return np.interp(redshift, *_distance_table())


def distance_modulus(redshift: np.ndarray) -> np.ndarray:
    """Return m - M in magnitudes (no K correction); redshifts are taken to be at least 0.001."""
    redshift = np.maximum(redshift, 1e-3)
    return 25.0 + 5.0 * np.log10(comoving_distance(redshift) * (1 + redshift))


def log_luminosity(magnitude: np.ndarray, redshift: np.ndarray, wavelength: float) -> np.ndarray:
    """Return log10 of nu L_nu in erg/s at the rest wavelength that a band sees.

    Parameters
    ----------
    magnitude, redshift : ndarray, shape (n,)
        AB magnitude in the band, and redshift.
    wavelength : float
        Of the band, observed, in Angstrom.
    """
    log_distance = 0.2 * (distance_modulus(redshift) - 25.0) + np.log10(CENTIMETRES_PER_MEGAPARSEC)
    log_flux = -0.4 * (np.asarray(magnitude) + 48.6) + np.log10(2.99792458e18 / wavelength)
    return np.log10(4 * np.pi) + 2 * log_distance + log_flux
