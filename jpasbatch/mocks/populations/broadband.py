"""How many of what: luminosity functions, redshifts and magnitudes of what a selection lets in.

===========  ==============================================================================================
galaxies     luminosity function at 2.2 micrometres up to redshift 4 (Cirasuolo et al. 2010, MNRAS 401, 1166);
             the quiescent share falls with redshift and rises with luminosity (assumed, after Ilbert et al. 2013,
             A&A 556, A55); star formation along the main sequence, rising as (1+z)^2.4 to z = 2.5 with a scatter of
             0.3 dex (massive galaxies, in round numbers: Speagle et al. 2014, ApJS 214, 15; Ilbert et al. 2015,
             A&A 579, A2)
nuclei       luminosity function at 5 micrometres up to redshift 4 (Lacy et al. 2015, ApJ 802, 102: all types); the
             share of type 1 rises with luminosity (assumed, after Lacy et al. 2015 and Merloni et al. 2014, MNRAS
             437, 3550); hosts are no brighter than galaxies are, and form stars as these do, within 0.5 dex
===========  ==============================================================================================

Parameters are quoted from these papers and were not compared with their printed tables. The density of each parent
over redshift and magnitude in the selecting band follows; objects are drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.mocks.options.broadband import Selection
from jpasbatch.mocks.parents.broadband.parents import ACTIVITY_LIMITS, QUIESCENT_SHARE, TYPE1_SHARE, Parents
from jpasbatch.mocks.spectra.cosmology import CENTIMETRES_PER_MEGAPARSEC, comoving_distance
from jpasbatch.mocks.spectra.distributions import HIGHEST_REDSHIFT, flux_in_band
from jpasbatch.photometry.photometry import MICROJANSKY, flux_from_ab_magnitude
from jpasbatch.photometry.streams import NamedStream

REDSHIFT_EDGES = np.expm1(np.linspace(np.log1p(0.01), np.log1p(HIGHEST_REDSHIFT), 121))
REDSHIFTS = np.expm1(0.5 * (np.log1p(REDSHIFT_EDGES[:-1]) + np.log1p(REDSHIFT_EDGES[1:])))
MAGNITUDE_STEP = 0.1
MAGNITUDE_OF_UNIT = -2.5 * np.log10(1 / (4 * np.pi * (1e-5 * CENTIMETRES_PER_MEGAPARSEC) ** 2)) - 48.6
"""Absolute AB magnitude of 1 erg/s/Hz."""

FIVE_MICROMETRES = 5.9958e13
"""Hertz."""


@dataclass(frozen=True, eq=False)
class Population:
    """Parents of one class with the density of what a selection lets in.

    Attributes
    ----------
    parents : Parents
    selection : Selection
    flux : ndarray, shape (parents, redshifts)
        In the selecting band, microjansky for each erg/s/Hz of a parent's unit.
    cumulative : ndarray, shape (parents,)
        Objects of the parents up to each.
    by_redshift : ndarray, shape (parents, redshifts)
        Objects of a parent up to each redshift.
    """

    parents: Parents
    selection: Selection
    flux: np.ndarray
    cumulative: np.ndarray
    by_redshift: np.ndarray


@dataclass(frozen=True, eq=False)
class DrawnObjects:
    """Objects, (n,) each: position of the parent, redshift, AB magnitude in the selecting band."""

    parent: np.ndarray
    redshift: np.ndarray
    magnitude: np.ndarray


def make_population(parents: Parents, selection: Selection, column: np.ndarray) -> Population:
    """Return the density of the objects that descend from parents and that a selection lets in.

    Parameters
    ----------
    parents : Parents
    selection : Selection
    column : ndarray, shape (pixels,)
        Of the selecting band, from `wavelengths.band_matrix`.
    """
    distance = CENTIMETRES_PER_MEGAPARSEC * comoving_distance(REDSHIFTS) * (1 + REDSHIFTS)
    dimming = (1 + REDSHIFTS) / (4 * np.pi * distance**2) / MICROJANSKY
    flux = flux_in_band(parents.luminosity, REDSHIFTS, column) * dimming
    counts = np.empty(flux.shape)
    for place in range(REDSHIFTS.size):
        density = _density(parents, selection, flux[:, place], place)
        counts[:, place] = density.sum(axis=1)
    by_redshift = np.cumsum(counts, axis=1)
    return Population(parents, selection, flux, np.cumsum(by_redshift[:, -1]), by_redshift)


def draw(population: Population, drawn: NamedStream) -> DrawnObjects:
    """Draw the parent, the redshift and the magnitude of each object."""
    total = population.cumulative
    parent = np.searchsorted(total, drawn.uniform() * total[-1], side="right")
    parent = np.minimum(parent, total.size - 1)
    redshift, magnitude = np.empty(parent.size), np.empty(parent.size)
    chance, jitter = drawn.uniform(), drawn.uniform()
    growth = population.by_redshift[parent]
    place = np.minimum((growth <= (chance * growth[:, -1])[:, None]).sum(axis=1), REDSHIFTS.size - 1)
    low, high = REDSHIFT_EDGES[place], REDSHIFT_EDGES[place + 1]
    redshift[:] = low + jitter * (high - low)
    grid = magnitudes(population.selection)
    chance, jitter = drawn.uniform(), drawn.uniform()
    for cell in np.unique(place):
        rows = np.flatnonzero(place == cell)
        own = _rows_of(population.parents, parent[rows])
        density = _density(own, population.selection, population.flux[parent[rows], cell], int(cell))
        growth = np.cumsum(density, axis=1)
        step = (growth <= (chance[rows] * growth[:, -1])[:, None]).sum(axis=1)
        magnitude[rows] = grid[np.minimum(step, grid.size - 1)] + MAGNITUDE_STEP * (jitter[rows] - 0.5)
    return DrawnObjects(parent, redshift, magnitude)


def magnitudes(selection: Selection) -> np.ndarray:
    """Return the centres of the magnitude cells of a selection."""
    number = round((selection.faintest - selection.brightest) / MAGNITUDE_STEP)
    return selection.brightest + MAGNITUDE_STEP * (np.arange(number) + 0.5)


@dataclass(frozen=True, eq=False)
class _Facts:
    """Of parents, (n,) each, what densities depend on."""

    kind: np.ndarray
    stars: np.ndarray
    activity: np.ndarray
    agn_fraction: np.ndarray


def _rows_of(parents: Parents, rows: np.ndarray) -> _Facts:
    return _Facts(*(getattr(parents, name)[rows] for name in ("kind", "stars", "activity", "agn_fraction")))


def _density(parents: Parents | _Facts, selection: Selection, flux: np.ndarray, place: int) -> np.ndarray:
    """Objects (parents, magnitudes) in one cell of redshift, in an arbitrary unit that all parents share."""
    redshift = REDSHIFTS[place]
    magnitude = magnitudes(selection)
    unit = flux_from_ab_magnitude(magnitude)[None, :] / flux[:, None]
    stars = MAGNITUDE_OF_UNIT - 2.5 * np.log10(unit * parents.stars[:, None])
    active = bool(np.any(parents.agn_fraction > 0))
    density = _nuclei(parents, unit, stars, redshift) if active else _galaxies(parents, stars, redshift)
    low, high = REDSHIFT_EDGES[place : place + 2]
    volume = np.diff(comoving_distance(np.array([low, high])) ** 3)[0]
    chosen = 1 / (1 + np.exp(np.clip((magnitude - selection.half) / selection.softness, -50, 50)))
    kind = np.where(parents.kind == "type 2", selection.type2_share, 1.0)
    kind[parents.kind == "quiescent"] = selection.quiescent_share
    return density * volume * chosen[None, :] * kind[:, None]


def galaxy_luminosity_function(magnitude: np.ndarray, redshift: float) -> np.ndarray:
    """Return galaxies per Mpc3 and magnitude at 2.2 micrometres (Cirasuolo et al. 2010).

    Parameters
    ----------
    magnitude : ndarray
        Absolute AB.
    redshift : float
    """
    ratio = 10 ** (-0.4 * (magnitude - _knee(redshift)))
    normalisation = 3.5e-3 * np.exp(-((redshift / 1.70) ** 1.47))
    return 0.4 * np.log(10) * normalisation * ratio ** (1 - 1.07) * np.exp(-np.minimum(ratio, 700.0))


def _knee(redshift: float) -> float:
    return -22.26 - (redshift / 1.78) ** 0.47


def nucleus_luminosity_function(log_luminosity: np.ndarray, redshift: float) -> np.ndarray:
    """Return nuclei per Mpc3 and dex of L_nu at 5 micrometres (Lacy et al. 2015, all types).

    Parameters
    ----------
    log_luminosity : ndarray
        log10 of erg/s/Hz.
    redshift : float
    """
    step = np.log10((1 + redshift) / (1 + 2.5))
    knee = 31.92 + 1.05 * step - 4.71 * step**2 - 0.034 * step**3
    ratio = 10 ** (log_luminosity - knee)
    return 10**-4.75 / (ratio**1.07 + ratio**2.48)


def main_sequence(redshift: float) -> float:
    """Return log10 of the specific star formation rate over that of the local main sequence."""
    return 2.4 * np.log10(1 + min(redshift, 2.5))


def _galaxies(parents: Parents | _Facts, stars: np.ndarray, redshift: float) -> np.ndarray:
    share = 0.60 * (1 + redshift) ** -0.8 * 10 ** (-0.1 * (stars - _knee(redshift)))
    share = np.clip(share, 0.0, 0.9)
    quiescent = (parents.kind == "quiescent")[:, None]
    forming = (1 - share) / (1 - QUIESCENT_SHARE) * _sequence(parents, redshift, 0.30)
    weight = np.where(quiescent, share / QUIESCENT_SHARE, forming)
    return galaxy_luminosity_function(stars, redshift) * weight


def _sequence(parents: Parents | _Facts, redshift: float, scatter: float) -> np.ndarray:
    """How likely a parent's activity is, over the flat distribution that parents have; 1 for quiescent ones."""
    known = np.where(np.isfinite(parents.activity), parents.activity, 0.0)
    offset = (known - main_sequence(redshift)) / scatter
    width = ACTIVITY_LIMITS[1] - ACTIVITY_LIMITS[0]
    weight = width * np.exp(-0.5 * offset**2) / (scatter * np.sqrt(2 * np.pi))
    return np.where(np.isfinite(parents.activity), weight, 1.0)[:, None]


def _nuclei(parents: Parents | _Facts, unit: np.ndarray, stars: np.ndarray, redshift: float) -> np.ndarray:
    log_luminosity = np.log10(unit)
    first = type1_share(log_luminosity)
    is_first = (parents.kind == "type 1")[:, None]
    weight = np.where(is_first, first / TYPE1_SHARE, (1 - first) / (1 - TYPE1_SHARE))
    host = np.exp(-np.minimum(10 ** (-0.4 * (stars - _knee(redshift))) / 2, 700.0))
    return (
        nucleus_luminosity_function(log_luminosity, redshift)
        * weight
        * host
        * _sequence(parents, redshift, 0.50)
    )


def type1_share(log_luminosity: np.ndarray) -> np.ndarray:
    """Return the share of type 1 at log10 of L_nu at 5 micrometres, erg/s/Hz: from 0.2 to 0.6 about 10^44.5 erg/s."""
    power = log_luminosity + np.log10(FIVE_MICROMETRES)
    return 0.2 + 0.4 / (1 + np.exp(-(power - 44.5) / 0.5))
