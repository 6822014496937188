"""Runs of pixels: areas, positions and differences agree with sets of pixels, whatever these are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.footprint.coverage import ORDER, PIXEL_DEG2, Coverage, united
from tests.footprint.conftest import assert_same

NSIDE = 4
WIDTH = 4 ** (ORDER - 2)
PIXELS = 12 * NSIDE**2
shares = st.dictionaries(st.integers(0, PIXELS - 1), st.sampled_from([0.0, 0.25, 1.0]), max_size=40)
sets = st.sets(st.integers(0, PIXELS - 1), max_size=40)


def coverage_of(values: dict[int, float]) -> Coverage:
    pixels = np.array(list(values), dtype=np.int64)
    return Coverage.of_pixels(pixels, np.array(list(values.values()), dtype=float), NSIDE)


def of_set(pixels: set[int]) -> Coverage:
    starts = np.array(sorted(pixels), dtype=np.int64) * WIDTH
    return Coverage.of_ranges(starts, starts + WIDTH)


@given(shares, sets)
@settings(max_examples=60)
def test_runs_are_the_pixels_that_they_were_made_of(values, excluded):
    left = coverage_of(values).without(of_set(excluded))
    expected = {pixel: share for pixel, share in values.items() if share > 0 and pixel not in excluded}
    pixels, areas = left.areas(NSIDE)
    assert pixels.tolist() == sorted(expected)
    assert areas == pytest.approx([expected[one] * WIDTH * PIXEL_DEG2 for one in pixels.tolist()])
    assert left.area_deg2 == pytest.approx(sum(expected.values()) * WIDTH * PIXEL_DEG2)
    everywhere = np.arange(PIXELS) * WIDTH + WIDTH // 3
    assert np.flatnonzero(left.contains(everywhere)).tolist() == sorted(expected)
    assert (left.starts < left.stops).all()
    assert (left.starts[1:] >= left.stops[:-1]).all()


@given(shares, st.sampled_from([1, 2, 8, 64]))
@settings(max_examples=40)
def test_parts_of_any_grid_are_the_whole(values, nside):
    whole = coverage_of(values)
    pixels, areas = whole.areas(nside)
    parts = [whole.within(nside, pixel) for pixel in pixels.tolist()]
    assert [part.area_deg2 for part in parts] == pytest.approx(areas)
    assert areas.sum() == pytest.approx(whole.area_deg2)
    assert not len(whole.within(nside, 12 * nside**2 - 1).starts) or 12 * nside**2 - 1 in pixels


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=30), st.randoms())
@settings(max_examples=60)
def test_a_union_has_no_overlaps(ranges, random):
    random.shuffle(ranges)
    starts = np.array([low for low, _ in ranges], dtype=np.int64)
    stops = starts + np.array([length for _, length in ranges], dtype=np.int64)
    low, high = united(starts, stops)
    members = {one for start, stop in zip(starts, stops, strict=True) for one in range(start, stop)}
    assert sorted(members) == [
        one for start, stop in zip(low, high, strict=True) for one in range(start, stop)
    ]
    assert (low[1:] > high[:-1]).all()


def test_a_coverage_is_read_back():
    one = coverage_of({3: 0.25, 4: 0.25, 5: 1.0, 190: 1.0})
    other = Coverage.from_bytes(one.to_bytes())
    assert_same(one, other)
    assert len(one.starts) == 3
    assert other.name == "effective area"


def test_nothing_contains_nothing():
    none = coverage_of({})
    assert none.area_deg2 == 0
    assert not none.contains(np.array([0, 5])).any()
    assert len(none.areas(64)[0]) == 0
    assert not len(none.without(of_set({3})).starts)


def test_the_whole_sky():
    sky = of_set(set(range(PIXELS)))
    assert len(sky.starts) == 1
    assert sky.area_deg2 == pytest.approx(41252.96, abs=0.01)
    assert len(sky.areas(1)[0]) == 12
