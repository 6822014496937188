"""The grid of spectral energy distributions: uniform in log wavelength, so that a redshift is a shift of pixels.

Distributions are L_nu. With x = ln(wavelength), the energy integral of L_nu over frequency is c times that of
L_nu / wavelength over x, and the mean f_nu of a photon counter (AB) weights f_nu with its transmission alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jpasbatch.mocks.spectra.responses import approximate_responses, band_weights
from jpasbatch.photometry.photometry import MICROJANSKY, SPEED_OF_LIGHT
from jpasbatch.photometry.survey import Survey

LOG_STEP = 0.006
"""1,800 km/s; a line narrower than two pixels is as wide as two: no broad band sees the difference."""

FIRST_REST, LAST_REST = 0.02, 1000.0
FIRST_OBSERVED, LAST_OBSERVED = 0.1, 800.0
"""In micrometres."""

HIGHEST_REDSHIFT = 3.99
ANGSTROM_PER_MICROMETRE = 1e4

REST_PIXELS = int(np.ceil(np.log(LAST_REST / FIRST_REST) / LOG_STEP)) + 1
OBSERVED_PIXELS = int(np.ceil(np.log(LAST_OBSERVED / FIRST_OBSERVED) / LOG_STEP)) + 1
FIRST_OFFSET = np.log(FIRST_OBSERVED / FIRST_REST) / LOG_STEP
"""Rest pixel at which the observed grid begins at redshift 0; not whole."""


@lru_cache(maxsize=1)
def rest_wavelengths() -> np.ndarray:
    """Return the rest wavelengths in micrometres, float64 (`REST_PIXELS`,)."""
    return _frozen(FIRST_REST * np.exp(LOG_STEP * np.arange(REST_PIXELS)))


@lru_cache(maxsize=1)
def observed_wavelengths() -> np.ndarray:
    """Return the observed wavelengths in micrometres, float64 (`OBSERVED_PIXELS`,)."""
    return _frozen(FIRST_OBSERVED * np.exp(LOG_STEP * np.arange(OBSERVED_PIXELS)))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def energy(luminosity: np.ndarray, low: float = FIRST_REST, high: float = LAST_REST) -> np.ndarray:
    """Return the energy of L_nu (..., `REST_PIXELS`) between two wavelengths in micrometres.

    In units of those of L_nu times c per micrometre: 2.998e14 Hz.
    """
    wavelength = rest_wavelengths()
    inside = (wavelength >= low) & (wavelength <= high)
    return (luminosity[..., inside] / wavelength[inside]).sum(axis=-1) * LOG_STEP


def value_at(luminosity: np.ndarray, wavelength: float) -> np.ndarray:
    """Return L_nu (...) at a rest wavelength in micrometres: that of the nearest pixel."""
    return luminosity[..., round(np.log(wavelength / FIRST_REST) / LOG_STEP)]


def line_profile(wavelength: float, width: float) -> np.ndarray:
    """Return a Gaussian line on the rest grid, float64 (`REST_PIXELS`,), whose `energy` is 1 as L_nu.

    Parameters
    ----------
    wavelength : float
        In micrometres.
    width : float
        Standard deviation over wavelength; at least 1.2 pixels are taken.
    """
    width = max(width, 1.2 * LOG_STEP)
    offset = np.log(rest_wavelengths() / wavelength) / width
    return np.exp(-0.5 * offset**2) / (width * np.sqrt(2 * np.pi)) * rest_wavelengths()


def shifted(luminosity: np.ndarray, rows: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return distributions as seen at redshifts, in their own unit.

    Parameters
    ----------
    luminosity : ndarray, shape (k, `REST_PIXELS`), float32
    rows : ndarray of int64, shape (n,)
        Which of them each object has.
    redshift : ndarray, shape (n,)
        From 0 to `HIGHEST_REDSHIFT`.

    Returns
    -------
    ndarray, shape (n, `OBSERVED_PIXELS`), float32
        Linear between pixels.
    """
    start, fraction = _starts(redshift)
    result = np.empty((rows.size, OBSERVED_PIXELS), dtype=np.float32)
    for number, (row, first) in enumerate(zip(rows, start, strict=True)):
        part = luminosity[row, first : first + OBSERVED_PIXELS + 1]
        result[number] = part[:-1] + fraction[number] * (part[1:] - part[:-1])
    return result


def _starts(redshift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = FIRST_OFFSET - np.log1p(np.asarray(redshift, dtype=np.float64)) / LOG_STEP
    if place.size and (place.min() < 0 or place.max() > FIRST_OFFSET):
        raise ValueError(f"redshift: from 0 to {HIGHEST_REDSHIFT} on this grid")
    start = np.floor(place).astype(np.int64)
    return start, (place - start).astype(np.float32)


@lru_cache(maxsize=4)
def band_matrix(survey: Survey) -> np.ndarray:
    """Return what each observed pixel of f_nu contributes to the mean f_nu of each band; made once a process.

    The bands' curves are approximate: of the survey's wavelengths and widths (`synthesis.approximate_responses`).

    Returns
    -------
    ndarray, shape (`OBSERVED_PIXELS`, bands), float32
        A column sums to 1; NaN where the grid does not cover a band.
    """
    wavelength = observed_wavelengths() * ANGSTROM_PER_MICROMETRE
    weights = band_weights(wavelength, approximate_responses(survey))
    return _frozen((weights * (SPEED_OF_LIGHT * MICROJANSKY / wavelength**2)[:, None]).astype(np.float32))


def flux_in_band(luminosity: np.ndarray, redshift: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the mean L_nu of every distribution in one band at every redshift.

    Parameters
    ----------
    luminosity : ndarray, shape (k, `REST_PIXELS`), float32
    redshift : ndarray, shape (m,)
    column : ndarray, shape (`OBSERVED_PIXELS`,)
        Of `band_matrix`.

    Returns
    -------
    ndarray, shape (k, m), float64
    """
    used = np.flatnonzero(column)
    low, high = used[0], used[-1] + 1
    weight = column[low:high].astype(np.float64)
    start, fraction = _starts(redshift)
    result = np.empty((len(luminosity), redshift.size))
    for number, first in enumerate(start):
        part = luminosity[:, first + low : first + high + 1]
        result[:, number] = np.einsum("ij,j->i", part[:, :-1], weight * (1 - fraction[number]))
        result[:, number] += np.einsum("ij,j->i", part[:, 1:], weight * fraction[number])
    return result
