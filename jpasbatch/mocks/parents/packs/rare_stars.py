"""Parents of stars that are rare and odd, by published positions of bands and lines: they need no pack.

Continua are black bodies; what lies on them is drawn once with a fixed seed, since these parents have permanent names.
Bands are as wide as what a filter of 145 Angstrom sees of them; strengths are assumed within what spectra show.

==================== ======================================================= =======================================
kind                 what it shows                                           positions
==================== ======================================================= =======================================
carbon star          C2 (Swan), CN, Na D; its blue light absorbed            Barnbaum et al. 1996, ApJS 105, 419
M giant              TiO as M dwarfs have it and deeper, VO                  Kirkpatrick et al. 1991, ApJS 77, 417
metal white dwarf    Ca II, Ca I, Mg I, Na I broad (DZ); C2 (DQ)             Sion et al. 1983, ApJ 269, 253
cataclysmic variable hydrogen and helium in emission, a cool companion       Szkody et al. 2002, AJ 123, 430
Wolf-Rayet star      He II, N III-V (WN); C III-IV (WC), 1000 to 3000 km/s   Smith et al. 1996, MNRAS 281, 163
==================== ======================================================= =======================================
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jpasbatch.mocks.parents.analytic.stars import BALMER, BANDS
from jpasbatch.mocks.parents.parents import Parents, from_spectra, join
from jpasbatch.mocks.spectra.grids import LAST_WAVELENGTH, SPEED_OF_LIGHT_KMS, rest_grid

SWAN = ((4382.0, 0.45), (4737.0, 0.8), (5165.0, 1.0), (5636.0, 0.85), (6122.0, 0.35))
"""Heads of the Swan bands of C2 in Angstrom, and strengths relative to the strongest. They fade to the blue."""

CYANOGEN = ((4216.0, 0.6), (3883.0, 0.8))
"""Heads of the violet bands of CN, which fade to the blue too."""

CYANOGEN_RED = (
    (6926.0, 0.35),
    (7088.0, 0.4),
    (7259.0, 0.4),
    (7876.0, 0.6),
    (8067.0, 0.6),
    (9140.0, 1.0),
    (9393.0, 0.8),
)
"""Heads of the red bands of CN, which fade to the red."""

VANADIUM = ((7334.0, 0.5), (7851.0, 0.8), (9436.0, 1.0))
"""Heads of VO, as TiO fading to the red."""

METALS = (
    (3934.8, 1.0),
    (3969.6, 1.0),
    (4227.9, 0.5),
    (3835.0, 0.5),
    (5175.0, 0.4),
    (5893.0, 0.25),
    (8544.0, 0.2),
)
"""Ca II, Ca II, Ca I, Mg I, Mg I, Na I, Ca II in the spectra of DZ stars, vacuum Angstrom and relative depth."""

NITROGEN_SEQUENCE = (
    (4687.0, 1.0),
    (4640.0, 0.5),
    (4059.0, 0.25),
    (5413.0, 0.3),
    (6562.0, 0.6),
    (7115.0, 0.3),
    (4861.0, 0.3),
)
CARBON_SEQUENCE = (
    (4650.0, 1.0),
    (5808.0, 0.9),
    (5696.0, 0.5),
    (4687.0, 0.3),
    (6742.0, 0.2),
    (7063.0, 0.25),
    (7726.0, 0.2),
)
"""Lines of Wolf-Rayet stars, and equivalent widths relative to the strongest: He II 4686, N III 4640, N IV 4058, He II,
He II with H, N IV 7115; and C III/IV 4650, C IV 5808, C III 5696, C III 6742, C IV 7063, C IV 7726."""

HELIUM = ((4472.7, 0.12), (4687.0, 0.3), (5877.2, 0.2), (6680.0, 0.12), (7067.0, 0.1))
"""Lines of He I and II relative to H alpha, in cataclysmic variables."""

BALMER_DECREMENT = (1.0, 0.75, 0.5, 0.35, 0.25, 0.2)
"""Equivalent widths of H alpha to H 8 relative to H alpha, of optically thick discs: flatter than case B."""

NUMBERS = {
    "carbon star": 120,
    "M giant": 120,
    "metal white dwarf": 200,
    "cataclysmic variable": 160,
    "Wolf-Rayet star": 80,
}

PREFIXES = {
    "carbon star": "carbon-model",
    "M giant": "m-giant-model",
    "metal white dwarf": "wd-metal-model",
    "cataclysmic variable": "cv-model",
    "Wolf-Rayet star": "wolf-rayet-model",
}


def rare_star_parents() -> Parents:
    """Return the parents of all kinds of `NUMBERS`, 1 on average from 5000 to 6000 Angstrom."""
    makers: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "carbon star": carbon_star,
        "M giant": m_giant,
        "metal white dwarf": metal_white_dwarf,
        "cataclysmic variable": cataclysmic_variable,
        "Wolf-Rayet star": wolf_rayet_star,
    }
    return join([_parents(kind, make) for kind, make in makers.items()])


def _parents(kind: str, make: Callable[[np.random.Generator], np.ndarray]) -> Parents:
    number = NUMBERS[kind]
    seed = 200 + sorted(NUMBERS).index(kind)
    curves = np.array([make(np.random.default_rng((seed, row))) for row in range(number)])
    window = (rest_grid() > 5000) & (rest_grid() < 6000)
    curves /= curves[:, window].mean(axis=1, keepdims=True)
    names = np.array([f"{PREFIXES[kind]}-{row:05d}" for row in range(number)])
    coverage = np.tile([rest_grid()[0], LAST_WAVELENGTH], (number, 1))
    return from_spectra(curves, names, kind, coverage)


def carbon_star(drawn: np.random.Generator) -> np.ndarray:
    """Return f_lambda (3910,) of a carbon star of 2700 to 4800 K, any unit."""
    flux = black_body(np.exp(drawn.uniform(np.log(2700), np.log(4800))))
    swan, cyanogen = drawn.uniform(0.4, 2.0), drawn.uniform(0.2, 1.2)
    flux *= band_heads(SWAN, swan * drawn.uniform(0.8, 1.2, len(SWAN)), -180.0)
    flux *= band_heads(CYANOGEN, cyanogen * np.ones(len(CYANOGEN)), -180.0)
    flux *= band_heads(CYANOGEN_RED, 0.5 * cyanogen * np.ones(len(CYANOGEN_RED)), 150.0)
    flux *= absorbed_gaussians(((5893.0, 1.0),), drawn.uniform(0.0, 0.5), 12.0)
    # absorption that is not resolved dims what is bluer than 4400 Angstrom
    return flux * np.exp(-drawn.uniform(0.0, 1.5) / (1 + np.exp((rest_grid() - 4400.0) / 120.0)))


def m_giant(drawn: np.random.Generator) -> np.ndarray:
    """Return f_lambda (3910,) of an M giant of 2600 to 3900 K, any unit: the cooler, the deeper its bands."""
    temperature = drawn.uniform(2600, 3900)
    depth = np.clip((4000.0 - temperature) / 1000.0, 0.1, 1.4) * drawn.uniform(0.8, 1.6)
    flux = black_body(temperature)
    for head, tail, strongest in BANDS:
        scatter = drawn.uniform(0.8, 1.2)
        flux *= band_heads(((head, 1.0),), np.array([np.log(10) * strongest * depth * scatter]), tail)
    flux *= band_heads(VANADIUM, np.full(len(VANADIUM), 0.7 * max(depth - 1.0, 0.0)), 150.0)
    return flux * absorbed_gaussians(((4227.9, 1.0),), drawn.uniform(0.2, 0.6), 12.0)


def metal_white_dwarf(drawn: np.random.Generator) -> np.ndarray:
    """Return f_lambda (3910,) of a cool white dwarf with metals (DZ), carbon (DQ), or weak hydrogen (DA), any unit.

    In numbers 5 to 3 to 4, about those of Kleinman et al. 2013 (ApJS 204, 5) for the first two.
    """
    flux = black_body(np.exp(drawn.uniform(np.log(4500), np.log(11_000))))
    kind = drawn.uniform()
    if kind < 5 / 12:
        depth = drawn.uniform(0.3, 1.0) * drawn.uniform(0.6, 1.4, len(METALS))
        lines = tuple((centre, part * own) for (centre, part), own in zip(METALS, depth, strict=True))
        return flux * absorbed_gaussians(lines, 1.0, drawn.uniform(10.0, 60.0))
    if kind < 8 / 12:
        return flux * band_heads(
            SWAN, drawn.uniform(0.1, 1.0) * np.ones(len(SWAN)), -drawn.uniform(150.0, 300.0)
        )
    lines = tuple((centre, 1 - 0.08 * order) for order, centre in enumerate(BALMER[:6]))
    return flux * absorbed_gaussians(lines, drawn.uniform(0.05, 0.5), drawn.uniform(10.0, 30.0))


def cataclysmic_variable(drawn: np.random.Generator) -> np.ndarray:
    """Return f_lambda (3910,) of a disc with emission lines and a companion of type M, any unit."""
    grid = rest_grid()
    flux = (grid / 5500.0) ** drawn.uniform(-2.8, -0.5)
    width = np.exp(drawn.normal(np.log(45.0), 0.7))
    lines = list(zip(BALMER[:6], BALMER_DECREMENT, strict=True))
    lines += [(centre, part * drawn.uniform(0.3, 2.5)) for centre, part in HELIUM]
    flux = flux * (1 + emission_lines(lines, width, drawn.uniform(400.0, 1500.0)))
    companion = m_giant(drawn)
    at = int(np.argmin(np.abs(grid - 7500.0)))
    return flux + np.maximum(drawn.normal(0.0, 0.5), 0.0) * flux[at] / companion[at] * companion


def wolf_rayet_star(drawn: np.random.Generator) -> np.ndarray:
    """Return f_lambda (3910,) of a Wolf-Rayet star behind dust of E(B-V) up to 1, any unit."""
    grid = rest_grid()
    sequence = NITROGEN_SEQUENCE if drawn.uniform() < 0.5 else CARBON_SEQUENCE
    strongest = np.exp(
        drawn.uniform(np.log(30.0), np.log(300.0 if sequence is NITROGEN_SEQUENCE else 1000.0))
    )
    lines = [(centre, part * drawn.uniform(0.4, 1.6)) for centre, part in sequence]
    flux = black_body(drawn.uniform(30_000, 90_000))
    flux *= 1 + emission_lines(lines, strongest, drawn.uniform(400.0, 1300.0))
    # A = 3.1 E(B-V) (5500 / lambda)^1.3; a star that is that far behind dust is not seen blueward of 2500 Angstrom
    return flux * 10 ** (-0.4 * 3.1 * drawn.uniform(0.0, 1.0) * (np.maximum(grid, 2500.0) / 5500.0) ** -1.3)


def black_body(temperature: float) -> np.ndarray:
    """Return Planck's f_lambda (3910,) on the rest grid, 1 at its largest; kelvin."""
    logarithm = -5 * np.log(rest_grid()) - np.log(np.expm1(1.438777e8 / (rest_grid() * temperature)))
    return np.exp(logarithm - logarithm.max())


def band_heads(heads: tuple[tuple[float, float], ...], depth: np.ndarray, tail: float) -> np.ndarray:
    """Return the transmission (3910,) of molecular bands: exp(-depth) at each head, fading over a tail.

    Parameters
    ----------
    heads : tuple of (float, float)
        Wavelength in Angstrom, and strength that multiplies the depth.
    depth : ndarray, shape (heads,)
        Optical depth at a head of strength 1; not negative.
    tail : float
        Angstrom over which it falls to a tenth, as a Gaussian; towards the blue if negative.
    """
    optical_depth = np.zeros(rest_grid().size)
    for (head, strength), own in zip(heads, depth, strict=True):
        beyond = (rest_grid() - head) * np.sign(tail)
        shape = np.where(beyond >= 0, np.exp(-np.log(10) * (beyond / abs(tail)) ** 2), 0.0)
        optical_depth += own * strength * shape
    return np.exp(-optical_depth)


def absorbed_gaussians(lines: tuple[tuple[float, float], ...], depth: float, sigma: float) -> np.ndarray:
    """Return the transmission (3910,) of lines with optical depths `depth` times their strength; sigma in Angstrom."""
    optical_depth = sum(
        strength * np.exp(-0.5 * ((rest_grid() - centre) / sigma) ** 2) for centre, strength in lines
    )
    return np.exp(-depth * np.asarray(optical_depth))


def emission_lines(lines: list[tuple[float, float]], width: float, velocity: float) -> np.ndarray:
    """Return lines (3910,) relative to a continuum of 1.

    Parameters
    ----------
    lines : list of (float, float)
        Wavelength in Angstrom, and equivalent width in units of `width`.
    width : float
        Equivalent width of a line of strength 1, Angstrom.
    velocity : float
        Standard deviation, km/s; at least that of a pixel.
    """
    total = np.zeros(rest_grid().size)
    for centre, part in lines:
        sigma = max(velocity, 240.0) / SPEED_OF_LIGHT_KMS * centre
        shape = np.exp(-0.5 * ((rest_grid() - centre) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
        total += part * width * shape
    return total
