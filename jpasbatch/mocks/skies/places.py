"""Which objects a set of the mock sky has, their ids, and where they lie.

An object's id holds its set, its class and its number within these. The balanced sets and the field have exact
numbers of objects, which are spread over one square degree; those of the survey are counted cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jpasbatch.mocks.observation.footprint import (
    CELL_ORDER,
    INDEX_ORDER,
    OUTSIDE,
    Footprint,
    cells_of,
    index_of,
    pixel_area_deg2,
    positions_in,
)
from jpasbatch.mocks.options.templates import CLASSES, SETS, TemplateSky
from jpasbatch.mocks.populations import draws
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE
from jpasbatch.photometry.streams import ObjectStreams

FIELD_AREA_DEG2 = 1.0
SET_BIT, CLASS_BIT, CELL_BIT = 52, 50, 20
"""Where the number of the set, that of the class, and the cell of a survey's object begin in an id."""


@dataclass(frozen=True, eq=False)
class Places:
    """Objects and where they are, shape (n,) each; positions in degrees, tiles as numbers."""

    mock_id: np.ndarray
    index: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    tile: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Places:
        return Places(*(getattr(self, name)[rows] for name in ("mock_id", "index", "ra", "dec", "tile")))


def sets_of(options: TemplateSky) -> dict[str, int]:
    """Return the sets that the options ask for, and the number of objects that each has, about."""
    samples, classes = options.samples, len(options.classes)
    numbers = {
        "training": samples.training * classes,
        "validation": samples.validation * classes,
        "test": samples.test * classes,
        "field": sum(getattr(options.field, name) for name in options.classes),
        "survey": int(sum(densities(options).values()) * options.survey.area_deg2),
        "held_out": samples.held_out * len([name for name in options.classes if name != "qso"]),
    }
    return {name: number for name, number in numbers.items() if number}


def limited_to(options: TemplateSky, faintest: float) -> TemplateSky:
    """Return the options with the natural number of quasars down to a limit, where they ask for the natural one."""
    if options.survey.qso_per_deg2 or faintest >= draws.FAINTEST:
        return options
    quasars = draws.quasars_per_deg2(faintest)
    return replace(options, survey=replace(options.survey, qso_per_deg2=quasars))


def densities(options: TemplateSky) -> dict[str, float]:
    """Return the survey's objects per square degree by class."""
    survey = options.survey
    every = {
        "star": survey.star_per_deg2,
        "galaxy": survey.galaxy_per_deg2,
        "qso": survey.qso_per_deg2 or draws.quasars_per_deg2(),
    }
    return {name: every[name] for name in options.classes}


def numbers_of(options: TemplateSky, set_name: str) -> dict[str, int]:
    """Return the exact numbers of a set by class (the survey has none)."""
    if set_name == "field":
        return {name: getattr(options.field, name) for name in options.classes}
    number = getattr(options.samples, set_name)
    return {name: number for name in options.classes if set_name != "held_out" or name != "qso"}


def footprint_of(options: TemplateSky, set_name: str) -> Footprint:
    """Return where a set lies: the survey on its own area, all others on one square degree."""
    area = options.survey.area_deg2 if set_name == "survey" else FIELD_AREA_DEG2
    return Footprint(options.ra, options.dec, area, min(options.tiles.area_deg2, area))


def partition_order(options: TemplateSky, set_name: str) -> int:
    """Return the HEALPix order of a set's partitions: that of about `partition_rows` rows each."""
    density = sets_of(options)[set_name] / footprint_of(options, set_name).area_deg2
    wanted = options.partition_rows / density
    order = np.ceil(np.log2(pixel_area_deg2(0) / wanted) / 2)
    return int(np.clip(order, 0, CELL_ORDER))


def places_in(options: TemplateSky, set_name: str, order: int, pixel: int) -> dict[str, Places]:
    """Return the objects of a set that lie in a pixel, by class."""
    footprint = footprint_of(options, set_name)
    if set_name == "survey":
        return _counted_places(options, footprint, order, pixel)
    return {
        name: _exact_places(options, set_name, footprint, (name, number), (order, pixel))
        for name, number in numbers_of(options, set_name).items()
    }


def first_id(set_name: str, true_class: str) -> int:
    """Return the id of the first object of a class in a set."""
    return (SETS.index(set_name) << SET_BIT) | (CLASSES.index(true_class) << CLASS_BIT)


def _exact_places(
    options: TemplateSky,
    set_name: str,
    footprint: Footprint,
    class_and_number: tuple[str, int],
    order_and_pixel: tuple[int, int],
) -> Places:
    true_class, number = class_and_number
    order, pixel = order_and_pixel
    ids = first_id(set_name, true_class) + np.arange(number, dtype=np.int64)
    drawn = ObjectStreams(options.seed, ids).named("position")
    ra, dec = footprint.positions(drawn.uniform(), drawn.uniform())
    index = index_of(ra, dec)
    here = np.flatnonzero(index >> 2 * (INDEX_ORDER - order) == pixel)
    if set_name == "field":
        tile = footprint.tile_of(ra[here], dec[here])
    else:
        streams = ObjectStreams(options.seed, ids[here])
        tile = FIRST_VIRTUAL_TILE + streams.named("virtual tile").integers(options.tiles.virtual)
    return Places(ids[here], index[here], ra[here], dec[here], tile)


def _counted_places(options: TemplateSky, footprint: Footprint, order: int, pixel: int) -> dict[str, Places]:
    """Objects of the survey: in each cell a Poisson number of each class, without what lies outside."""
    from scipy.stats import poisson

    cells = cells_of(order, pixel, footprint)
    result = {}
    for name, density in densities(options).items():
        start = first_id("survey", name)
        drawn = ObjectStreams(options.seed, start + (cells << CELL_BIT)).named("number")
        number = poisson.ppf(drawn.uniform(), density * pixel_area_deg2(CELL_ORDER)).astype(np.int64)
        within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        cell = np.repeat(cells, number)
        ids = start + (cell << CELL_BIT) + within
        index, ra, dec = positions_in(cell, ObjectStreams(options.seed, ids).named("position").bits(1)[:, 0])
        tile = footprint.tile_of(ra, dec)
        inside = np.flatnonzero(tile != OUTSIDE)
        result[name] = Places(ids, index, ra, dec, tile)[inside]
    return result
