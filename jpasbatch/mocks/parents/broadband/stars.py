"""Starlight of galaxies: three populations of black bodies with breaks, and starburst dust in front of them.

A population is a sum of black bodies with the absorption that black bodies lack: the Lyman limit, the Balmer break
of hot stars (3646 Angstrom), the 4000 Angstrom break and the metals' blanketing below 2700 Angstrom of cool ones,
and the minimum of the opacity of the negative hydrogen ion at 1.6 micrometres (John 1988, A&A 193, 189; Sawicki 2002,
AJ 124, 3050), between the water and carbon monoxide bands. Temperatures and depths were chosen to give the rest
colours of stellar populations of solar metallicity (Bruzual & Charlot 2003, MNRAS 344, 1000) to about 0.1 mag; the
tests hold the breaks, the bump and the colours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.analytic.spectra import starburst_reddening
from jpasbatch.mocks.spectra.distributions import ANGSTROM_PER_MICROMETRE, rest_wavelengths, value_at

KELVIN_MICROMETRES = 14387.77
"""h c / k: the exponent of the Planck function is this over wavelength and temperature (CODATA 2018)."""

POPULATIONS = {
    # black bodies: temperature in kelvin and share of the light at 0.55 micrometres
    "old": ((5400.0, 0.81), (3100.0, 0.19)),
    "intermediate": ((8000.0, 0.60), (5600.0, 0.30), (3100.0, 0.10)),
    "young": ((32000.0, 0.62), (12000.0, 0.28), (3400.0, 0.10)),
}

BREAKS = {
    # wavelength in micrometres, width over wavelength, and what is left blueward
    "old": ((0.400, 0.020, 0.58), (0.270, 0.060, 0.20)),
    "intermediate": ((0.378, 0.030, 0.48), (0.200, 0.080, 0.35)),
    "young": ((0.3646, 0.030, 0.88),),
}

BUMP = {"old": 0.14, "intermediate": 0.13, "young": 0.08}
"""Height of the bump at 1.6 micrometres over the black bodies."""

RED_SLOPE = 0.45
"""Exponent of wavelength by which cool stars fall below black bodies beyond 2.4 micrometres, where carbon monoxide
and water absorb: gives [3.6] - [4.5] = -0.05 (Vega) of old galaxies."""

LYMAN_LIMIT = 0.09118


def planck(temperature: float | np.ndarray) -> np.ndarray:
    """Return B_nu on the rest grid, (..., pixels) float64, in an arbitrary unit that all temperatures share."""
    wavelength = rest_wavelengths()
    exponent = KELVIN_MICROMETRES / (wavelength * np.asarray(temperature, dtype=np.float64)[..., None])
    return 1 / (wavelength**3 * np.expm1(np.minimum(exponent, 600.0)))


@lru_cache(maxsize=1)
def populations() -> dict[str, np.ndarray]:
    """Return L_nu of the populations (pixels,), 1 at 0.55 micrometres, without dust and lines."""
    return {name: _population(name) for name in POPULATIONS}


def _population(name: str) -> np.ndarray:
    wavelength = rest_wavelengths()
    total = np.zeros(wavelength.size)
    for temperature, share in POPULATIONS[name]:
        body = planck(temperature)
        total += share * body / value_at(body, 0.55)
    for place, width, left in BREAKS[name]:
        total *= left + (1 - left) / (1 + np.exp(-np.log(wavelength / place) / width))
    total *= 1 + BUMP[name] * np.exp(-0.5 * (np.log(wavelength / 1.65) / 0.20) ** 2)
    total *= np.maximum(wavelength / 2.4, 1.0) ** -RED_SLOPE
    total[wavelength < LYMAN_LIMIT] = 0.0
    return total / value_at(total, 0.55)


def starburst_transmission(colour_excess: np.ndarray) -> np.ndarray:
    """Return the transmission (n, pixels) of dust by the law of Calzetti et al. (2000), E(B-V) (n,) in magnitudes.

    The law ends at 2.2 micrometres; it is followed to where it reaches zero, at 3.1, and is zero beyond.
    """
    reach = np.clip(rest_wavelengths(), LYMAN_LIMIT, 3.11) * ANGSTROM_PER_MICROMETRE
    transmission = starburst_reddening(reach, np.asarray(colour_excess, dtype=np.float64))
    return np.where(rest_wavelengths() > 3.1, 1.0, transmission)
