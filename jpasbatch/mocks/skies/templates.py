"""Rows of a set of the mock sky: fluxes, noise, appearance and truth of the objects at given places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from jpasbatch.mocks.observation.stellarity import draw_stellarity
from jpasbatch.mocks.parents.parents import HELD_OUT
from jpasbatch.mocks.populations.densities import MAGNITUDE_LIMITS
from jpasbatch.mocks.skies.objects import Kinds, Workshop, draw_kinds, true_fluxes
from jpasbatch.mocks.skies.places import CLASS_BIT, Places, first_id
from jpasbatch.mocks.skies.weights import WEIGHTED_SETS, weights_on_the_sky
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE, Conditions, conditions_of_tiles
from jpasbatch.photometry.noise import observe_objects
from jpasbatch.photometry.streams import ObjectStreams

SPLIT_OF_SET = {"training": "training", "validation": "validation", "held_out": HELD_OUT}
"""Of the parents; field and survey descend from those of the test."""


class SetTable(TypedDict):
    """Columns of rows of a set, in order of the spatial index; n rows.

    index, mock_id : int64 (n,).
    object_id, tile, true_class, parent_id, split : str (n,).
    ra, dec : float64 (n,), degrees.
    flux, flux_err, noiseless_flux : float32 (n, bands), microjansky.
    flags, mask_flags : int32 (n,).
    class_star, true_redshift, true_magnitude : float32 (n,).
    sky_weight : float32 (n,), of `WEIGHTED_SETS`; 1 in the others.
    tile_number : int64 (n,), of `conditions_of`.
    """

    index: np.ndarray
    mock_id: np.ndarray
    object_id: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    noiseless_flux: np.ndarray
    flags: np.ndarray
    mask_flags: np.ndarray
    class_star: np.ndarray
    tile: np.ndarray
    tile_number: np.ndarray
    true_class: np.ndarray
    true_redshift: np.ndarray
    true_magnitude: np.ndarray
    sky_weight: np.ndarray
    parent_id: np.ndarray
    split: np.ndarray


def conditions_of(workshop: Workshop, tiles: np.ndarray) -> Conditions:
    """Return the conditions (n) of objects by the numbers of their tiles."""
    options = workshop.options
    unique, inverse = np.unique(tiles, return_inverse=True)
    scatter = (options.tiles.depth_scatter, workshop.survey.zero_point_error)
    real = workshop.ingredients.real_tiles
    real = replace(real, depth=real.depth + options.tiles.depth_offset)
    found = conditions_of_tiles(unique, real, options.seed, scatter, options.tiles.dust)
    return found[inverse]


def make_rows(
    workshop: Workshop, set_name: str, places: Mapping[str, Places], library: Mapping[str, Library] | None
) -> SetTable:
    """Make the rows of objects: their fluxes, noise, appearance and truth, in order of the spatial index.

    Parameters
    ----------
    workshop : Workshop
    set_name : str
    places : mapping of str to Places
        By class, from `places_in`.
    library : mapping of str to Library, optional
        Spectra by class that are observed instead of ones made for each object.
    """
    parts = [
        _rows_of_class(workshop, set_name, name, place, None if library is None else library[name])
        for name, place in places.items()
    ]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in SetTable.__annotations__}
    # ids break ties, so that the order is the same in every partitioning
    order = np.lexsort((joined["mock_id"], joined["index"]))
    return SetTable(**{key: values[order] for key, values in joined.items()})  # type: ignore[typeddict-item]


@dataclass(frozen=True, eq=False)
class Library:
    """Noiseless fluxes of objects of one class, to be observed again and again; k is their number.

    Attributes
    ----------
    flux : ndarray of float32, shape (k, bands)
    magnitude, redshift : ndarray of float64, shape (k,)
    parent_id : ndarray of str, shape (k,)
    """

    flux: np.ndarray
    magnitude: np.ndarray
    redshift: np.ndarray
    parent_id: np.ndarray


LIBRARY_REACH = 0.1
"""Magnitudes about a library spectrum's own within which it is observed (and within those of the mock)."""


def make_library(workshop: Workshop, true_class: str, numbers: np.ndarray) -> Library:
    """Make some of the library's objects of a class: those of the given numbers, of the test's parents."""
    ids = first_id("survey", true_class) + (1 << (CLASS_BIT - 1)) + numbers
    streams = ObjectStreams(workshop.options.seed, ids)
    kinds = draw_kinds(workshop, true_class, "test", streams, "all")
    virtual = streams.named("virtual tile").integers(workshop.options.tiles.virtual)
    conditions = conditions_of(workshop, FIRST_VIRTUAL_TILE + virtual)
    flux = true_fluxes(workshop, true_class, "test", kinds, streams, conditions)
    parent_id = workshop.parents(true_class).parent_id[kinds.parent]
    return Library(flux, kinds.magnitude, kinds.redshift, parent_id)


def _rows_of_class(
    workshop: Workshop, set_name: str, true_class: str, places: Places, library: Library | None
) -> SetTable:
    options, survey = workshop.options, workshop.survey
    split = SPLIT_OF_SET.get(set_name, "test")
    streams = ObjectStreams(options.seed, places.mock_id)
    conditions = conditions_of(workshop, places.tile)
    if library is None:
        kinds = _kinds(workshop, set_name, true_class, split, (places, streams))
        flux = true_fluxes(workshop, true_class, split, kinds, streams, conditions)
        magnitude, redshift = kinds.magnitude, kinds.redshift
        parent_id = workshop.parents(true_class).parent_id[kinds.parent]
    else:
        flux, magnitude, redshift, parent_id = _from_library(library, streams, workshop.faintest)
    _drop_bands(flux, workshop, set_name, streams)
    measured, error = observe_objects(flux, conditions, streams, options.noise, survey.zero_point_error)
    appearance = streams.named("appearance")
    names = np.full(len(streams), true_class)
    flags, mask_flags = _raise_flags(streams, options.flagged_share)
    numbers = places.mock_id & ((1 << CLASS_BIT) - 1)
    return SetTable(
        index=places.index,
        mock_id=places.mock_id,
        object_id=np.array([f"{set_name}-{true_class}-{number}" for number in numbers.tolist()], dtype=str),
        ra=places.ra,
        dec=places.dec,
        flux=measured,
        flux_err=error,
        noiseless_flux=flux,
        flags=flags,
        mask_flags=mask_flags,
        class_star=draw_stellarity(true_class, magnitude, redshift, appearance, options.stellarity),
        tile=np.array([f"mock-{number}" for number in places.tile.tolist()], dtype=str),
        tile_number=places.tile,
        true_class=names,
        true_redshift=redshift.astype(np.float32),
        true_magnitude=magnitude.astype(np.float32),
        sky_weight=_weights(workshop, set_name, true_class, (places, streams)),
        parent_id=parent_id.astype(str),
        split=np.full(len(streams), split),
    )


def _kinds(
    workshop: Workshop,
    set_name: str,
    true_class: str,
    split: str,
    places_and_streams: tuple[Places, ObjectStreams],
) -> Kinds:
    """Draw what objects are; quasars of the balanced sets are made in two halves, by odd and even numbers."""
    places, streams = places_and_streams
    flat = "flat " if workshop.options.samples.magnitudes == "uniform" else ""
    if set_name in ("field", "survey"):
        return draw_kinds(workshop, true_class, split, streams, "all")
    if true_class != "qso":
        balanced = set_name != "held_out"
        return draw_kinds(workshop, true_class, split, streams, f"{flat}all", balanced)
    odd = (places.mock_id & 1).astype(bool)
    low, high = (
        draw_kinds(workshop, true_class, split, streams[rows], flat + half, True)
        for rows, half in ((~odd, "low"), (odd, "high"))
    )
    result = Kinds(*(np.empty(odd.size, dtype=kind) for kind in (np.float64, np.float64, np.int64)))
    for rows, part in ((~odd, low), (odd, high)):
        result.magnitude[rows], result.redshift[rows] = part.magnitude, part.redshift
        result.parent[rows] = part.parent
    return result


def _weights(
    workshop: Workshop, set_name: str, true_class: str, places_and_streams: tuple[Places, ObjectStreams]
) -> np.ndarray:
    places, streams = places_and_streams
    if set_name not in WEIGHTED_SETS:
        return np.ones(len(streams), dtype=np.float32)
    split, odd = SPLIT_OF_SET.get(set_name, "test"), (places.mock_id & 1).astype(bool)
    return weights_on_the_sky(workshop, true_class, split, streams, odd).astype(np.float32)


def _from_library(library: Library, streams: ObjectStreams, faintest: float) -> tuple[np.ndarray, ...]:
    drawn = streams.named("library")
    row = drawn.integers(len(library.flux))
    own = library.magnitude[row]
    low, high = MAGNITUDE_LIMITS[0], faintest
    magnitude = drawn.uniform(np.maximum(own - LIBRARY_REACH, low), np.minimum(own + LIBRARY_REACH, high))
    flux = library.flux[row]
    flux *= (10 ** (-0.4 * (magnitude - own))).astype(np.float32)[:, None]
    return flux, magnitude, library.redshift[row], library.parent_id[row]


def _drop_bands(flux: np.ndarray, workshop: Workshop, set_name: str, streams: ObjectStreams) -> None:
    """Take bands away from the incomplete share of a balanced set's rows, in place: each with even chances.

    A committee that only ever saw all of them gone together would not know what to make of one.
    """
    samples = workshop.options.samples
    if set_name in ("field", "survey", "held_out") or not samples.incomplete_share:
        return
    drawn = streams.named("incomplete")
    incomplete = drawn.uniform() < samples.incomplete_share
    for band in samples.incomplete_bands:
        gone = incomplete & (drawn.uniform() < 0.5)
        flux[gone, workshop.survey.index(band)] = np.nan


def _raise_flags(streams: ObjectStreams, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return flags and mask_flags (n,) int32: half of the share of rows bears either.

    FLAGS 1, 2 or 3 (neighbour, blended, both: SExtractor); MASK_FLAGS 1 (outside the window).
    """
    drawn = streams.named("flags")
    place, kind = drawn.uniform(), 1 + drawn.integers(3)
    flags = np.where(place < share / 2, kind, 0)
    masks = (place >= share / 2) & (place < share)
    return flags.astype(np.int32), masks.astype(np.int32)
