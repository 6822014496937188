"""Which rows of overlapping tiles are one object, and which of them is kept: on skies whose truth is known."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.overlaps import ARCSEC, OverlapOptions, choose_rows, link_rows, quality

RADIUS = 0.5
KEEP = OverlapOptions().keep


def names(number: int) -> pa.Array:
    return pa.array([f"id-{row}" for row in range(number)])


def near(ra: float, dec: float, east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (deg) at offsets (arcsec) in the tangential plane of a place, wherever it lies."""
    alpha, delta = np.radians(ra), np.radians(dec)
    centre = [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)]
    to_east = [-np.sin(alpha), np.cos(alpha), 0]
    to_north = [-np.sin(delta) * np.cos(alpha), -np.sin(delta) * np.sin(alpha), np.cos(delta)]
    points = np.add(centre, ARCSEC * (np.outer(east, to_east) + np.outer(north, to_north)))
    x, y, z = points.T / np.linalg.norm(points, axis=1)
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def kept_of(ra, dec, source, qualities=None, ids=None, radius=RADIUS):
    """Return for each row the row that stands for it."""
    ids = names(len(ra)) if ids is None else ids
    qualities = np.zeros((len(ra), 3)) if qualities is None else qualities
    links = link_rows(ra, dec, np.asarray(source), ids, radius)
    through = choose_rows(links, qualities, ids, KEEP)
    row = np.arange(len(ra))
    return np.where(through < 0, row, (links.one + links.other)[through] - row if len(links.one) else row)


PLACES = [
    (0.0, 0.0),
    (359.99999, 10.0),
    (120.0, 89.9999),
    (45.0, 90.0),
    (300.0, -89.99995),
    (45.0, 41.8103149),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_four_tiles_that_meet_leave_one_row_anywhere_on_the_sphere(place):
    east, north = np.array([0.0, 0.1, -0.1, 0.05, 3.0]), np.array([0.0, 0.1, 0.1, -0.1, 0.0])
    kept = kept_of(*near(place[0], place[1], east, north), [1, 2, 3, 4, 1])
    assert len(set(kept[:4])) == 1
    assert kept[4] == 4


def test_two_objects_of_one_tile_are_two():
    east, north = np.array([0.0, 0.4, 0.02, 0.38]), np.zeros(4)
    kept = kept_of(*near(10, 20, east, north), [1, 1, 2, 2])
    assert kept[0] == kept[2] != kept[1] == kept[3]
    assert kept_of(*near(10, 20, east[:2], north[:2]), [1, 1]).tolist() == [0, 1]


def test_a_single_row_does_not_take_the_neighbour_of_its_counterpart():
    # the first tile blends nothing and missed one object: that of the second tile stays
    kept = kept_of(*near(10, 20, np.array([0.0, 0.05, 0.45]), np.zeros(3)), [1, 2, 2])
    assert kept[0] == kept[1]
    assert kept[2] == 2


@pytest.mark.parametrize(("separation", "joined"), [(0.499, True), (0.501, False)])
def test_the_radius_is_the_radius(separation, joined):
    kept = kept_of(*near(200, -60, np.array([0.0, separation]), np.zeros(2)), [1, 2])
    assert (kept[0] == kept[1]) == joined


def test_the_end_of_a_chain_that_is_too_far_from_the_kept_row_stays():
    qualities = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0]])
    kept = kept_of(*near(10, 20, np.array([0.0, 0.4, 0.8]), np.zeros(3)), [1, 2, 3], qualities)
    assert kept.tolist() == [0, 0, 2]


def test_the_best_row_is_kept_by_the_first_criterion_that_differs():
    flags = np.array([0, 3, 0], np.int32)
    error = np.array([[0.5, 0.5], [0.1, 0.1], [0.2, np.nan]], np.float32)
    found = quality(flags, np.array([0, 0, -1], np.int32), error, reference=0)
    assert found[:, 0].tolist() == [0, 2, 32]
    assert found[:, 1].tolist() == [0, 0, 1]
    places = near(10, 20, np.array([0.0, 0.1, 0.2]), np.zeros(3))
    links, ids = link_rows(*places, np.arange(3), names(3), RADIUS), names(3)
    best = {keep: np.flatnonzero(choose_rows(links, found, ids, (keep,)) < 0).tolist() for keep in KEEP}
    assert best["flags"] == [0]
    assert best["error"] == [1]
    assert best["bands"] in ([0], [1])


skies = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(skies, st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_the_outcome_does_not_depend_on_the_order_of_rows(rng, number):
    """Crowded beyond any sky, so that chains and ties are common."""
    ra, dec = near(0.0, 30.0, rng.integers(-6, 7, number) / 5, rng.integers(-6, 7, number) / 5)
    source, qualities = rng.integers(0, 4, number), rng.integers(0, 2, (number, 3)).astype(float)
    ids = names(number)
    kept = kept_of(ra, dec, source, qualities, ids)
    order = rng.permutation(number)
    again = kept_of(ra[order], dec[order], source[order], qualities[order], ids.take(pa.array(order)))
    assert (order[again] == kept[order]).all()
    dropped = kept != np.arange(number)
    assert (kept[kept[dropped]] == kept[dropped]).all()  # what stands for a row is kept itself
    assert (source[kept[dropped]] != source[dropped]).all()
    for row in np.flatnonzero(~dropped):  # at most one row of each other tile
        given_up = np.flatnonzero(dropped & (kept == row))
        assert len(set(source[given_up])) == len(given_up)


def test_a_whole_table_at_one_place_is_refused():
    with pytest.raises(InputError, match="The positions are wrong"):
        link_rows(np.zeros(300), np.zeros(300), np.arange(300), names(300), RADIUS)


def test_no_rows_are_no_trouble():
    links = link_rows(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), names(0), RADIUS)
    assert choose_rows(links, np.zeros((0, 3)), names(0), KEEP).tolist() == []


@pytest.mark.parametrize(
    "options", [{"radius_arcsec": 0.0}, {"keep": ()}, {"keep": ("flags", "flags")}, {"keep": ("depth",)}]
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        OverlapOptions(**options)
