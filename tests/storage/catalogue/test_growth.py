"""How partitions take new rows, on random skies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.growth import plan_growth
from jpasbatch.storage.catalogue.plan import PartitionOptions

MAP_ORDER = 3
CELLS = 12 * 4**MAP_ORDER
EMPTY = np.zeros(CELLS, np.int64)
OPTIONS = PartitionOptions(pixel_threshold=10, highest_order=MAP_ORDER)


def on_the_map(rows: dict[int, int]) -> np.ndarray:
    counts = EMPTY.copy()
    for cell, number in rows.items():
        counts[cell] += number
    return counts


def cells_of(order: int, pixel: int) -> range:
    width = 4 ** (MAP_ORDER - order)
    return range(pixel * width, (pixel + 1) * width)


def first_plan(counts, options=OPTIONS):
    """Partitions of a sky where there was nothing."""
    return [(one.order, one.pixel) for one in plan_growth(EMPTY, counts, [], [], options)]


rows = st.dictionaries(st.integers(0, CELLS - 1), st.integers(1, 5), max_size=40)


@given(rows, rows)
@settings(deadline=None)
def test_every_row_has_one_partition_and_no_partition_is_too_full(old, new):
    old, new = on_the_map(old), on_the_map(new)
    pixels = first_plan(old)
    plan = plan_growth(old, new, pixels, [], OPTIONS)
    covered = [cell for one in plan for cell in cells_of(one.order, one.pixel)]
    assert len(covered) == len(set(covered))
    assert set(np.flatnonzero(old + new)) <= set(covered)
    for one in plan:
        cells = cells_of(one.order, one.pixel)
        assert 0 < (old + new)[cells].sum() <= OPTIONS.pixel_threshold
        # rows of the catalogue are found in the source, and a partition is touched when, and only when, it must be
        holders = {pixel for pixel in pixels if old[cells].any() and set(cells) & set(cells_of(*pixel))}
        assert holders <= {one.source}
        assert one.touched == (new[cells].any() or (one.order, one.pixel) not in pixels)


@given(rows)
@settings(deadline=None)
def test_without_new_rows_all_stays(old):
    old = on_the_map(old)
    pixels = first_plan(old)
    plan = plan_growth(old, EMPTY, pixels, [], OPTIONS)
    assert [(one.order, one.pixel) for one in plan] == pixels
    assert not any(one.touched for one in plan)


def test_a_partition_that_loses_rows_is_touched():
    old = on_the_map({0: 3, 700: 3})
    (one, other) = first_plan(old)
    plan = plan_growth(old, EMPTY, [one, other], [other], OPTIONS)
    assert [part.touched for part in plan] == [False, True]


def test_a_new_partition_does_not_swallow_its_neighbour():
    """A partition of order 3 is there: new rows beside it cannot make one of order 0 that holds it."""
    plan = plan_growth(on_the_map({5: 2}), on_the_map({40: 2}), [(3, 5)], [], OPTIONS)
    assert [(one.order, one.pixel, one.touched) for one in plan] == [(3, 5, False), (1, 2, True)]


def test_a_crowded_pixel_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"3/7 would hold 11 rows.*\(10\): raise pixel_threshold"):
        plan_growth(on_the_map({7: 6}), on_the_map({7: 5}), [(3, 7)], [], OPTIONS)


def test_the_lowest_order_is_kept():
    options = PartitionOptions(pixel_threshold=10, lowest_order=2, highest_order=MAP_ORDER)
    assert first_plan(on_the_map({0: 1}), options) == [(2, 0)]
