"""Galaxy parents: real galaxies as sums of templates, and the templates of DESI at higher redshift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jpasbatch.mocks.packs.galaxies import (
    AtlasSpectrum,
    EmissionLineGalaxies,
    KcorrectGalaxies,
    LuminousRedGalaxies,
)
from jpasbatch.mocks.parents.parents import HELD_OUT, Parents, from_basis, from_spectra
from jpasbatch.mocks.spectra.grids import resample, rest_grid, smooth

KCORRECT_TEMPLATES = 5

OLD_PARENTS = 300
"""Red parents that old light is the mean of."""

ERROR_FLOOR = 0.03
"""Relative, added in quadrature to the published errors: the templates are no better."""

RED_LIMIT = 0.65
"""Rest-frame g - r (f_nu at 4700 and 6200 Angstrom) that parts the two colours of the luminosity functions."""

SDSS_BANDS = ("u", "g", "r", "i", "z")


def kcorrect_parents(galaxies: KcorrectGalaxies) -> Parents:
    """Return real galaxies, each the non-negative sum of templates that fits its five SDSS magnitudes best.

    Left out: galaxies without positive fluxes in all bands, and fits that miss the magnitudes by more than
    0.3 mag in g, r or i.

    Returns
    -------
    Parents
        Kinds "red" and "blue".
    """
    from scipy.optimize import nnls

    curves = resample(galaxies.wavelength, galaxies.templates)
    grid = rest_grid()
    window = (grid > 5000) & (grid < 6000)
    scale = curves[:, window].mean(axis=1, keepdims=True)
    curves = curves / scale
    table, redshifts = _template_maggies(galaxies, scale[:, 0])
    usable = (galaxies.maggies > 0).all(axis=1) & (galaxies.maggies_ivar > 0).all(axis=1)
    usable &= (galaxies.redshift > 0) & (galaxies.redshift < redshifts[-1])
    rows = np.flatnonzero(usable)
    weights = np.zeros((rows.size, len(curves)))
    misfit = np.zeros((rows.size, len(SDSS_BANDS)))
    for number, row in enumerate(rows):
        place = galaxies.redshift[row] / (redshifts[1] - redshifts[0])
        low = int(place)
        matrix = table[low] + (place - low) * (table[low + 1] - table[low])
        maggies = galaxies.maggies[row]
        error = np.sqrt(1 / galaxies.maggies_ivar[row] + (ERROR_FLOOR * maggies) ** 2)
        weights[number], _ = nnls((matrix / error).T, maggies / error)
        misfit[number] = -2.5 * np.log10(np.maximum(weights[number] @ matrix, 1e-30) / maggies)
    good = (np.abs(misfit[:, 1:4]) < 0.3).all(axis=1) & (weights.sum(axis=1) > 0)
    weights = weights[good] / weights[good].sum(axis=1, keepdims=True)
    kinds = np.where(_rest_colour(curves, weights) > RED_LIMIT, "red", "blue")
    covered = (float(grid[0]), float(grid[-1]))
    return from_basis(
        curves, weights, galaxies.name[rows[good]], kinds, covered, galaxies.redshift[rows[good]]
    )


def _template_maggies(galaxies: KcorrectGalaxies, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maggies (redshifts, templates, 5) of the scaled templates, and the redshifts from 0 in steps of 0.005."""
    import astropy.units as units
    from speclite.filters import load_filters

    filters = load_filters(*(f"sdss2010-{band}" for band in SDSS_BANDS))
    redshifts = np.arange(0.0, 0.605, 0.005)
    flux = galaxies.templates / scale[:, None] * 1e-17 * units.Unit("erg / (s cm2 Angstrom)")
    table = np.empty((redshifts.size, len(flux), len(SDSS_BANDS)))
    for row, redshift in enumerate(redshifts):
        wavelength = galaxies.wavelength * (1 + redshift) * units.Angstrom
        maggies = filters.get_ab_maggies(flux / (1 + redshift), wavelength)
        table[row] = np.array([maggies[name] for name in maggies.colnames]).T
    return table, redshifts


def _rest_colour(curves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    grid = rest_grid()
    means = []
    for centre in (4700.0, 6200.0):
        inside = np.abs(grid / centre - 1) < 0.1
        means.append((weights @ curves[:, inside]).mean(axis=1) * centre**2)
    return -2.5 * np.log10(means[0] / means[1])


def youngest_light(parents: Parents) -> np.ndarray:
    """Return the bluest component (3910,) float32 of the parents of kinds "red" and "blue": young stars, with lines."""
    rows = np.flatnonzero(np.isin(parents.kind, ("red", "blue")))[:1]
    if not rows.size:
        return np.zeros(rest_grid().size, dtype=np.float32)
    components = slice(parents.first[rows[0]], parents.first[rows[0]] + KCORRECT_TEMPLATES)
    curves = parents.curves[components]
    return curves[int(np.argmin(_rest_colour(curves, np.eye(len(curves)))))]


def old_light(parents: Parents) -> np.ndarray:
    """Return the mean (3910,) float32 of the parents of kind "red": old stars; zeros if there is none."""
    rows = np.flatnonzero(parents.kind == "red")
    if not rows.size:
        return np.zeros(rest_grid().size, dtype=np.float32)
    return parents.rest(rows[:OLD_PARENTS]).mean(axis=0)


def lrg_parents(galaxies: LuminousRedGalaxies) -> Parents:
    """Return the luminous red galaxies of DESI, kind "LRG"."""
    curves = resample(galaxies.wavelength, galaxies.flux)
    grid = rest_grid()
    curves /= curves[:, (grid > 5000) & (grid < 6000)].mean(axis=1, keepdims=True)
    coverage = np.tile([grid[0], grid[-1]], (len(curves), 1))
    return from_spectra(curves, galaxies.name, "LRG", coverage)


def elg_parents(galaxies: EmissionLineGalaxies) -> Parents:
    """Return the emission-line galaxies of DESI, kind "ELG"; doubled rows of the published table count once."""
    grid = rest_grid()
    curves = resample(galaxies.wavelength, galaxies.vectors)
    last = int(np.flatnonzero(np.abs(curves).max(axis=0) > 0)[-1])
    # the published components end at 10000 Angstrom: their red continuum is flat enough to go on to 11000
    curves[:, last + 1 :] = curves[:, last - 99 : last + 1].mean(axis=1, keepdims=True)
    window = (grid > 4000) & (grid < 6000)
    level = (galaxies.coefficients @ curves[:, window]).mean(axis=1, keepdims=True)
    weights = galaxies.coefficients / level
    _, first = np.unique(weights.astype(np.float32), axis=0, return_index=True)
    keep = np.sort(first)
    flux = weights[keep] @ curves
    seen = (grid > 1300) & (grid < 9900)
    keep = keep[(flux[:, seen] > 0).all(axis=1)]
    covered = (float(galaxies.wavelength[0]), float(grid[-1]))
    return from_basis(curves, weights[keep], galaxies.name[keep], "ELG", covered)


def held_out_galaxies(spectra: Sequence[AtlasSpectrum]) -> Parents:
    """Return observed galaxies as parents of the split that is never learnt from.

    Kinds are their activities. The spectra are taken as they are for rest spectra: their galaxies are near. Short
    gaps between the pieces are bridged; what lies blueward of a gap of more than `LONGEST_GAP` is left out, and
    so are galaxies whose optical spectrum has such a gap, falls to nothing somewhere or ends before `REDDEST`. The
    ultraviolet, which is noisy, is smoothed by 1200 km/s.
    """
    parts = [part for part in map(_held_out_galaxy, spectra) if part is not None]
    curves, names, kinds, coverage = zip(*parts, strict=True)
    parents = from_spectra(np.stack(curves), np.array(names), np.array(kinds), np.array(coverage))
    return replace(parents, split=np.full(len(names), HELD_OUT))


LONGEST_GAP = 300.0
"""Angstrom; two narrow bands."""

OPTICAL, REDDEST = 3300.0, 7000.0
LOWEST_LEVEL = 0.05
"""Of the median, over 90 Angstrom: below, a piece of the spectrum is missing (ngc5128, ngc6166)."""


def _held_out_galaxy(item: AtlasSpectrum) -> tuple[np.ndarray, str, str, tuple[float, float]] | None:
    wavelength, flux = item.wavelength[item.measured], item.flux[item.measured]
    ends = np.flatnonzero(np.diff(wavelength) > LONGEST_GAP)
    first = ends[-1] + 1 if ends.size else 0
    optical = np.interp(item.wavelength, wavelength, flux)[item.wavelength > OPTICAL]
    level = np.convolve(optical, np.ones(60) / 60, "valid").min() / np.median(optical)
    if wavelength[first] > OPTICAL + LONGEST_GAP or wavelength[-1] < REDDEST or level < LOWEST_LEVEL:
        return None
    curve = resample(wavelength[first:], flux[first:])[0]
    curve = np.maximum(np.where(rest_grid() < OPTICAL, smooth(curve, 5.0), curve), 0.0)
    covered = (float(wavelength[first]), float(wavelength[-1]))
    return curve / curve[curve > 0].mean(), f"atlas-{item.name}", item.activity, covered
