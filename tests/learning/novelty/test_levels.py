"""Levels: how rare a number is among ordinary objects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.learning.novelty.ordinary import FEWEST, HIGHEST_LEVEL, MOST_BINS, Levels


@pytest.fixture(scope="module")
def sample():
    """Return numbers that grow with magnitude and differ between three groups, the last of them small."""
    rng = np.random.default_rng(4)
    group = rng.choice(3, 20_000, p=[0.6, 0.39, 0.01])
    magnitude = rng.uniform(17, 23, group.size)
    return (1 + group) * magnitude * rng.gamma(5, size=group.size), group, magnitude


@pytest.fixture(scope="module")
def levels(sample):
    return Levels.fit(*sample, groups=3, resolution=0.01)


def test_one_in_a_hundred_has_a_level_of_two(sample, levels):
    number, group, magnitude = sample
    level = levels(number, group, magnitude)
    for one in range(2):
        for low in range(17, 23):
            rows = (group == one) & (magnitude >= low) & (magnitude < low + 1)
            assert (level[rows] > 2).mean() == pytest.approx(0.01, abs=0.006)
            assert (level[rows] > 1).mean() == pytest.approx(0.10, abs=0.025)


def test_a_group_with_few_objects_takes_the_distribution_of_all(sample, levels):
    number, group, _ = sample
    assert (group == 2).sum() < FEWEST
    assert levels.value[2].min() == number.min() < number[group == 2].min()
    assert levels.centre.shape[1] <= MOST_BINS


def test_levels_rise_with_the_number_and_end(levels):
    number = np.geomspace(0.1, 1e6, 300)
    level = levels(number, np.zeros(300, dtype=int), np.full(300, 20.0))
    assert (np.diff(level) >= 0).all()
    assert level.min() == 0.0
    assert level.max() == HIGHEST_LEVEL


def test_beyond_the_magnitudes_the_nearest_bin_counts(levels):
    number, group = np.full(2, 300.0), np.zeros(2, dtype=int)
    far = levels(number, group, np.array([10.0, 99.0]))
    near = levels(number, group, np.array([levels.centre[0, 0], levels.centre[0, -1]]))
    assert far.tolist() == near.tolist()


@given(st.lists(st.floats(0, 1e-6), min_size=20, max_size=40), st.floats(0, 1))
def test_numbers_that_hardly_differ_make_no_high_level(numbers, other):
    size = len(numbers)
    levels = Levels.fit(np.array(numbers), np.zeros(size, int), np.linspace(18, 22, size), 1, resolution=0.1)
    assert levels.is_valid(1)
    level = levels(np.array([other]), np.zeros(1, int), np.array([20.0]))[0]
    assert level <= other / 0.1 + 1e-3


def test_arrays_of_others_are_not_valid(levels):
    assert levels.is_valid(3)
    assert not levels.is_valid(4)
    broken = levels.value.copy()
    broken[0, 0, 3] = np.nan
    assert not Levels(levels.centre, broken).is_valid(3)
    assert not Levels(levels.centre, levels.value[:, :, ::-1]).is_valid(3)
    assert not Levels(levels.centre[0], levels.value).is_valid(3)
