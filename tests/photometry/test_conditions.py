"""Conditions of tiles: they follow from a tile's number, lie near those of real tiles, and scatter as told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.photometry.conditions import (
    FIRST_VIRTUAL_TILE,
    TYPICAL_SEEING,
    Conditions,
    RealTiles,
    conditions_of_tiles,
)
from jpasbatch.photometry.photometry import ab_magnitude

REAL = RealTiles(
    depth=np.array([[22.0, 23.0], [22.5, 23.5], [24.0, 21.0]]),
    seeing=np.array([[0.8, 0.9], [1.1, 1.2], [1.6, 1.5]]),
)
MANY = FIRST_VIRTUAL_TILE + np.arange(20_000)
FIELDS = ("sky", "zero_point", "seeing", "dust")


def conditions(tiles, scatter=(0.1, 0.04), seed=1, median_dust=0.02) -> Conditions:
    return conditions_of_tiles(np.asarray(tiles), REAL, seed, scatter, median_dust)


def depths(found: Conditions) -> np.ndarray:
    return ab_magnitude(5 * found.sky.astype(np.float64))


def repeated(found: Conditions) -> np.ndarray:
    """Return which real tile each tile repeats, by its seeing."""
    return np.argmin(np.abs(found.seeing[:, :1] - REAL.seeing[:, 0]), axis=1)


@settings(deadline=None)
@given(tiles=st.lists(st.integers(0, 2**40), min_size=1, max_size=12), data=st.data())
def test_a_tile_has_the_same_conditions_beside_any_others(tiles, data):
    order = data.draw(st.permutations(range(len(tiles))))[: data.draw(st.integers(1, len(tiles)))]
    whole, part = conditions(tiles), conditions([tiles[row] for row in order])
    for name in FIELDS:
        assert np.array_equal(getattr(part, name), getattr(whole, name)[order])


def test_another_seed_gives_another_night():
    one, other = conditions(MANY), conditions(MANY, seed=2)
    assert (one.sky != other.sky).mean() > 0.99
    assert (one.zero_point != other.zero_point).mean() > 0.99


def test_without_scatter_a_tile_repeats_a_real_one():
    found = conditions(MANY[:500], (0.0, 0.0))
    assert depths(found) == pytest.approx(REAL.depth[repeated(found)], abs=1e-4)
    assert found.seeing == pytest.approx(REAL.seeing[repeated(found)])
    assert (found.zero_point == 1).all()


def test_real_tiles_are_repeated_evenly():
    shares = np.bincount(repeated(conditions(MANY)), minlength=3) / MANY.size
    assert shares == pytest.approx(np.full(3, 1 / 3), abs=4 * np.sqrt(2 / 9 / MANY.size))


def test_depths_scatter_as_told():
    found = conditions(MANY, (0.3, 0.0))
    off = depths(found) - REAL.depth[repeated(found)]
    assert off.mean(axis=0) == pytest.approx([0, 0], abs=0.01)
    assert off.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.02)


def test_zero_points_scatter_as_told():
    off = -2.5 * np.log10(conditions(MANY, (0.0, 0.04)).zero_point.astype(np.float64))
    assert off.mean(axis=0) == pytest.approx([0, 0], abs=0.0012)
    assert off.std(axis=0) == pytest.approx([0.04, 0.04], rel=0.02)


def test_bands_scatter_apart():
    found = conditions(MANY, (0.3, 0.04))
    off = depths(found) - REAL.depth[repeated(found)]
    for pair in (off.T, found.zero_point.T, np.array([off[:, 0], found.zero_point[:, 0]])):
        assert abs(np.corrcoef(pair)[0, 1]) < 4 / np.sqrt(MANY.size)


def test_dust_is_lognormal_about_its_median():
    dust = conditions(MANY, median_dust=0.05).dust
    assert np.median(dust) == pytest.approx(0.05, rel=0.02)
    assert np.log(dust).std() == pytest.approx(0.5, rel=0.02)


def test_no_dust_where_none_is_wanted():
    assert (conditions(MANY, median_dust=0.0).dust == 0).all()


def test_a_survey_file_knows_depths_but_no_seeing(survey):
    known = RealTiles.of_survey(survey)
    assert known.depth.shape == known.seeing.shape == (len(survey.tiles), len(survey.bands))
    assert known.depth[1, 0] == survey.bands[0].tile_depths[1]
    assert (known.seeing == TYPICAL_SEEING).all()


def test_rows_can_be_chosen():
    found = conditions(MANY[:5])
    part = found[np.array([3, 1, 3])]
    for name in FIELDS:
        assert np.array_equal(getattr(part, name), getattr(found, name)[[3, 1, 3]])
