"""Tables of a broad-band mock: what the objects of a set are, where they lie, and what a catalogue lists of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TypedDict

import numpy as np

from jpasbatch.mocks.observation.coverage import observed_bands, plan_bands
from jpasbatch.mocks.observation.detection import observe_bands
from jpasbatch.mocks.options.broadband import SETS, BroadbandSky
from jpasbatch.mocks.parents.broadband.parents import make_parents
from jpasbatch.mocks.populations.broadband import DrawnObjects, Population, draw, make_population
from jpasbatch.mocks.spectra.distributions import (
    ANGSTROM_PER_MICROMETRE,
    band_matrix,
    observed_wavelengths,
    shifted,
)
from jpasbatch.mocks.spectra.forest import LYMAN_SERIES, lyman_limit_transmission
from jpasbatch.mocks.spectra.responses import integrate_bands
from jpasbatch.photometry.photometry import flux_from_ab_magnitude
from jpasbatch.photometry.streams import ObjectStreams
from jpasbatch.photometry.survey import Survey

SET_SIZE, CLASS_SIZE = 100_000_000, 50_000_000
"""Ids: set, class and number within these."""

FIRST_TILE = 94001
"""Of the sets in their order; beside any that a survey uses."""

SPLIT_OF_SET = {"training": "training", "validation": "validation"}
"""Of the parents; test and field descend from those of the test."""

VARIETY_KNOTS = np.log(np.array([0.1, 0.3, 0.8, 2.5, 8.0, 25.0, 80.0, 300.0, 800.0]))
"""Logarithms of observed wavelengths in micrometres, between which an object's difference from its parent is linear."""

CHUNK = 500


class BroadbandTable(TypedDict):
    """Columns of n rows.

    tile_id, number : int64 (n,); the number is the key of the object's random stream, and its id.
    ra, dec : float64 (n,), degrees.
    flux, flux_err : float32 (n, bands), microjansky, as `observation.observe_bands` gives them.
    true_class, parent_id, kind, split : str (n,).
    true_redshift, true_magnitude, agn_fraction : float32 (n,); the magnitude is that of the selecting band without
    noise, the fraction that of the luminosity from 8 to 1000 micrometres.
    """

    tile_id: np.ndarray
    number: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    true_class: np.ndarray
    true_redshift: np.ndarray
    true_magnitude: np.ndarray
    agn_fraction: np.ndarray
    parent_id: np.ndarray
    kind: np.ndarray
    split: np.ndarray


def table_count(options: BroadbandSky, set_name: str) -> int:
    """Return the number of tables of a set."""
    return -(-options.sets.get(set_name, 0) // options.table_rows)


def make_table(options: BroadbandSky, survey: Survey, set_name: str, index: int) -> BroadbandTable:
    """Make one table of a set.

    An object is the same whatever table it is in.

    Raises
    ------
    ValueError
        If there is no such table.
    InputError
        If a selection or a coverage names a band that the survey lacks.
    """
    tables = table_count(options, set_name)
    if not 0 <= index < tables:
        raise ValueError(f"index = {index}: the set {set_name} has {tables} tables")
    parts = []
    for place, (name, number) in enumerate(options.numbers(set_name).items()):
        first, last = (number * step // tables for step in (index, index + 1))
        ids = SETS.index(set_name) * SET_SIZE + place * CLASS_SIZE + np.arange(first, last, dtype=np.int64)
        if ids.size:
            parts.append(_rows_of_class(options, survey, set_name, name, ids))
    joined = {key: np.concatenate([part[key] for part in parts]) for key in BroadbandTable.__annotations__}
    # classes mixed, in an order that the objects' own streams give
    order = np.argsort(ObjectStreams(options.seed, joined["number"]).named("order").uniform(), kind="stable")
    return BroadbandTable(**{key: values[order] for key, values in joined.items()})  # type: ignore[typeddict-item]


@lru_cache(maxsize=6)
def population_of(options: BroadbandSky, survey: Survey, set_name: str, true_class: str) -> Population:
    """Return the density from which a set's objects of a class are drawn; made once a process."""
    selection = options.selection(set_name, true_class)
    column = band_matrix(survey)[:, survey.index(selection.band or survey.reference_band)]
    parents = make_parents(true_class, options.parents, SPLIT_OF_SET.get(set_name, "test"))
    return make_population(parents, selection, column)


def _rows_of_class(
    options: BroadbandSky, survey: Survey, set_name: str, true_class: str, ids: np.ndarray
) -> BroadbandTable:
    streams = ObjectStreams(options.seed, ids)
    population = population_of(options, survey, set_name, true_class)
    objects = draw(population, streams.named("what"))
    parents = population.parents
    selecting = survey.index(population.selection.band or survey.reference_band)
    flux = true_fluxes(options, population, objects, survey, streams)
    flux *= (flux_from_ab_magnitude(objects.magnitude) / flux[:, selecting]).astype(np.float32)[:, None]
    ra, dec, enclosed = positions(options, streams)
    plan = plan_bands(options, survey)
    observed = observed_bands(plan, enclosed, streams)
    measured, error = observe_bands(flux, observed, plan, streams, options.noise)
    split = SPLIT_OF_SET.get(set_name, "test")
    return BroadbandTable(
        tile_id=np.full(ids.size, FIRST_TILE + SETS.index(set_name)),
        number=ids,
        ra=ra,
        dec=dec,
        flux=measured,
        flux_err=error,
        true_class=np.full(ids.size, true_class),
        true_redshift=objects.redshift.astype(np.float32),
        true_magnitude=objects.magnitude.astype(np.float32),
        agn_fraction=parents.agn_fraction[objects.parent].astype(np.float32),
        parent_id=parents.parent_id[objects.parent],
        kind=parents.kind[objects.parent],
        split=np.full(ids.size, split),
    )


def true_fluxes(
    options: BroadbandSky,
    population: Population,
    objects: DrawnObjects,
    survey: Survey,
    streams: ObjectStreams,
) -> np.ndarray:
    """Return noiseless fluxes (n, bands) float32 in an arbitrary unit: parents at their redshifts, each varied."""
    matrix = band_matrix(survey)
    flux = np.empty((len(streams), matrix.shape[1]), dtype=np.float32)
    for start in range(0, len(streams), CHUNK):
        rows = slice(start, start + CHUNK)
        part, redshift = streams[rows], objects.redshift[rows]
        # a unit in which nothing leaves the range of float32
        spectra = shifted(population.parents.luminosity, objects.parent[rows], redshift)
        spectra *= _variety(options.noise.variety, part)
        spectra *= intergalactic_transmission(redshift, part)
        flux[rows] = integrate_bands(spectra, matrix)
    return flux


def _variety(scale: float, streams: ObjectStreams) -> np.ndarray:
    """Return the factors (n, pixels) float32 by which objects differ from their parents."""
    knots = streams.named("variety").normal(0.0, scale, (len(streams), VARIETY_KNOTS.size))
    place = np.interp(np.log(observed_wavelengths()), VARIETY_KNOTS, np.arange(VARIETY_KNOTS.size))
    low = np.minimum(place.astype(np.int64), VARIETY_KNOTS.size - 2)
    share = place - low
    magnitudes = knots[:, low] * (1 - share) + knots[:, low + 1] * share
    return (10 ** (-0.4 * magnitudes)).astype(np.float32)


def intergalactic_transmission(redshift: np.ndarray, streams: ObjectStreams) -> np.ndarray:
    """Return the transmission (n, pixels) float32 of the intergalactic gas in the far ultraviolet.

    The mean of the forest as in `mocks.spectra.forest`, which broad bands see, and one Lyman-limit system a sightline.
    """
    wavelength = observed_wavelengths() * ANGSTROM_PER_MICROMETRE
    blue = wavelength < LYMAN_SERIES[0][0] * (1 + redshift.max(initial=0.0))
    seen = wavelength[blue]
    depth = np.zeros((redshift.size, seen.size))
    for line, relative in LYMAN_SERIES:
        tau = relative * 0.0036 * (seen / line) ** 3.45
        depth += np.where(seen[None, :] < line * (1 + redshift[:, None]), tau[None, :], 0.0)
    result = np.ones((redshift.size, wavelength.size), dtype=np.float32)
    limit = lyman_limit_transmission(redshift, seen, streams.named("Lyman limit"))
    result[:, blue] = np.exp(-depth) * limit
    return result


def positions(options: BroadbandSky, streams: ObjectStreams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ra and dec (n,) in degrees, uniform over the field's disc, and the area enclosed by each, deg2."""
    from astropy.coordinates import offset_by

    drawn = streams.named("position")
    enclosed = options.area_deg2 * drawn.uniform()
    bearing = 2 * np.pi * drawn.uniform()
    distance = np.arccos(1 - enclosed * (np.pi / 180) ** 2 / (2 * np.pi))
    ra, dec = offset_by(np.radians(options.ra), np.radians(options.dec), bearing, distance)
    degrees = [np.asarray(angle.to_value("deg"), dtype=np.float64) for angle in (ra, dec)]
    return np.mod(degrees[0], 360.0), degrees[1], enclosed
