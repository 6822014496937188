"""One grid for all template spectra: uniform in log wavelength, so that a redshift is a shift of pixels.

Observed pixel i lies at 3000 exp(i s) Angstrom, rest pixel j at 3000 exp((j - j0) s), with s = 0.0008
(240 km/s; 2.4 Angstrom at 3000, 8.8 at 11000: a narrow band of J-PAS is 145 wide). A spectrum at redshift z is
a slice of its rest spectrum, interpolated by the same fraction in all pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

LOG_STEP = 8e-4
FIRST_WAVELENGTH, LAST_WAVELENGTH = 3000.0, 11000.0
HIGHEST_REDSHIFT = 5.2

OBSERVED_PIXELS = int(np.ceil(np.log(LAST_WAVELENGTH / FIRST_WAVELENGTH) / LOG_STEP)) + 1
BLUE_PIXELS = int(np.ceil(np.log1p(HIGHEST_REDSHIFT) / LOG_STEP)) + 2
REST_PIXELS = BLUE_PIXELS + OBSERVED_PIXELS + 1

SPEED_OF_LIGHT_KMS = 299792.458

CHUNK_OBJECTS = 256
"""Spectra made at a time: some float32 arrays of 256 x 1626 fit the cache of a core."""


@lru_cache(maxsize=1)
def observed_wavelength() -> np.ndarray:
    """Return the grid of all built-in spectra: 3000 to 11000 Angstrom in steps of 5, float64 (1601,)."""
    wavelength = np.linspace(3000.0, 11000.0, 1601)
    wavelength.flags.writeable = False
    return wavelength


@lru_cache(maxsize=1)
def observed_grid() -> np.ndarray:
    """Return the observed wavelengths in Angstrom, float64 (1626,)."""
    return _frozen(FIRST_WAVELENGTH * np.exp(LOG_STEP * np.arange(OBSERVED_PIXELS)))


@lru_cache(maxsize=1)
def rest_grid() -> np.ndarray:
    """Return the rest wavelengths in Angstrom, float64 (3910,), from about 483 to 11008."""
    return _frozen(FIRST_WAVELENGTH * np.exp(LOG_STEP * (np.arange(REST_PIXELS) - BLUE_PIXELS)))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def rest_pixel(wavelength: float) -> int:
    """Return the pixel of `rest_grid` nearest to a wavelength in Angstrom (clipped to the grid)."""
    pixel = round(np.log(wavelength / FIRST_WAVELENGTH) / LOG_STEP) + BLUE_PIXELS
    return int(np.clip(pixel, 0, REST_PIXELS - 1))


def resample(wavelength: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Average spectra over the pixels of `rest_grid`.

    Parameters
    ----------
    wavelength : ndarray, shape (p,)
        In Angstrom, increasing.
    flux : ndarray, shape (k, p) or (p,)
        Linear between its points.

    Returns
    -------
    ndarray, shape (k, 3910), float32
        Zero in pixels that are not wholly covered.
    """
    flux = np.atleast_2d(np.asarray(flux, dtype=np.float64))
    grid = rest_grid()
    edges = np.append(grid, grid[-1] * np.exp(LOG_STEP)) * np.exp(-LOG_STEP / 2)
    result = np.zeros((len(flux), grid.size), dtype=np.float32)
    whole = (edges[:-1] >= wavelength[0] * (1 - 1e-9)) & (edges[1:] <= wavelength[-1] * (1 + 1e-9))
    pixels = np.flatnonzero(whole)
    if not pixels.size:
        return result
    inner = edges[pixels[0] : pixels[-1] + 2]
    points = np.union1d(np.clip(inner, wavelength[0], wavelength[-1]), wavelength)
    places = np.searchsorted(points, np.clip(inner, wavelength[0], wavelength[-1]))
    for row, values in enumerate(flux):
        fine = np.interp(points, wavelength, values)
        area = np.concatenate([[0.0], np.cumsum(0.5 * (fine[1:] + fine[:-1]) * np.diff(points))])
        result[row, pixels] = np.diff(area[places]) / np.diff(points[places])
    return result


def shifted(curves: np.ndarray, redshift: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return what is observed of curves on the rest grid.

    Parameters
    ----------
    curves : ndarray, shape (components, 3910) or (3910,), float32
    redshift : ndarray, shape (n,)
        From 0 to `HIGHEST_REDSHIFT`.
    weights : ndarray, shape (n, components), optional
        Of the components' sum; a single curve needs none.

    Returns
    -------
    ndarray, shape (n, 1626), float32
        On `observed_grid`, linear in log wavelength. No factor 1/(1+z): spectra are scaled to magnitudes.
    """
    curves = np.atleast_2d(curves)
    start = BLUE_PIXELS - np.log1p(np.asarray(redshift, dtype=np.float64)) / LOG_STEP
    if start.size and (start.min() < 0 or start.max() > BLUE_PIXELS):
        raise ValueError(f"redshift: from 0 to {HIGHEST_REDSHIFT} on this grid")
    first = np.floor(start).astype(np.int64)
    fraction = (start - first).astype(np.float32)
    result = np.empty((first.size, OBSERVED_PIXELS), dtype=np.float32)
    for row, low in enumerate(first):
        part = curves[:, low : low + OBSERVED_PIXELS + 1]
        mixed = part[0] if weights is None else _weighted(part, weights[row])
        result[row] = mixed[:-1]
        result[row] += fraction[row] * (mixed[1:] - mixed[:-1])
    return result


def _weighted(part: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum component by component: BLAS would add in another order on another number of cores."""
    total = np.float32(weights[0]) * part[0]
    for component, weight in zip(part[1:], weights[1:], strict=True):
        if weight:
            total += np.float32(weight) * component
    return total


def smooth(curves: np.ndarray, pixels: float) -> np.ndarray:
    """Return curves (k, p) smoothed by a Gaussian of a width (sigma) in pixels, float32."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.asarray(curves, dtype=np.float32), pixels, axis=-1, mode="nearest")
