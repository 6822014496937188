"""Emission lines of galaxies: strengths, ratios by what ionises the gas, dust between, and lines in spectra.

============  ======================================================================================
ionised by    ratios to H beta
============  ======================================================================================
young stars   DESI's mixture; of near galaxies and bursts [O III] and [N II] by the oxygen abundance
              that goes with their luminosity
Seyfert 2     scattered about `SEYFERT_RATIOS`
LINER         scattered about `LINER_RATIOS`
============  ======================================================================================

Hydrogen is in case B before dust (Osterbrock & Ferland 2006); dust of E(B-V) then dims all lines by the starburst law.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.parents.analytic.spectra import starburst_reddening
from jpasbatch.mocks.spectra.grids import LOG_STEP, OBSERVED_PIXELS, observed_grid
from jpasbatch.photometry.streams import NamedStream, ObjectStreams

HYDROGEN_BETA = 4862.7

LINES = {
    # rest wavelength (vacuum, Angstrom): the ratio that sets it, and its share of that
    3728.5: ("oxygen_low", 1.0),
    3869.9: ("oxygen_high", 0.08),
    4341.7: ("hydrogen", 0.47),
    HYDROGEN_BETA: ("hydrogen", 1.0),
    4960.3: ("oxygen_high", 0.335),
    5008.2: ("oxygen_high", 1.0),
    6549.9: ("nitrogen", 0.34),
    6564.6: ("hydrogen", 2.86),
    6585.3: ("nitrogen", 1.0),
    6718.3: ("sulphur", 0.6),
    6732.7: ("sulphur", 0.4),
}
"""Case B hydrogen (Osterbrock & Ferland 2006); the ratios to H beta are drawn."""

RATIOS = ("oxygen_high", "oxygen_low", "nitrogen", "sulphur")
"""log10 of [O III] 5008, [O II], [N II] 6585, [S II] to H beta: the order of DESI's mixture."""

SEYFERT_RATIOS = ((0.95, 0.25), (0.45, 0.25), (0.50, 0.20), (0.35, 0.20))
"""Mean and scatter of the same, of Seyfert 2 galaxies (where they lie in the diagrams of Kewley et al. 2006,
MNRAS 372, 961): read off, approximate."""

LINER_RATIOS = ((0.30, 0.20), (0.75, 0.20), (0.55, 0.15), (0.50, 0.15))
"""The same of LINERs, from the same diagrams and Ho et al. 1997 (ApJS 112, 315): approximate."""

WIDTH_SCATTER = 0.35
"""dex; of the lines of active nuclei."""

ABUNDANCE_SCATTER = 0.15
"""dex; about 12 + log(O/H) = 6.27 - 0.11 M_B, of dwarfs by the direct method (Berg et al. 2012, ApJ 754, 98)."""

ABUNDANCES = (7.7, 8.6)
"""Lowest and highest 12 + log(O/H): beyond, the ratios change no more (log [N II] / H alpha stays below -0.3 or so)."""

RATIO_SCATTER = 0.1
"""dex; of galaxies about the sequence of star formation, about its width in Kauffmann et al. 2003 (MNRAS 346, 1055)."""


@dataclass(frozen=True, eq=False)
class Emission:
    """What sets the lines of n galaxies.

    Attributes
    ----------
    mixture : (ndarray, ndarray, ndarray)
        Weights (k,), means (k, 4), covariances (k, 4, 4) of `RATIOS`.
    width : ndarray, shape (n,)
        Mean rest equivalent width of H beta in Angstrom, exponential.
    seyfert, liner : ndarray, shape (n,)
        Chance of having the lines of such a nucleus instead; they sum to at most 1.
    seyfert_width, liner_width : float
        Median rest equivalent width of [O III] 5008 in a Seyfert 2, and of [N II] 6585 in a LINER, Angstrom of the
        continuum at H beta.
    abundance_known : ndarray of bool, shape (n,)
        Whose [O III] and [N II] follow from their luminosity.
    absolute : ndarray, shape (n,)
        M_r.
    dust : float
        Mean E(B-V) of the lines in magnitudes, exponential.
    """

    mixture: tuple[np.ndarray, np.ndarray, np.ndarray]
    width: np.ndarray
    seyfert: np.ndarray
    liner: np.ndarray
    seyfert_width: float
    liner_width: float
    abundance_known: np.ndarray
    absolute: np.ndarray
    dust: float


def add_lines(flux: np.ndarray, redshift: np.ndarray, emission: Emission, streams: ObjectStreams) -> None:
    """Add lines to spectra (n, 1626) in place."""
    width, ratios = _drawn_lines(emission, streams)
    dust = streams.named("galaxy line dust").exponential(emission.dust)
    strengths = {name: 10 ** ratios[:, column] for column, name in enumerate(RATIOS)}
    strengths["hydrogen"] = np.ones(len(flux))
    continuum = _level(flux, HYDROGEN_BETA * (1 + redshift))
    through = starburst_reddening(np.array([*LINES, HYDROGEN_BETA]), dust)
    for number, (centre, (ratio, share)) in enumerate(LINES.items()):
        # the equivalent width is that of H beta as seen, behind the dust
        seen = through[:, number] / through[:, -1]
        area = width * continuum * (1 + redshift) * strengths[ratio] * share * seen
        _add_line(flux, centre * (1 + redshift), area)


def _drawn_lines(emission: Emission, streams: ObjectStreams) -> tuple[np.ndarray, np.ndarray]:
    """Return the equivalent width of H beta (n,), Angstrom, and the log ratios (n, 4) to it."""
    drawn = streams.named("galaxy lines")
    width = drawn.exponential(emission.width)
    nucleus = drawn.uniform()
    ratios = _draw_ratios(emission.mixture, drawn)
    by_abundance = star_forming_ratios(emission.absolute, streams.named("galaxy abundance"))
    ratios[:, 0] = np.where(emission.abundance_known, by_abundance[:, 0], ratios[:, 0])
    ratios[:, 2] = np.where(emission.abundance_known, by_abundance[:, 1], ratios[:, 2])
    scatter, spread = drawn.normal(size=(len(width), len(RATIOS))), 10 ** drawn.normal(0.0, WIDTH_SCATTER)
    chances = (emission.seyfert, emission.seyfert + emission.liner)
    nuclei = (
        (nucleus < chances[0], SEYFERT_RATIOS, emission.seyfert_width, 0),
        ((nucleus >= chances[0]) & (nucleus < chances[1]), LINER_RATIOS, emission.liner_width, 2),
    )
    for has, means_and_scatters, median, measured in nuclei:
        means, scatters = np.array(means_and_scatters).T
        own = means + scatters * scatter
        ratios = np.where(has[:, None], own, ratios)
        width = np.where(has, median * spread / 10 ** own[:, measured], width)
    return width, ratios


def star_forming_ratios(absolute: np.ndarray, drawn: NamedStream) -> np.ndarray:
    """Return log [O III] 5008 / H beta and log [N II] 6585 / H beta (n, 2) of galaxies by M_r (n,).

    The oxygen abundance follows from the luminosity, with M_B = M_r + 0.4; the ratios from the abundance by
    12 + log(O/H) = 8.743 + 0.462 log([N II] / H alpha) = 8.533 - 0.214 log([O III] H alpha / [N II] H beta)
    (Marino et al. 2013, A&A 559, A114).
    """
    abundance = 6.27 - 0.11 * (absolute + 0.4) + ABUNDANCE_SCATTER * drawn.normal()
    abundance = np.clip(abundance, *ABUNDANCES)
    nitrogen = (abundance - 8.743) / 0.462 + RATIO_SCATTER * drawn.normal()
    oxygen = (8.533 - abundance) / 0.214 + (abundance - 8.743) / 0.462 + RATIO_SCATTER * drawn.normal()
    # below a fifth of the solar abundance [O III] weakens again: the sequence ends at 0.8
    return np.stack([np.minimum(oxygen, 0.8 + 0.1 * drawn.normal()), nitrogen + np.log10(2.86)], axis=1)


def _draw_ratios(mixture: tuple[np.ndarray, np.ndarray, np.ndarray], drawn: NamedStream) -> np.ndarray:
    """Draw log ratios (n, 4) from a mixture of Gaussians, kept within 4 sigma of [-2, 2] by its own tails."""
    weights, means, covariances = mixture
    component = drawn.choice(weights)
    roots = np.linalg.cholesky(covariances)
    normal = drawn.normal(size=(component.size, means.shape[1]))
    return np.clip(means[component] + np.einsum("nij,nj->ni", roots[component], normal), -2.0, 2.0)


def _level(flux: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Mean flux (n,) within 1 % of an observed wavelength, clipped to the grid."""
    grid = observed_grid()
    centre = np.clip(np.rint(np.log(wavelength / grid[0]) / LOG_STEP).astype(np.int64), 12, grid.size - 13)
    return np.take_along_axis(flux, centre[:, None] + np.arange(-12, 13), axis=1).mean(axis=1)


def _add_line(flux: np.ndarray, centre: np.ndarray, area: np.ndarray) -> None:
    """Add an unresolved line in place: a Gaussian of one pixel (240 km/s), area in flux unit times Angstrom."""
    place = np.log(centre / observed_grid()[0]) / LOG_STEP
    rows = np.flatnonzero((place > 5) & (place < OBSERVED_PIXELS - 6))
    nearest = np.rint(place[rows]).astype(np.int64)
    offsets = np.arange(-4, 5)
    shape = np.exp(-0.5 * (offsets - (place[rows] - nearest)[:, None]) ** 2)
    height = area[rows] / (np.sqrt(2 * np.pi) * LOG_STEP * centre[rows])
    flux[rows[:, None], nearest[:, None] + offsets] += (height[:, None] * shape).astype(np.float32)
