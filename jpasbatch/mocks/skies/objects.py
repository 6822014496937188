"""Mock objects of one class from their ids: what they are, and their noiseless fluxes.

An object's properties follow from its id, the seed and the options alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.mocks.descendants.galaxies import GalaxyFamily, choose_galaxies, galaxy_spectra
from jpasbatch.mocks.descendants.quasars import QuasarFamily, choose_quasars, quasar_spectra
from jpasbatch.mocks.descendants.stars import choose_stars, star_spectra
from jpasbatch.mocks.observation.aperture import aperture_factors, galaxy_sizes
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.parents.packs.ingredients import Ingredients
from jpasbatch.mocks.parents.parents import HELD_OUT, SPLITS, Parents
from jpasbatch.mocks.populations import draws
from jpasbatch.mocks.populations.densities import MAGNITUDE_LIMITS
from jpasbatch.mocks.spectra.dust import redden_by_milky_way
from jpasbatch.mocks.spectra.grids import CHUNK_OBJECTS, observed_grid
from jpasbatch.mocks.spectra.responses import MINIMUM_COVERAGE, integrate_bands
from jpasbatch.photometry.conditions import Conditions
from jpasbatch.photometry.photometry import flux_from_ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import Survey


@dataclass(frozen=True, eq=False)
class Kinds:
    """What objects of one class are; n is their number.

    Attributes
    ----------
    magnitude, redshift : ndarray of float64, shape (n,)
        True r magnitude, and redshift (0 for stars).
    parent : ndarray of int64, shape (n,)
        Position among the parents of the class.
    """

    magnitude: np.ndarray
    redshift: np.ndarray
    parent: np.ndarray


def faintest_of(survey: Survey) -> float:
    """Return how faint a survey's mock objects are: its faintest bin of magnitudes, and 23.6 at most.

    Raises
    ------
    InputError
        If all of its bins are brighter than mock objects are.
    """
    bright, faint = MAGNITUDE_LIMITS
    faintest = min(survey.magnitude_bins[-1][1], faint)
    if faintest <= bright:
        raise InputError(
            f"survey {survey.name!r}: its magnitude_bins end at {faintest:g}; mock objects have magnitudes from "
            f"{bright:g} to {faint:g}"
        )
    return faintest


def brightness_of(magnitude: np.ndarray) -> np.ndarray:
    """Return 0 at the faint limit of the magnitudes, 1 at the bright one, and straight between, (n,)."""
    low, high = MAGNITUDE_LIMITS
    return (high - magnitude) / (high - low)


@dataclass(frozen=True, eq=False)
class Workshop:
    """What it takes to make mock objects.

    Attributes
    ----------
    options : TemplateSky
    ingredients : Ingredients
    survey : Survey
    """

    options: TemplateSky
    ingredients: Ingredients
    survey: Survey

    @property
    def faintest(self) -> float:
        """Faint limit of the objects' magnitudes, in the survey's reference band."""
        return faintest_of(self.survey)

    @cached_property
    def quasar_family(self) -> QuasarFamily:
        """Quasars with their troughs, and with hosts where galaxies are made as well."""
        given = self.ingredients
        troughs = {split: given.troughs_of(split) for split in (*SPLITS, HELD_OUT)}
        return QuasarFamily(given.parents["qso"], given.parents.get("galaxy"), troughs, self.options.quasars)

    @cached_property
    def galaxy_family(self) -> GalaxyFamily:
        """Galaxies with their line ratios."""
        given = self.ingredients
        return GalaxyFamily(
            given.parents["galaxy"], given.mixture, given.young, given.old, self.options.galaxies
        )

    @cached_property
    def covered_weight(self) -> np.ndarray:
        """Share (1627, bands) of a band's weight in the pixels before each one."""
        weights = self.ingredients.weights.astype(np.float64)
        total = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(weights, axis=0)])
        return total / total[-1]

    def parents(self, true_class: str) -> Parents:
        """Return the parents of a class."""
        return self.ingredients.parents[true_class]


def draw_kinds(
    workshop: Workshop,
    true_class: str,
    split: str,
    streams: ObjectStreams,
    half: str,
    balanced: bool = False,
) -> Kinds:
    """Draw magnitudes, redshifts and parents of objects of one class.

    Parameters
    ----------
    workshop : Workshop
    true_class : {"star", "galaxy", "qso"}
    split : str
        Of the parents.
    streams : ObjectStreams
    half : {"low", "high", "all", "flat low", ...}
        Of the quasars' redshifts; with "flat " before it, magnitudes are uniform.
    balanced : bool
        Rare kinds and near galaxies in the shares in which they are learnt, and not in those of the sky.

    Raises
    ------
    InputError
        If the pack holds no parent of the class in the split.
    """
    flat, half = half.startswith("flat "), half.removeprefix("flat ")
    options = workshop.options
    parents = workshop.parents(true_class)
    if not parents.rows_of_split[split].size:
        raise InputError(
            f"the template pack holds no parent of class {true_class!r} in split {split!r}; complete the pack "
            "(docs/template_pack.md), or leave the class or the set out of [mock]"
        )
    if true_class == "star":
        magnitude = draws.draw_stars(streams, flat, workshop.faintest)
        redshift = np.zeros(len(streams))
        if split == HELD_OUT:
            rows = parents.rows_of_split[split]
            return Kinds(magnitude, redshift, rows[streams.named("star parent").integers(rows.size)])
        rare = options.stars.rare_learnt if balanced else options.stars.rare_in_the_sky
        chosen = choose_stars(parents, split, brightness_of(magnitude), streams, options.stars, rare)
    elif true_class == "galaxy":
        near = options.samples.near_share if balanced else 0.0
        magnitude, redshift, red = draws.draw_galaxies(
            streams, flat, near, workshop.faintest, options.samples.near_reach
        )
        if split == HELD_OUT:
            rows = parents.rows_of_split[split]
            return Kinds(magnitude, redshift, rows[streams.named("galaxy parent").integers(rows.size)])
        shares = options.galaxies.kinds_learnt if balanced else options.galaxies.kinds_in_the_sky
        chosen = choose_galaxies(parents, split, red, (magnitude, redshift), streams, shares)
    else:
        magnitude, redshift = draws.draw_quasars(streams, half, flat, workshop.faintest)
        chosen = choose_quasars(parents, split, redshift, streams)
    return Kinds(magnitude, redshift, chosen)


def true_fluxes(
    workshop: Workshop,
    true_class: str,
    split: str,
    kinds: Kinds,
    streams: ObjectStreams,
    conditions: Conditions,
) -> np.ndarray:
    """Return noiseless fluxes (n, bands) float32 in microjansky, within the aperture.

    NaN in bands that the parent does not cover at the redshift, and in all where it has no light in the reference band.

    Parameters
    ----------
    workshop : Workshop
    true_class, split : str
    kinds : Kinds
    streams : ObjectStreams
    conditions : Conditions
        Of the objects' tiles: Galactic dust, and seeing for the aperture.
    """
    weights = workshop.ingredients.weights
    reference = workshop.survey.reference_index
    flux = np.empty((len(streams), weights.shape[1]), dtype=np.float32)
    for rows, spectra in spectra_in_chunks(workshop, true_class, split, kinds, streams):
        redden_by_milky_way(spectra, conditions.dust[rows])
        flux[rows] = integrate_bands(spectra, weights)
    _blank_uncovered(flux, workshop, workshop.parents(true_class), kinds)
    # without light in the reference band there is no scale: some observed spectra end before it at high redshift
    flux[~(flux[:, reference] > 0)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        flux *= (flux_from_ab_magnitude(kinds.magnitude) / flux[:, reference])[:, None].astype(np.float32)
    if true_class == "galaxy":
        size = galaxy_sizes(kinds.magnitude, streams.named("galaxy size").normal())
        flux *= aperture_factors(size, conditions.seeing, reference)
    return flux


def spectra_in_chunks(
    workshop: Workshop, true_class: str, split: str, kinds: Kinds, streams: ObjectStreams
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield rows and their spectra (rows, 1626) on `observed_grid`, before Galactic dust."""
    for start in range(0, len(streams), CHUNK_OBJECTS):
        rows = slice(start, min(start + CHUNK_OBJECTS, len(streams)))
        chosen, redshift, part = kinds.parent[rows], kinds.redshift[rows], streams[rows]
        if split == HELD_OUT:  # observed spectra are taken as they are
            spectra = workshop.parents(true_class).observed(chosen, redshift)
        elif true_class == "star":
            spectra = star_spectra(workshop.parents("star"), chosen, part, workshop.options.stars)
        elif true_class == "galaxy":
            spectra = galaxy_spectra(workshop.galaxy_family, chosen, (kinds.magnitude[rows], redshift), part)
        else:
            spectra = quasar_spectra(
                workshop.quasar_family, split, chosen, (kinds.magnitude[rows], redshift), part
            )
        yield rows, spectra


def _blank_uncovered(flux: np.ndarray, workshop: Workshop, parents: Parents, kinds: Kinds) -> None:
    """Divide fluxes by the share of the band that the parent covers; NaN where that is too little."""
    grid, share = observed_grid(), workshop.covered_weight
    ends = [
        np.searchsorted(grid, edge[kinds.parent] * (1 + kinds.redshift))
        for edge in (parents.blue, parents.red)
    ]
    covered = share[ends[1]] - share[ends[0]]
    flux /= np.where(covered > 0.999, 1.0, np.maximum(covered, 1e-3)).astype(np.float32)
    flux[covered < MINIMUM_COVERAGE] = np.nan
