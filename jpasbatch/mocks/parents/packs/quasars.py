"""Quasar parents: real quasars as principal components, with the forest taken out of them.

Redward of Lyman alpha a parent is its own reconstruction from the published components. Blueward these carry
the mean forest of the sample that they were trained on; there the parent is continued by the components that
were trained on forest-corrected spectra (redrock HIZ), fitted to it redward of Lyman alpha, and below 1020
Angstrom by a power law f_nu ~ nu^-1.5 (the mean slope of simqso's eBOSS model below 1200 Angstrom). What lies in
front of an object is then put in by `jpasbatch.mocks.descendants.sightlines`.
"""

from __future__ import annotations

import numpy as np

from jpasbatch.mocks.packs.quasars import Eigenbasis, QuasarPCA
from jpasbatch.mocks.parents.parents import Parents, from_basis
from jpasbatch.mocks.spectra.grids import LAST_WAVELENGTH, resample, rest_grid, smooth

FITTED = (1225.0, 2800.0)
"""Rest Angstrom over which the forest-free components are fitted."""

JOIN = (1225.0, 1280.0)
"""Rest Angstrom over which one reconstruction takes over from the other: redward of Lyman alpha's peak, whose
blue half the forest eats."""

EXTREME_JOIN = (1012.0, 1026.0)
"""Where the power law takes over: below O VI and Lyman beta, where the components are not corrected."""

EXTREME_SLOPE = -0.5
"""Of f_lambda: f_nu ~ nu^-1.5."""

NORMALISED = (1450.0, 4000.0)


def quasar_parents(pca: QuasarPCA, unabsorbed: Eigenbasis) -> Parents:
    """Return the usable parents.

    Left out: first coefficient not positive, or a reconstruction that is not positive over what the parent's
    own redshift shows.

    Parameters
    ----------
    pca : QuasarPCA
    unabsorbed : Eigenbasis
        Of the forest-corrected components.

    Returns
    -------
    Parents
        Kinds "boss" and "sdss".
    """
    grid = rest_grid()
    components = resample(pca.wavelength, pca.eigenvectors)
    blueward = resample(unabsorbed.wavelength, unabsorbed.vectors)
    coefficients = np.asarray(pca.coefficients, dtype=np.float64)
    usable = coefficients[:, 0] > 0
    usable &= _positive(coefficients, components, pca.redshift)
    coefficients, redshift = coefficients[usable], pca.redshift[usable]
    window = (grid > NORMALISED[0]) & (grid < NORMALISED[1])
    coefficients /= (coefficients @ components[:, window]).mean(axis=1, keepdims=True)
    fitted = _fit(coefficients, components, blueward)
    anchor = (grid > 1050.0) & (grid < 1070.0)
    extreme = (fitted @ blueward[:, anchor]).mean(axis=1, keepdims=True)
    above = _ramp(grid, *JOIN)
    ionising = 1 - _ramp(grid, *EXTREME_JOIN)
    power_law = (grid / 1060.0) ** EXTREME_SLOPE
    curves = np.concatenate(
        [components * above, blueward * ((1 - above) * (1 - ionising)), (power_law * ionising)[None, :]]
    )
    weights = np.concatenate([coefficients, fitted, extreme], axis=1)
    good = (fitted @ blueward[:, (grid > 1050) & (grid < 1280)] > 0).all(axis=1)
    names = pca.name[usable][good]
    covered = (float(grid[0]), float(min(pca.wavelength[-1], LAST_WAVELENGTH)))
    kinds = np.array([name.partition("-")[0] for name in names])
    return from_basis(curves, weights[good], names, kinds, covered, redshift[good])


def _positive(coefficients: np.ndarray, components: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Whether the spectrum, smoothed to the width of a narrow band, is positive where it was observed."""
    grid = rest_grid()
    coarse = slice(None, None, 8)
    bands = smooth(components, 18.0)[:, coarse]
    flux = coefficients.astype(np.float32) @ bands
    seen = (grid[coarse] * (1 + redshift[:, None]) > 3500) & (grid[coarse] * (1 + redshift[:, None]) < 10500)
    seen &= np.abs(bands[0]) > 0
    return np.asarray(np.where(seen, flux > 0, True).all(axis=1))


def _fit(coefficients: np.ndarray, components: np.ndarray, blueward: np.ndarray) -> np.ndarray:
    """Least squares of each reconstruction by the forest-free components, shape (n, k)."""
    grid = rest_grid()
    window = (grid > FITTED[0]) & (grid < FITTED[1])
    solver = np.linalg.pinv(blueward[:, window].astype(np.float64).T)
    return (coefficients @ components[:, window]) @ solver.T


def _ramp(grid: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high`, straight in log wavelength between."""
    return np.clip(np.log(grid / low) / np.log(high / low), 0.0, 1.0)
