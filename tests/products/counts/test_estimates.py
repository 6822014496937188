"""Intervals of counts: they hold as often as they say, whatever the unit, and grow with every error."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from jpasbatch.products.counts.estimates import ONE_SIGMA, CountEstimate
from jpasbatch.products.counts.tally import poisson_count

NAN = float("nan")


def estimate(value, counting, calibration=NAN, systematic=NAN):
    """Return a number with errors."""
    return CountEstimate(value, counting, calibration, systematic, NAN, value, NAN)


@pytest.mark.parametrize(
    ("means", "within"), [((2.0, 8.0), 0.025), ((20.0, 35.0), 0.01), ((100.0, 130.0), 0.01)]
)
@pytest.mark.parametrize("share", [ONE_SIGMA, 0.95])
def test_intervals_hold_as_often_as_they_say(means, within, share):
    """Of counts of densities that are near to each other; for one of them whole numbers may be above or below."""
    numbers = np.arange(200)
    each = [estimate(float(one), max(one, 0.25) ** 0.5).interval_of(share) for one in numbers]
    lower, upper = (np.array([getattr(one, end) for one in each]) for end in ("lower", "upper"))
    held = [
        poisson.pmf(numbers, mean)[(lower <= mean) & (mean <= upper)].sum()
        for mean in np.linspace(*means, 150)
    ]
    assert np.mean(held) == pytest.approx(share, abs=within)


def test_limits_of_whole_counts_hold_too_often():
    """What the intervals of Gehrels give instead: the reason for others."""
    each = [poisson_count(float(one)) for one in range(60)]
    means = np.linspace(3.0, 8.0, 100)
    held = [
        sum(poisson.pmf(n, mean) for n, one in enumerate(each) if one.lower <= mean <= one.upper)
        for mean in means
    ]
    assert np.mean(held) > 0.75


NUMBERS = st.floats(0.0, 1e6)
ERRORS = st.floats(1e-3, 1e4)


@given(NUMBERS, ERRORS, st.floats(0.0, 1e4), st.floats(0.1, 100.0))
def test_intervals_are_ordered_nested_and_of_any_unit(value, counting, other, area):
    alone, with_other = estimate(value, counting), estimate(value, counting, other, other)
    for one in (alone, with_other):
        narrow, wide = one.interval, one.wide_interval
        assert 0.0 <= wide.lower <= narrow.lower <= value <= narrow.upper <= wide.upper
        scaled = one.per(area).interval
        assert scaled.lower == pytest.approx(narrow.lower / area, rel=1e-9, abs=1e-9)
        assert scaled.upper == pytest.approx(narrow.upper / area, rel=1e-9)
    assert with_other.interval.lower <= alone.interval.lower
    assert with_other.interval.upper >= alone.interval.upper


@given(ERRORS, st.sampled_from([ONE_SIGMA, 0.95]))
def test_intervals_do_not_leap_where_a_number_becomes_its_error(counting, share):
    below, above = (
        estimate(counting * factor, counting).interval_of(share) for factor in (1 - 1e-6, 1 + 1e-6)
    )
    assert below.upper == pytest.approx(above.upper, rel=1e-4)
    assert below.lower == pytest.approx(above.lower, rel=1e-4, abs=1e-4 * counting)


def test_large_numbers_have_symmetric_intervals():
    found = estimate(1e6, 1e3, 2e3, 2e3)
    assert found.interval.upper - 1e6 == pytest.approx(3e3, rel=0.01)
    assert 1e6 - found.wide_interval.lower == pytest.approx(1.96 * 3e3, rel=0.01)


def test_nothing_found_of_what_looks_like_others_may_be_much():
    found = estimate(1e-3, 300.0)
    assert found.interval.lower == 0.0
    assert 300.0 < found.interval.upper < 600.0
    assert found.wide_interval.upper > 2 * 300.0


@pytest.mark.parametrize("value", [0.0, 3.0, 40.0])
def test_a_number_without_a_known_error_is_taken_for_a_whole_count(value):
    found = estimate(value, NAN)
    assert found.interval.upper == pytest.approx(poisson_count(value).upper, rel=1e-3)
    assert found.wide_interval.upper > found.interval.upper
    assert replace(found, counting=0.0).interval == found.interval
