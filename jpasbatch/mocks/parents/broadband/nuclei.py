"""Active nuclei: the accretion disc with its lines, the torus that it heats, and the dust that hides it.

====================  =================================================================================================
disc                  broken power law: f_nu as nu^-0.44 from 0.11 to 1 micrometres (Vanden Berk et al. 2001, AJ 122,
                      549), nu^-1.41 blueward (Stevans et al. 2014, ApJ 794, 75), nu^(1/3) beyond (Kishimoto et al.
                      2008, Nature 454, 492); broad and narrow lines, iron and Balmer continuum as in
                      `jpasbatch.mocks.parents.analytic.quasars`
torus                 black bodies from the sublimation of dust (about 1400 K) down to about 100 K, with a luminosity
                      per logarithm of temperature as T^p; p near 0 gives the flat nu L_nu from 3 to 20 micrometres and
                      the fall beyond 40 of observed nuclei (Mullaney et al. 2011, MNRAS 414, 1082; Richards et al.
                      2006, ApJS 166, 470)
screen                Milky Way dust with its silicate features (Gordon et al. 2023, ApJ 950, 86), before disc and broad
                      lines of type 2 and, more thinly, before their torus; narrow lines lie outside of it
====================  =================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.analytic.quasars import BALMER_CONTINUUM, BUMPS, LINES
from jpasbatch.mocks.parents.analytic.spectra import smc_reddening
from jpasbatch.mocks.parents.broadband.stars import LYMAN_LIMIT, planck
from jpasbatch.mocks.spectra.distributions import (
    ANGSTROM_PER_MICROMETRE,
    energy,
    line_profile,
    rest_wavelengths,
    value_at,
)
from jpasbatch.mocks.spectra.dust import MILKY_WAY_RATIO

ANCHOR = 5.0
"""Micrometres: where nuclei are normalised, L_nu of the torus without a screen being 1."""

DISC_SLOPES = ((0.11, -1.41), (1.0, -0.44), (np.inf, 1 / 3))
"""Exponents of nu, each up to a wavelength in micrometres."""

BODY_TEMPERATURES = np.exp(np.linspace(np.log(40.0), np.log(1600.0), 60))
"""Of the black bodies that a torus is a sum of."""

NARROW_SCALE = 3.0
"""Narrow lines of the nuclei of this luminosity over those of luminous quasars (the listed equivalent widths), whose
lines are weak: the exponent of the Baldwin effect is about -0.3 and the nuclei are 1.5 dex fainter."""


@dataclass(frozen=True, eq=False)
class NucleusParameters:
    """Nuclei, shape (n,) each.

    Attributes
    ----------
    slope : ndarray
        Added to the exponents of the disc.
    disc_to_torus : ndarray
        log10 of nu L_nu of the disc at 0.51 micrometres over that of the torus at `ANCHOR`.
    hottest, coldest : ndarray
        Temperatures of the torus in kelvin.
    tilt : ndarray
        Exponent p of its luminosity per logarithm of temperature.
    line_strength : ndarray
        log10 of the lines' equivalent widths over the listed ones.
    colour_excess : ndarray
        E(B-V) of SMC dust in front of disc and lines.
    screen : ndarray
        A(V) in magnitudes before disc and broad lines; 0 for type 1.
    torus_screen : ndarray
        A(V) before the torus.
    """

    slope: np.ndarray
    disc_to_torus: np.ndarray
    hottest: np.ndarray
    coldest: np.ndarray
    tilt: np.ndarray
    line_strength: np.ndarray
    colour_excess: np.ndarray
    screen: np.ndarray
    torus_screen: np.ndarray


def nucleus_spectra(nuclei: NucleusParameters) -> tuple[np.ndarray, np.ndarray]:
    """Return L_nu of nuclei.

    Returns
    -------
    total, torus : ndarray, shape (n, pixels), float64
        All that is seen of the nucleus, and its torus behind its screen; L_nu of the torus without a screen is 1 at
        `ANCHOR`.
    """
    torus = torus_spectra(nuclei)
    disc = _disc(nuclei.slope)
    level = 10**nuclei.disc_to_torus * 0.51 / ANCHOR
    disc *= (level / value_at(disc, 0.51))[:, None]
    strength = 10 ** nuclei.line_strength[:, None]
    broad, narrow = _lines()
    seen = disc * (1 + strength * broad)
    seen *= _screen(nuclei.screen)
    seen += disc * NARROW_SCALE * strength * narrow
    rest = np.maximum(rest_wavelengths(), LYMAN_LIMIT)[None, :] * ANGSTROM_PER_MICROMETRE
    seen *= smc_reddening(rest, nuclei.colour_excess)
    torus *= _screen(nuclei.torus_screen)
    return seen + torus, torus


def torus_spectra(nuclei: NucleusParameters) -> np.ndarray:
    """Return L_nu of tori (n, pixels) without a screen, 1 at `ANCHOR`."""
    temperature = BODY_TEMPERATURES[None, :]
    weight = temperature ** nuclei.tilt[:, None]
    # soft ends, half a step of the temperatures wide, so that all nuclei vary smoothly
    for end, sign in ((nuclei.hottest, 1.0), (nuclei.coldest, -1.0)):
        weight = weight / (1 + np.exp(sign * np.log(temperature / end[:, None]) / 0.05))
    bodies = _unit_bodies()
    total = np.zeros((len(nuclei.slope), bodies.shape[1]))
    for number, body in enumerate(bodies):  # in a fixed order: BLAS would sum in another on other machines
        total += weight[:, number, None] * body
    return total / value_at(total, ANCHOR)[:, None]


@lru_cache(maxsize=1)
def _unit_bodies() -> np.ndarray:
    bodies = planck(BODY_TEMPERATURES)
    return bodies / energy(bodies)[:, None]


def _disc(slope: np.ndarray) -> np.ndarray:
    log_wavelength = np.log(rest_wavelengths())
    level = np.zeros(log_wavelength.size)
    low = -np.inf
    total = 0.0
    for end, exponent in DISC_SLOPES:
        # f_nu as nu^a is f_nu as wavelength^-a
        inside = (log_wavelength > low) & (log_wavelength <= np.log(end))
        level[inside] = total - exponent * (log_wavelength[inside] - max(low, log_wavelength[0]))
        total -= exponent * (np.log(end) - max(low, log_wavelength[0])) if np.isfinite(end) else 0.0
        low = np.log(end)
    pivot = log_wavelength - np.log(0.51)
    varied = np.where(np.abs(pivot) < 1.6, pivot, np.sign(pivot) * 1.6)  # 0.1 to 2.5 micrometres
    return np.exp(level[None, :] - slope[:, None] * varied[None, :])


@lru_cache(maxsize=1)
def _lines() -> tuple[np.ndarray, np.ndarray]:
    """Return what broad and narrow lines add to the continuum, over the continuum, (pixels,) each."""
    wavelength = rest_wavelengths()
    broad, narrow = np.zeros(wavelength.size), np.zeros(wavelength.size)
    # the energy of equivalent width W at a wavelength is W / wavelength^2 of the continuum's L_nu
    for centre, width, sigma, _, kind in LINES:
        target = broad if kind == "broad" else narrow
        target += _relative_line(centre, width, sigma)
    for centre, width, sigma in BUMPS:
        broad += _relative_line(centre, width, sigma)
    edge = wavelength / 0.3646
    balmer = BALMER_CONTINUUM * np.exp(-np.abs(np.log(edge)) / 0.35) / (1 + np.exp(np.log(edge) / 0.03))
    return broad + balmer, narrow


def _relative_line(centre: float, width: float, sigma: float) -> np.ndarray:
    """Return a line of an equivalent width in Angstrom, over its continuum."""
    place = centre / ANGSTROM_PER_MICROMETRE
    profile = line_profile(place, sigma / centre) / rest_wavelengths()
    return profile * (width / centre)


def _screen(extinction: np.ndarray) -> np.ndarray:
    """Return the transmission (n, pixels) of a screen of A(V) (n,) magnitudes."""
    return np.exp(-0.4 * np.log(10) * np.asarray(extinction)[:, None] * _screen_curve()[None, :])


@lru_cache(maxsize=1)
def _screen_curve() -> np.ndarray:
    """A(lambda) / A(V) on the rest grid; as wavelength^-1.5 beyond 32 micrometres, where the curve ends."""
    import astropy.units as units
    from dust_extinction.parameter_averages import G23

    wavelength = rest_wavelengths()
    reach = np.clip(wavelength, 0.0913, 31.9)
    curve = np.asarray(G23(Rv=MILKY_WAY_RATIO)(reach * units.micron), dtype=np.float64)
    return curve * np.where(wavelength > reach, (reach / wavelength) ** 1.5, 1.0)
