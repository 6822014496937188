"""Built-in star spectra: for demonstration, not for science.

A star is a smooth continuum through 16 broad averages of the Pickles (1998, PASP 110, 863) library, so
that its broad-band colours lie on the stellar locus, times analytic features that the averages do not
resolve: Balmer lines and jump, the 4000 Angstrom break, Ca, G band, Mg, Na, and the TiO and CaH bands
of M dwarfs. Metallicity scatters the strength of the metal features and the blanketing in the blue.
White dwarfs are blackbodies with broad Balmer or helium lines, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jpasbatch.mocks.spectra.grids import observed_wavelength

ANCHORS = (1350, 1700, 2200, 2700, 3200, 3550, 3900, 4200, 4750, 5400, 6200, 7000, 7700, 8600, 9500, 10600)
"""Centres in Angstrom of the averages of `SEQUENCE`; each average spans +-4 %."""

_SEQUENCE_TABLE = """
o5v    39800  2.30  1.98  1.52  1.17  0.87  0.70  0.58  0.45  0.22  0.00 -0.24 -0.44 -0.61 -0.79 -0.93 -1.13
b0v    28200  1.83  1.50  1.19  0.97  0.75  0.60  0.53  0.42  0.20  0.00 -0.23 -0.42 -0.58 -0.76 -0.90 -1.10
b3v    19000  1.33  1.10  0.83  0.65  0.50  0.38  0.43  0.35  0.18  0.00 -0.21 -0.38 -0.52 -0.68 -0.82 -0.99
b8v    11700  0.66  0.54  0.35  0.24  0.17  0.09  0.34  0.32  0.17  0.00 -0.18 -0.35 -0.48 -0.61 -0.73 -0.88
a0v     9550 -0.06  0.14  0.06 -0.03 -0.03 -0.07  0.22  0.26  0.14  0.00 -0.18 -0.33 -0.45 -0.60 -0.70 -0.85
a5v     8500 -2.40 -0.49 -0.27 -0.28 -0.15 -0.16  0.15  0.20  0.11  0.00 -0.16 -0.29 -0.40 -0.52 -0.61 -0.74
f0v     7200 -3.20 -1.20 -0.51 -0.44 -0.18 -0.15  0.06  0.13  0.09  0.00 -0.11 -0.22 -0.31 -0.43 -0.53 -0.65
f5v     6530 -3.30 -2.30 -0.87 -0.64 -0.21 -0.15 -0.03  0.05  0.06  0.00 -0.09 -0.18 -0.26 -0.36 -0.45 -0.57
g0v     5800 -3.80 -3.10 -1.60 -0.92 -0.37 -0.24 -0.13 -0.01  0.05  0.00 -0.06 -0.13 -0.19 -0.28 -0.37 -0.49
g5v     5580 -3.90 -3.30 -1.80 -1.10 -0.49 -0.34 -0.23 -0.07  0.02  0.00 -0.05 -0.11 -0.17 -0.25 -0.32 -0.41
k0v     5190 -4.50 -3.90 -2.50 -1.30 -0.61 -0.43 -0.31 -0.11  0.02  0.00 -0.01 -0.06 -0.11 -0.19 -0.26 -0.36
k3v     4700 -5.00 -4.50 -3.20 -1.80 -0.86 -0.63 -0.51 -0.22  0.00  0.00  0.04  0.02 -0.02 -0.08 -0.15 -0.23
k5v     4390 -5.00 -4.60 -3.50 -2.20 -1.10 -0.85 -0.72 -0.37 -0.04  0.00  0.11  0.10  0.10  0.04 -0.01 -0.06
k7v     4000 -5.00 -4.80 -3.70 -2.60 -1.30 -0.93 -0.77 -0.48 -0.11  0.00  0.11  0.14  0.17  0.15  0.10  0.05
m0v     3800 -5.00 -4.90 -3.80 -2.70 -1.30 -0.95 -0.77 -0.45 -0.08  0.00  0.11  0.16  0.22  0.22  0.20  0.15
m2v     3550 -5.00 -4.90 -3.90 -2.80 -1.50 -0.97 -0.76 -0.51 -0.15  0.00  0.11  0.19  0.34  0.35  0.36  0.33
m3v     3400 -5.00 -4.90 -4.00 -2.90 -1.60 -1.00 -0.77 -0.58 -0.19  0.00  0.07  0.24  0.48  0.53  0.56  0.54
m4v     3200 -5.00 -4.90 -4.00 -3.00 -1.70 -1.20 -0.89 -0.68 -0.20  0.00  0.04  0.31  0.61  0.67  0.75  0.72
m5v     3000 -5.00 -4.90 -4.00 -3.00 -1.60 -1.20 -0.92 -0.73 -0.22  0.00  0.08  0.36  0.73  0.86  0.92  0.96
m6v     2800 -5.00 -4.90 -4.00 -3.00 -1.60 -1.20 -0.96 -0.88 -0.25  0.00  0.08  0.45  0.92  1.14  1.28  1.33
k0iii   4900 -5.00 -4.50 -3.20 -1.90 -0.87 -0.66 -0.52 -0.23 -0.02  0.00  0.01 -0.02 -0.06 -0.13 -0.20 -0.27
k2iii   4500 -5.00 -4.60 -3.50 -2.40 -1.10 -0.84 -0.62 -0.31 -0.05  0.00  0.03  0.02  0.00 -0.06 -0.13 -0.17
m0iii   3850 -5.00 -4.90 -3.80 -2.80 -1.50 -1.20 -0.95 -0.52 -0.12  0.00  0.08  0.14  0.20  0.19  0.16  0.14
"""

SEQUENCE = {
    row[0]: (float(row[1]), tuple(map(float, row[2:])))
    for row in map(str.split, _SEQUENCE_TABLE.strip().splitlines())
}
"""Spectral type: Teff in kelvin and log10 of mean f_lambda around `ANCHORS`, over that at 5400 Angstrom.

Averages computed from the Pickles library (below 2500 Angstrom rounded and, for the O star and cool
stars, extrapolated by eye: no band sees that part of a star)."""

BALMER = (6564.6, 4862.7, 4341.7, 4102.9, 3971.2, 3890.2, 3836.5, 3798.9, 3771.7)
"""Vacuum wavelengths of H alpha to H 11 in Angstrom."""

METAL_LINES = (
    # centre and width (Gaussian sigma) in Angstrom; depth in dex at the strongest; Teff of half strength
    (3934.8, 11.0, 0.38, 6800),
    (3969.6, 11.0, 0.32, 6800),
    (4227.9, 9.0, 0.30, 4300),
    (4305.6, 14.0, 0.13, 6000),
    (5176.0, 22.0, 0.10, 5000),
    (5120.0, 75.0, 0.13, 4900),
    (5269.0, 12.0, 0.06, 5200),
    (5892.9, 9.0, 0.22, 4300),
    (8500.4, 6.0, 0.06, 7000),
    (8544.4, 7.0, 0.12, 7000),
    (8664.5, 7.0, 0.10, 7000),
)

BANDS = (
    # bandhead and length of the tail in Angstrom, depth in dex at 2800 K: TiO, and CaH at 6385 and 6750
    (4762.0, 130.0, 0.22),
    (4956.0, 130.0, 0.25),
    (5169.0, 160.0, 0.28),
    (5448.0, 130.0, 0.18),
    (5862.0, 200.0, 0.25),
    (6160.0, 200.0, 0.28),
    (6385.0, 60.0, 0.12),
    (6653.0, 180.0, 0.25),
    (6750.0, 90.0, 0.12),
    (7055.0, 200.0, 0.38),
    (7591.0, 150.0, 0.25),
    (8434.0, 120.0, 0.14),
    (8861.0, 150.0, 0.13),
)

TYPES = {
    # Teff range in kelvin, share of all stars. No public mix for this field was found: assumed here.
    "hot": ((10000.0, 39000.0), 0.01),
    "A": ((7400.0, 10000.0), 0.03),
    "F": ((6000.0, 7400.0), 0.19),
    "G": ((5300.0, 6000.0), 0.20),
    "K": ((3900.0, 5300.0), 0.22),
    "M": ((2800.0, 3900.0), 0.30),
    "white dwarf": ((6000.0, 40000.0), 0.05),
}

METALLICITY = {"F": -0.8, "G": -0.5}
"""Mean [M/H] in dex of the types whose faint members are halo and thick-disc stars; others -0.3: assumed."""

METALLICITY_SCATTER = 0.5
"""Standard deviation of [M/H] in dex: assumed."""


@dataclass(frozen=True, eq=False)
class StarParameters:
    """One array (n,) each: type as an index into `TYPES`, Teff [K], metallicity [dex], E(B-V) [mag]."""

    kind: np.ndarray
    temperature: np.ndarray
    metallicity: np.ndarray
    colour_excess: np.ndarray

    def __getitem__(self, rows: slice) -> StarParameters:
        return StarParameters(
            self.kind[rows], self.temperature[rows], self.metallicity[rows], self.colour_excess[rows]
        )


def draw_stars(n_stars: int, rng: np.random.Generator) -> StarParameters:
    """Draw types by their share in `TYPES`, and Teff uniform in its logarithm within the type."""
    shares = np.array([share for _, share in TYPES.values()])
    kind = rng.choice(len(shares), size=n_stars, p=shares / shares.sum())
    limits = np.log(np.array([limit for limit, _ in TYPES.values()]))[kind]
    temperature = np.exp(rng.uniform(limits[:, 0], limits[:, 1]))
    mean = np.array([METALLICITY.get(name, -0.3) for name in TYPES])[kind]
    metallicity = np.clip(rng.normal(mean, METALLICITY_SCATTER), -2.0, 0.5)
    return StarParameters(kind, temperature, metallicity, rng.exponential(0.015, n_stars))


def star_spectra(parameters: StarParameters, rng: np.random.Generator) -> np.ndarray:
    """Return spectra (n, 1601) float32, f_lambda in any unit, on `observed_wavelength`."""
    dwarf = parameters.kind == list(TYPES).index("white dwarf")
    log_grid, flux_grid, metal_grid = _main_sequence()
    position = np.interp(np.log(parameters.temperature), log_grid, np.arange(log_grid.size))
    lower = np.minimum(position.astype(np.int64), log_grid.size - 2)
    fraction = (position - lower)[:, None].astype(np.float32)
    logarithm = (1 - fraction) * flux_grid[lower] + fraction * flux_grid[lower + 1]
    metal = (1 - fraction) * metal_grid[lower] + fraction * metal_grid[lower + 1]
    logarithm += parameters.metallicity[:, None].astype(np.float32) * metal
    if dwarf.any():
        logarithm[dwarf] = _white_dwarfs(parameters.temperature[dwarf], rng)
    # Milky Way dust: A = 3.1 E(B-V) (5500 / lambda)^1.3, close enough for such small excesses
    extinction = (-0.4 * 3.1 * (observed_wavelength() / 5500.0) ** -1.3).astype(np.float32)
    logarithm += parameters.colour_excess[:, None].astype(np.float32) * extinction
    return np.exp(np.float32(np.log(10)) * logarithm)


def sequence_spectrum(spectral_type: str, wavelength: np.ndarray) -> np.ndarray:
    """Return one star of `SEQUENCE` as f_lambda (pixels,), 1 on average around 5400 Angstrom."""
    temperature, averages = SEQUENCE[spectral_type]
    return 10.0 ** _log_flux(wavelength, temperature, np.array(averages))


def _log_flux(wavelength: np.ndarray, temperature: float, averages: np.ndarray) -> np.ndarray:
    """Continuum through the averages, plus features from which their own averages are taken out."""
    anchors = np.array(ANCHORS, dtype=np.float64)
    fine = np.exp(np.linspace(np.log(0.96), np.log(1.04), 41))[None, :] * anchors[:, None]
    feature_means = np.log10((10.0 ** _features(fine, temperature)).mean(axis=1))
    continuum = np.interp(np.log(wavelength), np.log(anchors), averages - feature_means)
    return continuum + _features(wavelength, temperature)


def _features(wavelength: np.ndarray, temperature: float) -> np.ndarray:
    return _hydrogen(wavelength, temperature) + _metals(wavelength, temperature)


def _hydrogen(wavelength: np.ndarray, temperature: float) -> np.ndarray:
    """Balmer lines and jump in dex, strongest near 9500 K."""
    strength = np.exp(-0.5 * (np.log(temperature / 9500.0) / (0.28 if temperature < 9500 else 0.55)) ** 2)
    result = np.zeros_like(wavelength)
    for order, centre in enumerate(BALMER):
        width, depth = 14.0 - 0.7 * order, 0.30 - 0.012 * order
        result -= strength * depth / (1 + ((wavelength - centre) / width) ** 2)
    return result - 0.40 * strength / (1 + np.exp((wavelength - 3720.0) / 20.0))


def _metals(wavelength: np.ndarray, temperature: float) -> np.ndarray:
    """Metal lines, the 4000 Angstrom break and molecular bands in dex."""
    result = np.zeros_like(wavelength)
    for centre, sigma, depth, half in METAL_LINES:
        strength = 1 / (1 + (temperature / half) ** 8)
        result -= depth * strength * np.exp(-0.5 * ((wavelength - centre) / sigma) ** 2)
    blanketing = 1 / (1 + (temperature / 5600.0) ** 10)
    result -= 0.16 * blanketing / (1 + np.exp((wavelength - 3990.0) / 12.0))
    coolness = np.clip((4000.0 - temperature) / 1000.0, 0.0, 1.2)
    for head, tail, depth in BANDS:
        beyond = np.clip(wavelength - head, 0.0, None)
        result -= depth * coolness * np.where(wavelength > head, np.exp(-((beyond / tail) ** 2)), 0.0)
    return result


@lru_cache(maxsize=1)
def _main_sequence() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes in log Teff (k,), log10 flux (k, 1601), and its derivative by metallicity, hottest last."""
    wavelength = observed_wavelength()
    dwarfs = sorted(entry for name, entry in SEQUENCE.items() if not name.endswith("iii"))
    known = np.log([temperature for temperature, _ in dwarfs])
    table = np.array([averages for _, averages in dwarfs])
    nodes = np.linspace(known[0], known[-1], 80)
    flux, metal = [], []
    for node in nodes:
        averages = np.array([np.interp(node, known, column) for column in table.T])
        temperature = float(np.exp(node))
        flux.append(_log_flux(wavelength, temperature, averages))
        cool = 1 / (1 + (temperature / 6900.0) ** 10)
        blue = np.clip((4700.0 - wavelength) / 1000.0, 0.0, 1.3)
        metal.append(0.30 * _metals(wavelength, temperature) - 0.08 * cool * blue)
    return nodes, np.array(flux, dtype=np.float32), np.array(metal, dtype=np.float32)


def _white_dwarfs(temperature: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """log10 flux of white dwarfs: 75 % DA (Balmer lines), 12 % DB (helium, hot ones), the rest DC."""
    wavelength = observed_wavelength()[None, :]
    teff = temperature[:, None]
    blackbody = wavelength**-5.0 / np.expm1(1.438777e8 / (wavelength * teff))
    kind = rng.uniform(size=temperature.size)
    hydrogen = (kind < 0.75)[:, None] * np.exp(-0.5 * (np.log(teff / 12500.0) / 0.45) ** 2)
    helium = ((kind >= 0.75) & (kind < 0.87) & (temperature > 12000))[:, None]
    optical = np.zeros_like(blackbody)
    for order, centre in enumerate(BALMER[:6]):
        width = 45.0 - 4.0 * order
        optical -= hydrogen * (0.28 - 0.03 * order) / (1 + ((wavelength - centre) / width) ** 2)
    optical -= 0.10 * hydrogen / (1 + np.exp((wavelength - 3750.0) / 60.0))
    for centre, depth in ((4472.7, 0.20), (3889.7, 0.12), (4027.3, 0.15), (4923.3, 0.10), (5877.2, 0.12)):
        optical -= helium * depth / (1 + ((wavelength - centre) / 30.0) ** 2)
    reference = blackbody[:, [480]]
    return (np.log10(blackbody / reference) + optical).astype(np.float32)
