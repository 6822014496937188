"""Zero points by colours: planted offsets are found, others are not, and the order of partitions does not matter."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.stages.inspect.colours import FEWEST_OBJECTS, TileColours, quantile

BANDS = ("u", "g", "r", "i")
REFERENCE = 2
MEAN = np.array([1.4, 0.7, 0.0, -0.4])


def tiles_of(rng: np.random.Generator, objects: int, tiles: int, **planted: dict[str, float]) -> TileColours:
    """Return the colours of tiles; what is planted shifts a band of a tile, mag."""
    total = TileColours({})
    for number in range(tiles):
        name = f"tile{number}"
        colour = MEAN + rng.normal(0, 0.4, (objects, 1)) * np.array([1.5, 0.6, 0, -0.5])
        magnitude = rng.uniform(17, 21, (objects, 1)) + colour
        for band, shift in planted.get(name, {}).items():
            magnitude[:, BANDS.index(band)] += shift
        flux = 10 ** (0.4 * (23.9 - magnitude))
        total = total.merge(TileColours.of(flux, flux / 50, [name] * objects, REFERENCE))
    return total


def test_a_planted_offset_is_found_and_nothing_else_is_off(rng):
    found = tiles_of(rng, 3000, 8, tile3={"u": 0.15}).zero_points(BANDS, REFERENCE)
    assert len(found) == 8 * 3
    for one in found:
        expected = 0.15 if (one.tile, one.band) == ("tile3", "u") else 0.0
        assert one.offset == pytest.approx(expected, abs=5 * one.error)
        assert one.error < 0.02
    off = [(one.tile, one.band) for one in found if abs(one.offset) > 0.1]
    assert off == [("tile3", "u")]


def test_the_reference_band_shifts_all_colours_of_its_tile(rng):
    found = tiles_of(rng, 3000, 5, tile1={"r": 0.2}).zero_points(BANDS, REFERENCE)
    off = {(one.tile, one.band): one.offset for one in found if abs(one.offset) > 0.1}
    assert off == {("tile1", band): pytest.approx(-0.2, abs=0.05) for band in ("u", "g", "i")}


def test_few_objects_or_few_tiles_say_nothing(rng):
    assert tiles_of(rng, FEWEST_OBJECTS - 1, 8).zero_points(BANDS, REFERENCE) == []
    assert tiles_of(rng, 500, 2).zero_points(BANDS, REFERENCE) == []
    assert TileColours({}).zero_points(BANDS, REFERENCE) == []


def test_only_clear_measurements_count():
    flux = np.array(
        [[10.0, 10.0, 10.0, 10.0], [np.nan, 10.0, 10.0, 10.0], [10.0] * 4, [-1.0, 10.0, 10.0, 10.0]]
    )
    error = np.full((4, 4), 0.1)
    error[2, REFERENCE] = 2.0  # without the reference band there is no colour
    error[3, 3] = np.nan
    [counts] = TileColours.of(flux, error, ["a"] * 4, REFERENCE).tiles.values()
    assert counts.sum(axis=1).tolist() == [1, 3, 3, 2]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), cuts=st.lists(st.integers(0, 300), max_size=6), order=st.randoms())
def test_parts_in_any_order_are_the_whole(seed, cuts, order):
    rng = np.random.default_rng(seed)
    flux = rng.lognormal(1, 2, (300, 4)) * rng.choice([1, -1, np.nan], (300, 4), p=[0.8, 0.1, 0.1])
    error, tile = rng.lognormal(-2, 1, (300, 4)), rng.choice(["a", "b", "c"], 300)
    edges = [0, *sorted(cuts), 300]
    parts = [TileColours.of(flux[a:b], error[a:b], tile[a:b], REFERENCE) for a, b in pairwise(edges)]
    order.shuffle(parts)
    total = TileColours({})
    for part in parts:
        total = total.merge(TileColours.from_dict(json.loads(json.dumps(part.to_dict()))))
    whole = TileColours.of(flux, error, tile, REFERENCE)
    assert total.zero_points(BANDS, REFERENCE) == whole.zero_points(BANDS, REFERENCE)
    assert total.tiles.keys() == whole.tiles.keys()
    assert all(np.array_equal(total.tiles[name], whole.tiles[name]) for name in whole.tiles)


def test_quantiles_are_interpolated(rng):
    colour = rng.normal(0.3, 0.5, 20_000)
    flux = np.ones((20_000, 2))
    flux[:, 0] = 10 ** (-0.4 * colour)
    [counts] = TileColours.of(flux, flux / 100, ["a"] * 20_000, 1).tiles.values()
    for share in (0.25, 0.5, 0.75):
        assert quantile(counts[0], share) == pytest.approx(np.quantile(colour, share), abs=0.01)
