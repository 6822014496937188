"""Galaxies: real ones brought to another redshift, with emission lines of their own; some are Seyferts.

Red and blue galaxies follow the luminosity functions of the two colours (`jpasbatch.mocks.populations.densities`). Red
ones descend from red galaxies of SDSS and, beyond z 0.3, from luminous red galaxies of DESI as well; blue ones
from blue galaxies of SDSS and, where they are faint (M_r > -19) or increasingly from z 0.3 to 0.7, from
emission-line galaxies of DESI. The galaxies of SDSS are luminous; their faint descendants get young light, and some of
the dwarfs are in a burst of star formation, as blue as quasars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.descendants.residuals import add_wiggles
from jpasbatch.mocks.parents.parents import Parents
from jpasbatch.mocks.ranges import check_ranges
from jpasbatch.mocks.spectra.cosmology import distance_modulus
from jpasbatch.mocks.spectra.grids import LOG_STEP, OBSERVED_PIXELS, observed_grid, shifted
from jpasbatch.photometry.streams import ObjectStreams

LINES = {
    # rest wavelength (vacuum, Angstrom): the ratio that sets it, and its share of that
    3728.5: ("oxygen_low", 1.0),
    3869.9: ("oxygen_high", 0.08),
    4341.7: ("hydrogen", 0.47),
    4862.7: ("hydrogen", 1.0),
    4960.3: ("oxygen_high", 0.335),
    5008.2: ("oxygen_high", 1.0),
    6549.9: ("nitrogen", 0.34),
    6564.6: ("hydrogen", 2.86),
    6585.3: ("nitrogen", 1.0),
    6718.3: ("sulphur", 0.6),
    6732.7: ("sulphur", 0.4),
}
"""Case B hydrogen (Osterbrock & Ferland 2006); the ratios to H beta are drawn, as are DESI's."""

RATIOS = ("oxygen_high", "oxygen_low", "nitrogen", "sulphur")
"""log10 of [O III] 5008, [O II], [N II] 6585, [S II] to H beta: the order of DESI's mixture."""

SEYFERT_RATIOS = ((0.95, 0.25), (0.45, 0.25), (0.50, 0.20), (0.35, 0.20))
"""Mean and scatter of the same, of Seyfert 2 galaxies (where they lie in the diagrams of Kewley et al. 2006,
MNRAS 372, 961): read off, approximate."""

DWARF_LIMIT = -19.0
"""M_r; galaxies that are fainter count as dwarfs."""

DWARF_SHARE = 0.3
"""Share of blue galaxies fainter than M_r = -19 that descend from emission-line galaxies at any redshift."""

BURST_LIGHT = (0.8, 4.0)
"""Young light over old at 5500 Angstrom in a burst, uniform in the logarithm: H alpha of about 100 to 230 Angstrom, to
which the young component has 300."""


@dataclass(frozen=True)
class GalaxyVariety:
    """How galaxies vary beyond their parents.

    Parameters
    ----------
    line_width_blue, line_width_red : float
        Mean rest equivalent width of H beta in Angstrom, exponential, on top of the parent's own lines.
    young_light : float
        Mean share of young stars' light at 5500 Angstrom added to blue galaxies of M_r = -17.5 and fainter,
        exponential; less for brighter ones, none from -20 on: the parents are bright and have their own.
    burst_share : float
        Share of the dwarfs among blue galaxies (M_r > -19) in a burst of star formation: those with H alpha wider than
        100 Angstrom, 6 % (Lee et al. 2009, ApJ 692, 1305).
    burst_width : float
        Mean rest equivalent width of H beta of these, instead of `line_width_blue`.
    seyfert_share : float
        Share of galaxies with the lines of a Seyfert 2 nucleus.
    seyfert_width : float
        Median rest equivalent width of [O III] 5008 of these in Angstrom of the continuum at H beta (scatter
        0.35 dex).
    continuum_wiggles : float
        Standard deviation of the continuum's wiggles.
    """

    line_width_blue: float = 5.0
    line_width_red: float = 0.3
    young_light: float = 0.2
    burst_share: float = 0.06
    burst_width: float = 25.0
    seyfert_share: float = 0.04
    seyfert_width: float = 20.0
    continuum_wiggles: float = 0.03

    def __post_init__(self) -> None:
        limits = {
            "line_width_blue": (0, 100.0),
            "line_width_red": (0, 100.0),
            "young_light": (0, 1.0),
            "burst_share": (0, 1.0),
            "burst_width": (0, 100.0),
            "seyfert_share": (0, 1.0),
            "seyfert_width": (0, 500.0),
            "continuum_wiggles": (0, 0.3),
        }
        check_ranges(self, limits)


@dataclass(frozen=True, eq=False)
class GalaxyFamily:
    """What galaxies are made of.

    Attributes
    ----------
    parents : Parents
        Kinds "red", "blue", "LRG", "ELG"; one of red and LRG, and one of blue and ELG, at least.
    mixture : (ndarray, ndarray, ndarray)
        Weights (k,), means (k, 4), covariances (k, 4, 4) of `RATIOS`.
    young : ndarray of float32, shape (3910,)
        Light of young stars, 1 on average from 5000 to 6000 Angstrom; as that of the parents.
    variety : GalaxyVariety
    """

    parents: Parents
    mixture: tuple[np.ndarray, np.ndarray, np.ndarray]
    young: np.ndarray
    variety: GalaxyVariety


def absolute_magnitude(magnitude: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return M_r (n,) without a K correction, good enough to tell dwarfs from giants."""
    return magnitude - distance_modulus(redshift)


def choose_galaxies(
    parents: Parents,
    split: str,
    red: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Return the parent (n,) of each galaxy, of its colour (red: True) and fit for its place."""
    redshift = magnitude_and_redshift[1]
    drawn = streams.named("galaxy parent")
    distant, pick = drawn.uniform(), drawn.uniform()
    dwarf = absolute_magnitude(*magnitude_and_redshift) > DWARF_LIMIT
    blue_share = np.maximum(0.5 * np.clip((redshift - 0.3) / 0.4, 0, 1), DWARF_SHARE * dwarf)
    share = np.where(red, np.where(redshift > 0.3, 0.5, 0.0), blue_share)
    chosen = np.empty(red.size, dtype=np.int64)
    for colour, far_kind, near_kind in ((True, "LRG", "red"), (False, "ELG", "blue")):
        pools = [parents.of_kind(split, near_kind), parents.of_kind(split, far_kind)]
        if not any(pool.size for pool in pools):
            pools = [parents.rows_of_split[split]] * 2
        for far in (False, True):
            rows = np.flatnonzero((red == colour) & ((distant < share) == far))
            pool = pools[int(far)] if pools[int(far)].size else pools[int(not far)]
            chosen[rows] = pool[np.minimum((pick[rows] * pool.size).astype(np.int64), pool.size - 1)]
    return chosen


def galaxy_spectra(
    family: GalaxyFamily,
    chosen: np.ndarray,
    magnitude_and_redshift: tuple[np.ndarray, np.ndarray],
    streams: ObjectStreams,
) -> np.ndarray:
    """Return spectra (n, 1626) float32 of galaxies, f_lambda in any unit, on `observed_grid`."""
    magnitude, redshift = magnitude_and_redshift
    kind = family.parents.kind[chosen]
    flux = family.parents.observed(chosen, redshift)
    absolute = absolute_magnitude(magnitude, redshift)
    young = streams.named("galaxy young light").exponential()
    faint = np.clip((absolute + 20.0) / 2.5, 0.0, 1.0)
    share = np.minimum(family.variety.young_light * faint * young, 2.0)
    burst = streams.named("galaxy burst")
    bursting = (burst.uniform() < family.variety.burst_share) & (absolute > DWARF_LIMIT) & (kind == "blue")
    low, high = np.log(BURST_LIGHT)
    share = np.where(bursting, np.exp(low + (high - low) * burst.uniform()), share * (kind == "blue"))
    flux += share.astype(np.float32)[:, None] * shifted(family.young, redshift)
    flux = np.maximum(flux, np.float32(1e-5) * flux.mean(axis=1, keepdims=True))
    add_wiggles(flux, family.variety.continuum_wiggles, streams.named("galaxy continuum"))
    variety = family.variety
    width = np.where(np.isin(kind, ("red", "LRG")), variety.line_width_red, variety.line_width_blue)
    _add_lines(flux, redshift, np.where(bursting, variety.burst_width, width), family, streams)
    return flux


def _add_lines(
    flux: np.ndarray,
    redshift: np.ndarray,
    mean_width: np.ndarray,
    family: GalaxyFamily,
    streams: ObjectStreams,
) -> None:
    """Add lines in place; `mean_width` (n,) is that of H beta, rest equivalent width in Angstrom."""
    variety = family.variety
    drawn = streams.named("galaxy lines")
    width = drawn.exponential(mean_width)
    active = drawn.uniform() < variety.seyfert_share
    ratios = _draw_ratios(family.mixture, drawn)
    means, scatters = np.array(SEYFERT_RATIOS).T
    seyfert = means + scatters * drawn.normal(size=(len(flux), len(RATIOS)))
    ratios = np.where(active[:, None], seyfert, ratios)
    oxygen = variety.seyfert_width * 10 ** drawn.normal(0.0, 0.35)
    width = np.where(active, oxygen / 10 ** seyfert[:, 0], width)
    strengths = {name: 10 ** ratios[:, column] for column, name in enumerate(RATIOS)}
    strengths["hydrogen"] = np.ones(len(flux))
    continuum = _level(flux, 4862.7 * (1 + redshift))
    for centre, (ratio, share) in LINES.items():
        area = width * continuum * (1 + redshift) * strengths[ratio] * share
        _add_line(flux, centre * (1 + redshift), area)


def _draw_ratios(mixture: tuple[np.ndarray, np.ndarray, np.ndarray], drawn) -> np.ndarray:
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
