"""Built-in quasar spectra: for demonstration, not for science.

Broken power law and emission lines of the SDSS composite (Vanden Berk et al. 2001, AJ 122, 549), each
with scatter; iron and Balmer-continuum bumps; the Baldwin effect; host-galaxy light that depends on
luminosity (Shen et al. 2011, ApJS 194, 45, eq. 1); SMC-like dust; and what lies in front
(`jpasbatch.mocks.spectra.forest`).

Slopes, bumps and breaks were adjusted by hand to the ugriz colours of SDSS quasars and to the median of 44
BOSS quasars seen through the J-PAS curves. A test of a classifier on those same spectra is therefore not
fully independent of this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.parents.analytic import galaxies
from jpasbatch.mocks.parents.analytic.spectra import RestSpectra, add_line, smc_reddening
from jpasbatch.mocks.spectra.cosmology import log_luminosity
from jpasbatch.mocks.spectra.forest import broad_absorption, forest_transmission
from jpasbatch.mocks.spectra.grids import observed_wavelength

BLUE_SLOPE, RED_SLOPE, EXTREME_SLOPE = -0.25, -0.80, -1.41
"""Mean exponents of f_nu before dust: 1100-4661 Angstrom (-0.44 in Vanden Berk et al. 2001, whose composite
holds the dust that is added apart here); beyond 4661 (their -2.45 holds host light, also apart: chosen to
meet SDSS colours); below 1100 (Stevans et al. 2014, ApJ 794, 75: -1.41 in the extreme ultraviolet)."""

RED_BREAK, BLUE_BREAK = 4661.0, 1100.0
SLOPE_SCATTER = 0.23
REDDENING_SCALE = 0.025
"""Mean E(B-V) of an exponential distribution, magnitudes."""

LINES = (
    # rest wavelength (vacuum), rest equivalent width, Gaussian sigma, all in Angstrom; exponent of the
    # Baldwin effect; narrow or broad. Vanden Berk et al. 2001, table 2; N V and He II raised for the part
    # that is blended into their neighbours' fits there.
    (1033.0, 9.8, 7.8, -0.15, "broad"),
    (1215.7, 75.0, 16.0, -0.12, "broad"),
    (1240.1, 16.0, 11.0, 0.0, "broad"),
    (1305.4, 2.2, 6.0, 0.0, "broad"),
    (1336.6, 0.9, 5.0, 0.0, "broad"),
    (1398.3, 8.1, 14.2, -0.05, "broad"),
    (1547.5, 23.8, 14.3, -0.17, "broad"),
    (1637.8, 4.0, 16.0, -0.15, "broad"),
    (1664.7, 1.2, 8.0, 0.0, "broad"),
    (1857.0, 1.5, 10.0, 0.0, "broad"),
    (1906.0, 21.2, 23.6, -0.08, "broad"),
    (2076.0, 2.5, 20.0, 0.0, "broad"),
    (2324.0, 2.5, 17.0, 0.0, "broad"),
    (2799.1, 32.3, 30.0, -0.12, "broad"),
    (3426.8, 1.2, 6.9, -0.2, "narrow"),
    (3728.5, 1.6, 3.3, -0.3, "narrow"),
    (3869.9, 1.4, 5.3, -0.3, "narrow"),
    (4102.7, 5.1, 18.6, 0.0, "broad"),
    (4346.4, 12.6, 20.3, 0.0, "broad"),
    (4862.7, 46.2, 40.4, 0.0, "broad"),
    (4960.4, 3.5, 3.9, -0.3, "narrow"),
    (5008.2, 13.2, 6.0, -0.3, "narrow"),
    (5877.4, 4.9, 23.5, 0.0, "broad"),
    (6564.9, 194.5, 47.4, 0.0, "broad"),
    (6725.0, 2.2, 6.0, -0.2, "narrow"),
)

BUMPS = (
    # rest centre, equivalent width, sigma in Angstrom: blends of Fe II and Fe III that make the small
    # blue bump (ultraviolet) and flank H beta (optical); widths from Vanden Berk et al. 2001, table 2
    (2080.0, 2.5, 40.0),
    (2400.0, 10.0, 70.0),
    (2540.0, 12.0, 60.0),
    (2640.0, 4.0, 30.0),
    (2960.0, 12.0, 75.0),
    (3190.0, 5.0, 50.0),
    (4565.0, 17.0, 62.0),
    (5270.0, 19.0, 75.0),
)

BALMER_CONTINUUM = 0.22
"""Of the power law at 3000 Angstrom (chosen to meet SDSS colours at z 0.5-1.1)."""


@dataclass(frozen=True, eq=False)
class QuasarParameters:
    """Redshift (n,) and apparent AB magnitude (n,) in a band at `wavelength` Angstrom."""

    redshift: np.ndarray
    magnitude: np.ndarray
    wavelength: float = 6250.0

    def __getitem__(self, rows: slice) -> QuasarParameters:
        return QuasarParameters(self.redshift[rows], self.magnitude[rows], self.wavelength)


def quasar_spectra(parameters: QuasarParameters, rng: np.random.Generator) -> np.ndarray:
    """Return spectra (n, 1601) float32, f_lambda in any unit, on `observed_wavelength`."""
    redshift = parameters.redshift
    luminosity = log_luminosity(parameters.magnitude, redshift, parameters.wavelength)
    rest = (observed_wavelength()[None, :] / (1 + redshift[:, None])).astype(np.float32)
    slope = rng.normal(0.0, SLOPE_SCATTER, redshift.size).astype(np.float32)
    flux = _power_law(rest, slope)
    iron, balmer = 10 ** rng.normal(0.0, 0.20, (2, redshift.size))
    flux *= 1 + _bumps().observed(redshift, np.stack([iron, balmer], axis=1))
    _add_lines(flux, parameters.redshift, (slope, luminosity), rng)
    flux *= smc_reddening(rest, rng.exponential(REDDENING_SCALE, redshift.size))
    flux *= broad_absorption(redshift, rng)
    flux += _host(redshift, luminosity, rng)
    flux *= forest_transmission(redshift, rng)
    return flux


def _power_law(rest: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """f_lambda, 1 at 5100 Angstrom before scatter in slope; `rest` (n, pixels), `slope` (n,)."""
    logarithm = np.log(rest)
    red, blue = np.float32(np.log(RED_BREAK)), np.float32(np.log(BLUE_BREAK))
    middle = np.clip(logarithm, blue, red) - red
    result = -(BLUE_SLOPE + slope[:, None] + 2) * middle
    result -= (RED_SLOPE + 0.5 * slope[:, None] + 2) * np.clip(logarithm - red, 0.0, None)
    result -= (EXTREME_SLOPE + slope[:, None] + 2) * np.clip(logarithm - blue, None, 0.0)
    return np.exp(result).astype(np.float32)


@lru_cache(maxsize=1)
def _bumps() -> RestSpectra:
    """Iron and the Balmer continuum, relative to the power law, from 500 to 11000 Angstrom."""
    return RestSpectra.on_grid(500.0, 11000.0, 2000, _bumps_at)


def _bumps_at(wavelength: np.ndarray) -> np.ndarray:
    iron = np.zeros_like(wavelength)
    for centre, width, sigma in BUMPS:
        iron += width / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2)
    # optically thin Balmer continuum of 15000 K gas, its edge smeared by the merging high-order lines
    shape = np.exp(-1.438777e8 / 15000.0 * (1 / wavelength - 1 / 3646.0))
    shape = shape / np.interp(3000.0, wavelength, shape) / (1 + np.exp((wavelength - 3750.0) / 50.0))
    return np.array([iron, BALMER_CONTINUUM * shape])


def _add_lines(
    flux: np.ndarray,
    redshift: np.ndarray,
    slope_and_luminosity: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Add emission lines in place: lognormal scatter, common 0.10 dex and own 0.15 (narrow 0.30) dex."""
    slope, luminosity = slope_and_luminosity
    common = rng.normal(0.0, 0.10, redshift.size)
    breadth = 10 ** rng.normal(0.0, 0.12, redshift.size)
    brightness = np.clip(luminosity - 45.7, -2.0, 1.5)
    for rest, width, sigma, baldwin, kind in LINES:
        scatter = common + rng.normal(0.0, 0.30 if kind == "narrow" else 0.15, redshift.size)
        strength = width * 10 ** (scatter + baldwin * brightness)
        continuum = _power_law(np.full((redshift.size, 1), rest, dtype=np.float32), slope)[:, 0]
        broad = sigma * (breadth if kind == "broad" else 1.0)
        # half of a broad line is in wings twice as wide: real profiles are not Gaussian
        parts = ((0.6, 0.75), (0.4, 1.8)) if kind == "broad" else ((1.0, 1.0),)
        for share, widening in parts:
            area = share * strength * (1 + redshift) * continuum
            add_line(flux, rest * (1 + redshift), widening * broad * (1 + redshift), area)


def _host(redshift: np.ndarray, luminosity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Host light relative to a power law of 1 at 5100 Angstrom, by luminosity, with a scatter of 0.25 dex."""
    ratio = host_ratio(luminosity) * 10 ** rng.normal(0.0, 0.25, redshift.size)
    kind = rng.choice(3, size=redshift.size, p=[0.25, 0.35, 0.40])
    shares = galaxies.population_shares(kind, rng) * ratio[:, None]
    return galaxies.populations().observed(redshift, shares)


def host_ratio(luminosity: np.ndarray) -> np.ndarray:
    """Return the ratio (n,) of host to quasar at 5100 Angstrom (Shen et al. 2011, ApJS 194, 45, eq. 1).

    0.8052 - 1.5502 x + 0.9121 x^2 - 0.1577 x^3 with x = log L_5100 - 44 (which vanishes at x = 1.05);
    at least 0.02, at most 3. `luminosity` (n,) is log10 of erg/s.
    """
    excess = np.clip(luminosity - 44.0, -1.5, 1.053)
    ratio = 0.8052 - 1.5502 * excess + 0.9121 * excess**2 - 0.1577 * excess**3
    return np.clip(ratio, 0.02, 3.0)
