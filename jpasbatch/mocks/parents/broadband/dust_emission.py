"""Infrared emission of dust that stars heat: large grains near equilibrium, warm dust, and aromatic features."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.broadband.stars import KELVIN_MICROMETRES
from jpasbatch.mocks.spectra.distributions import LOG_STEP, energy, rest_wavelengths

INFRARED = (8.0, 1000.0)
"""Micrometres between which an infrared luminosity is counted."""

OPAQUE_BELOW = 200.0
"""Wavelength in micrometres at which the optical depth is 1 (Casey 2012)."""

SUBLIMATION = 1500.0
"""Kelvin."""

FEATURES = (
    # wavelength in micrometres, full width at half maximum over wavelength, share of the power of all features:
    # central wavelengths and widths of Smith et al. 2007 (ApJ 656, 770), powers about the medians of their
    # star-forming galaxies (6.2: 11 %, 7.7 complex: 42 %, 8.6: 8 %, 11.3 complex: 12 %, 12.6 complex: 7 %, 17
    # complex: about 5 %); the feature at 3.3 that they do not see: 2 % (Lai et al. 2020, ApJ 905, 55)
    (3.29, 0.018, 0.020),
    (5.27, 0.034, 0.015),
    (5.70, 0.035, 0.030),
    (6.22, 0.030, 0.110),
    (7.42, 0.126, 0.150),
    (7.60, 0.044, 0.140),
    (7.85, 0.053, 0.130),
    (8.33, 0.050, 0.045),
    (8.61, 0.039, 0.075),
    (10.68, 0.020, 0.010),
    (11.23, 0.012, 0.035),
    (11.33, 0.032, 0.085),
    (11.99, 0.045, 0.030),
    (12.62, 0.042, 0.060),
    (13.48, 0.040, 0.020),
    (16.45, 0.014, 0.010),
    (17.04, 0.065, 0.035),
)


@lru_cache(maxsize=1)
def aromatic_features() -> np.ndarray:
    """Return L_nu of the features (pixels,) as Drude profiles, of unit energy between 3 and 25 micrometres.

    I_nu = b g^2 / ((x - 1/x)^2 + g^2) with x the wavelength over that of the feature and g its relative width
    (Smith et al. 2007).
    """
    wavelength = rest_wavelengths()
    total = np.zeros(wavelength.size)
    for centre, width, power in FEATURES:
        # a feature is at least two pixels wide, so that the grid holds its power
        width = max(width, 2 * LOG_STEP)
        ratio = wavelength / centre
        profile = width**2 / ((ratio - 1 / ratio) ** 2 + width**2)
        total += power * profile / energy(profile)
    # the wings of a Drude profile would reach the optical
    total[(wavelength < 3.0) | (wavelength > 25.0)] = 0.0
    return total / energy(total)


def grain_emission(temperature: np.ndarray, emissivity: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return a modified black body that joins a power law in the mid-infrared (Casey 2012, MNRAS 425, 3094).

    Parameters
    ----------
    temperature, emissivity, slope : ndarray, shape (n,)
        T in kelvin, beta and alpha of that paper.

    Returns
    -------
    ndarray, shape (n, pixels), float64
        L_nu of unit energy from 8 to 1000 micrometres.
    """
    wavelength = rest_wavelengths()[None, :]
    heat, beta, alpha = (
        np.asarray(one, dtype=np.float64)[:, None] for one in (temperature, emissivity, slope)
    )
    body = _modified_body(wavelength, heat, beta)
    # the power law ends where its slope meets that of the black body, by the fit of that paper
    turnover = 0.75 / ((26.68 + 6.246 * alpha) ** -2 + (1.905e-4 + 7.243e-5 * alpha) * heat)
    amplitude = _modified_body(turnover, heat, beta) * turnover**-alpha
    law = amplitude * wavelength**alpha * np.exp(-((wavelength / turnover) ** 2))
    # no dust is hotter than where it sublimes
    law *= np.exp(-KELVIN_MICROMETRES / (wavelength * SUBLIMATION))
    total = body + law
    return total / energy(total, *INFRARED)[:, None]


def _modified_body(wavelength: np.ndarray, temperature: np.ndarray, emissivity: np.ndarray) -> np.ndarray:
    opacity = -np.expm1(-((OPAQUE_BELOW / wavelength) ** emissivity))
    exponent = np.minimum(KELVIN_MICROMETRES / (wavelength * temperature), 600.0)
    return opacity / (wavelength**3 * np.expm1(exponent))
