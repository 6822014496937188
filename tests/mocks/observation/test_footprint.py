"""Where a sky lies: whole tiles of equal area, exact in sum, and the HEALPix pixels that hold them."""

import healpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
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
from jpasbatch.photometry.streams import ObjectStreams

STREAMS = ObjectStreams(1, np.arange(4000)).named("place")
FIRST, SECOND = STREAMS.uniform(), STREAMS.uniform()

CENTRES = {
    "field": (214.5, 52.6),
    "equator": (150.0, 0.0),
    "across zero": (0.0, 30.0),
    "just below 360": (359.9, -10.0),
    "north": (100.0, 84.0),
    "south": (300.0, -84.0),
}


def footprint_or_none(ra: float, dec: float, area: float, tile_area: float) -> Footprint | None:
    """Return a footprint, or None where its area does not fit."""
    footprint = Footprint(ra, dec, area, tile_area)
    try:
        footprint.tile_of(np.zeros(1), np.zeros(1))
    except InputError:
        return None
    return footprint


FOOTPRINTS = st.builds(
    footprint_or_none,
    st.floats(0.0, 360.0),
    st.floats(-85.0, 85.0),
    st.floats(0.05, 5000.0),
    st.floats(0.02, 20.0),
).filter(lambda footprint: footprint is not None)


@pytest.fixture(params=CENTRES.values(), ids=CENTRES.keys())
def footprint(request) -> Footprint:
    return Footprint(*request.param, 30.0, 0.7)


@settings(deadline=None)
@given(footprint=FOOTPRINTS)
def test_every_position_lies_in_a_tile(footprint):
    ra, dec = footprint.positions(FIRST, SECOND)
    tile = footprint.tile_of(ra, dec)
    assert ((tile >= 0) & (tile < footprint.tiles)).all()
    assert ((ra >= 0) & (ra < 360)).all()


def test_all_tiles_are_reached_evenly(footprint):
    counts = np.bincount(footprint.tile_of(*footprint.positions(FIRST, SECOND)), minlength=footprint.tiles)
    assert counts.size == footprint.tiles == 43
    assert counts.min() > 0
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 42 + 4 * np.sqrt(84)


def test_the_area_is_exact(footprint):
    """By the cells whose centres lie in a tile: 10,000 of them, some hundreds at the border."""
    cells = footprint.pixels(CELL_ORDER)
    ra, dec = healpy.pix2ang(2**CELL_ORDER, cells, nest=True, lonlat=True)
    inside = footprint.tile_of(ra, dec) != OUTSIDE
    assert inside.sum() * pixel_area_deg2(CELL_ORDER) == pytest.approx(30.0, rel=0.01)


def test_positions_are_uniform_in_area(footprint):
    """The mean sine of the declination and the mean position are those of the cells inside."""
    cells = footprint.pixels(CELL_ORDER)
    ra, dec = healpy.pix2ang(2**CELL_ORDER, cells, nest=True, lonlat=True)
    inside = footprint.tile_of(ra, dec) != OUTSIDE
    expected = healpy.ang2vec(ra[inside], dec[inside], lonlat=True)
    drawn = healpy.ang2vec(*footprint.positions(FIRST, SECOND), lonlat=True)
    error = drawn.std(axis=0) / np.sqrt(FIRST.size)
    assert (np.abs(drawn.mean(axis=0) - expected.mean(axis=0)) < 4 * error + 1e-5).all()


def test_a_footprint_across_zero_has_both_sides():
    footprint = Footprint(0.0, 30.0, 4.0, 1.0)
    ra, dec = footprint.positions(FIRST, SECOND)
    assert (ra < 2).mean() == pytest.approx(0.5, abs=0.04)
    assert (ra > 358).mean() == pytest.approx(0.5, abs=0.04)
    other = Footprint(360.0, 30.0, 4.0, 1.0)
    assert np.array_equal(other.tile_of(ra, dec), footprint.tile_of(ra, dec))


def test_right_ascension_may_be_given_beyond_a_turn(footprint):
    ra, dec = footprint.positions(FIRST, SECOND)
    tile = footprint.tile_of(ra, dec)
    for turned in (ra - 360, ra + 360):
        assert (footprint.tile_of(turned, dec) == tile).mean() > 0.999  # one may sit on a border


def test_what_lies_far_off_is_outside(footprint):
    ra, dec = np.array([footprint.ra, footprint.ra + 180]), np.array([-footprint.dec / 2 + 40, 0.0])
    assert (footprint.tile_of(ra, dec) == OUTSIDE).all()


@pytest.mark.parametrize(("area", "tile_area", "tiles"), [(1.0, 1.0, 1), (10.0, 0.9, 11), (0.3, 1.0, 1)])
def test_the_area_is_divided_into_whole_tiles(area, tile_area, tiles):
    assert Footprint(214.5, 52.6, area, tile_area).tiles == tiles


@pytest.mark.parametrize(
    ("dec", "area", "tile_area"),
    [(0.0, 42_000.0, 1.0), (84.0, 3000.0, 1.0), (-84.0, 3000.0, 5.0), (0.0, 20_000.0, 20_000.0)],
)
def test_an_area_that_does_not_fit_is_refused(dec, area, tile_area):
    with pytest.raises(InputError, match=rf"{area:g} deg2 does not fit around dec = {dec:g}"):
        Footprint(10.0, dec, area, tile_area).pixels(3)


def test_a_tile_that_is_wider_than_the_sky_is_refused():
    with pytest.raises(InputError, match="does not fit"):
        Footprint(0.0, 89.9, 20.0, 20.0).pixels(3)


def test_half_of_the_sky_fits_around_the_equator():
    footprint = Footprint(10.0, 0.0, 15_000.0, 10.0)
    tile = footprint.tile_of(*footprint.positions(FIRST, SECOND))
    assert (tile != OUTSIDE).all()
    assert np.unique(tile).size > 1000


@settings(max_examples=60, deadline=None)
@given(footprint=FOOTPRINTS, order=st.integers(0, 8))
def test_the_pixels_hold_every_position(footprint, order):
    pixels = footprint.pixels(order)
    ra, dec = footprint.positions(FIRST, SECOND)
    held = healpy.ang2pix(2**order, ra, dec, nest=True, lonlat=True)
    assert np.isin(held, pixels).all()
    assert (np.diff(pixels) > 0).all()
    assert pixels[0] >= 0
    assert pixels[-1] < 12 * 4**order


@pytest.mark.parametrize("order", [7, 8, 10])
def test_few_pixels_hold_nothing(footprint, order):
    """43 tiles lie in 7 rows of 7; beyond these, pixels are off by less than thrice their side."""
    whole, size = 30.0 * 49 / 43, np.sqrt(pixel_area_deg2(order))
    assert len(footprint.pixels(order)) * size**2 < (np.sqrt(whole) + 6 * size) ** 2


@settings(max_examples=40, deadline=None)
@given(footprint=FOOTPRINTS, order=st.integers(3, 7))
def test_the_cells_of_the_pixels_hold_every_position(footprint, order):
    ra, dec = footprint.positions(FIRST[:50], SECOND[:50])
    held = healpy.ang2pix(2**CELL_ORDER, ra, dec, nest=True, lonlat=True)
    for pixel in np.unique(held >> 2 * (CELL_ORDER - order)):
        cells = cells_of(order, int(pixel), footprint)
        assert (cells >> 2 * (CELL_ORDER - order) == pixel).all()
        assert np.unique(cells).size == cells.size
        assert np.isin(held[held >> 2 * (CELL_ORDER - order) == pixel], cells).all()


def test_cells_far_from_the_footprint_are_left_out():
    footprint = Footprint(214.5, 52.6, 0.5, 0.5)
    (pixel,) = set(healpy.ang2pix(1, *footprint.positions(FIRST, SECOND), nest=True, lonlat=True).tolist())
    assert cells_of(0, pixel, footprint).size < 3 * 0.5 / pixel_area_deg2(CELL_ORDER)


@settings(deadline=None)
@given(cell=st.integers(0, 12 * 4**CELL_ORDER - 1))
def test_positions_in_a_cell_lie_in_it(cell):
    bits = ObjectStreams(cell, np.arange(50)).named("place").bits(1)[:, 0]
    index, ra, dec = positions_in(np.full(50, cell), bits)
    assert (index >> 2 * (INDEX_ORDER - CELL_ORDER) == cell).all()
    assert (healpy.ang2pix(2**CELL_ORDER, ra, dec, nest=True, lonlat=True) == cell).all()


@settings(deadline=None)
@given(word=st.sampled_from([0, 2**64 - 1]), cell=st.integers(0, 12 * 4**CELL_ORDER - 1))
def test_the_ends_of_a_cell_are_in_it(word, cell):
    index, _, _ = positions_in(np.array([cell]), np.array([word], dtype=np.uint64))
    assert index[0] >> 2 * (INDEX_ORDER - CELL_ORDER) == cell


def test_positions_in_a_cell_fill_it_evenly():
    bits = ObjectStreams(1, np.arange(20_000)).named("place").bits(1)[:, 0]
    index, _, _ = positions_in(np.full(bits.size, 77), bits)
    quarter = (index >> 2 * (INDEX_ORDER - CELL_ORDER) - 4) & 15
    counts = np.bincount(quarter, minlength=16)
    assert counts == pytest.approx(np.full(16, 1250), abs=4.5 * np.sqrt(1250))


def test_the_index_is_that_of_the_position():
    bits = ObjectStreams(1, np.arange(20_000)).named("place").bits(1)[:, 0]
    index, ra, dec = positions_in(np.arange(20_000) * 600, bits)
    assert np.array_equal(index_of(ra, dec), index)
