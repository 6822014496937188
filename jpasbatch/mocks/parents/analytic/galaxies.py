"""Built-in galaxy spectra: for demonstration, not for science.

A galaxy is a mixture of five stellar populations of different age, each a mixture of the stars of
`jpasbatch.mocks.parents.analytic.stars`, reddened by starburst dust, with emission lines whose rest equivalent widths
scale with the share of young light and scatter. Types run from quiescent to strongly star-forming.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.analytic import stars
from jpasbatch.mocks.parents.analytic.spectra import RestSpectra, add_line, flux_at, starburst_reddening
from jpasbatch.mocks.spectra.grids import observed_wavelength

POPULATIONS: dict[str, dict[str, float]] = {
    # shares of the light at 5400 Angstrom by spectral type, chosen to give the colours of the ages
    "10 Myr": {"o5v": 0.20, "b0v": 0.35, "b3v": 0.25, "a0v": 0.05, "m0iii": 0.15},
    "200 Myr": {"b8v": 0.30, "a0v": 0.35, "a5v": 0.10, "k2iii": 0.25},
    "1 Gyr": {"a5v": 0.20, "f0v": 0.30, "f5v": 0.15, "g5v": 0.05, "k0iii": 0.30},
    "5 Gyr": {"f5v": 0.20, "g0v": 0.30, "k0v": 0.05, "k0iii": 0.33, "m0iii": 0.12},
    "12 Gyr": {"g0v": 0.15, "g5v": 0.12, "k0v": 0.05, "k0iii": 0.26, "k2iii": 0.22, "m0iii": 0.20},
}

TYPES = {
    # mean shares of light at 5400 Angstrom of the five populations; mean E(B-V); rest EW of H alpha in
    # Angstrom (median) and of its lognormal scatter in dex. Chosen to span SDSS colours: assumed.
    "quiescent": ((0.00, 0.005, 0.03, 0.245, 0.72), 0.01, 0.5, 0.30),
    "green": ((0.03, 0.04, 0.11, 0.36, 0.46), 0.08, 6.0, 0.30),
    "star-forming": ((0.13, 0.14, 0.20, 0.31, 0.22), 0.13, 28.0, 0.25),
    "starburst": ((0.40, 0.24, 0.16, 0.12, 0.08), 0.13, 85.0, 0.30),
}

LINES = {
    # rest wavelength (vacuum, Angstrom): ratio to H alpha (median, before dust, star-forming galaxies
    # of about half solar metallicity), scatter in dex
    "[O II]": (3728.5, 0.75, 0.18),
    "[Ne III]": (3870.2, 0.07, 0.20),
    "H delta": (4102.9, 0.09, 0.03),
    "H gamma": (4341.7, 0.16, 0.03),
    "H beta": (4862.7, 0.35, 0.03),
    "[O III] 4960": (4960.3, 0.11, 0.0),
    "[O III] 5008": (5008.2, 0.33, 0.0),
    "He I": (5877.2, 0.04, 0.10),
    "[O I]": (6302.0, 0.03, 0.20),
    "H alpha": (6564.6, 1.0, 0.0),
    "[N II]": (6585.3, 0.30, 0.20),
    "[S II]": (6725.0, 0.30, 0.12),
    "[S III]": (9533.0, 0.20, 0.15),
}

VELOCITY_SIGMA = 150.0
"""km/s; unresolved by any band."""


@dataclass(frozen=True, eq=False)
class GalaxyParameters:
    """Redshift (n,), type as an index into `TYPES` (n,)."""

    redshift: np.ndarray
    kind: np.ndarray

    def __getitem__(self, rows: slice) -> GalaxyParameters:
        return GalaxyParameters(self.redshift[rows], self.kind[rows])


@lru_cache(maxsize=1)
def populations() -> RestSpectra:
    """Return the five populations from 800 to 12000 Angstrom, 1 at 5400 Angstrom."""
    return RestSpectra.on_grid(800.0, 12000.0, 2600, _populations_at)


def population_shares(kind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return shares of light (n, 5) scattered around those of the type (Dirichlet-like, by gamma)."""
    means = np.array([entry[0] for entry in TYPES.values()])[kind]
    shares = rng.gamma(means * 25.0 + 1e-3) / 25.0
    return shares / shares.sum(axis=1, keepdims=True)


def galaxy_spectra(parameters: GalaxyParameters, rng: np.random.Generator) -> np.ndarray:
    """Return spectra (n, 1601) float32, f_lambda in any unit, on `observed_wavelength`."""
    n_galaxies = parameters.redshift.size
    dust = np.array([entry[1] for entry in TYPES.values()])[parameters.kind]
    dust = rng.gamma(2.0, dust / 2.0)
    shares = population_shares(parameters.kind, rng)
    flux = populations().observed(parameters.redshift, shares)
    rest = observed_wavelength()[None, :].astype(np.float32) / (1 + parameters.redshift[:, None])
    flux *= starburst_reddening(rest.astype(np.float32), dust)
    median = np.array([entry[2] for entry in TYPES.values()])[parameters.kind]
    scatter = np.array([entry[3] for entry in TYPES.values()])[parameters.kind]
    young = shares[:, 0] + 0.02
    typical = np.array([entry[0][0] for entry in TYPES.values()])[parameters.kind] + 0.02
    width = median * young / typical * 10 ** rng.normal(0.0, scatter)
    _add_emission(flux, parameters.redshift, width, rng)
    return np.maximum(flux, np.float32(1e-6) * flux.max(axis=1, keepdims=True)).reshape(n_galaxies, -1)


def _populations_at(wavelength: np.ndarray) -> np.ndarray:
    known = {name for shares in POPULATIONS.values() for name in shares}
    spectra = {name: stars.sequence_spectrum(name, wavelength) for name in known}
    return np.array(
        [sum(share * spectra[name] for name, share in shares.items()) for shares in POPULATIONS.values()]
    )


def _add_emission(
    flux: np.ndarray, redshift: np.ndarray, halpha_width: np.ndarray, rng: np.random.Generator
) -> None:
    """Add the lines of `LINES` in place; [O III] scatters by 0.35 dex (metallicity, ionisation)."""
    continuum = np.maximum(_continuum_at_halpha(flux, redshift), 0.0)
    area = halpha_width * (1 + redshift) * continuum
    oxygen = 10 ** rng.normal(0.0, 0.35, redshift.size)
    attenuation = 10 ** (-0.4 * rng.exponential(0.25, redshift.size))
    for name, (rest, ratio, scatter) in LINES.items():
        strength = area * ratio * 10 ** rng.normal(0.0, scatter, redshift.size)
        if name.startswith("[O III]"):
            strength = strength * oxygen
        if rest < 4000:
            strength = strength * attenuation
        centre = rest * (1 + redshift)
        add_line(flux, centre, centre * VELOCITY_SIGMA / 299792.458, strength)


def _continuum_at_halpha(flux: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Continuum at rest 6565 A, clipped to the grid: beyond z 0.67 that at 11000 A stands in for it."""
    return flux_at(flux, 6500.0 * (1 + redshift))
