"""Sums that do not depend on their order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.learning import exact_sums
from jpasbatch.learning.exact_sums import add_at, exact, inexact


@given(st.integers(0, 2**32), st.integers(0, 400))
def test_numbers_are_added_where_the_index_says(seed, rows):
    rng = np.random.default_rng(seed)
    found, true = np.full((2, 3, 4, 5), 7, dtype=np.int64)
    index = rng.integers(3, size=(rows, 1)), np.arange(4)[None, :], rng.integers(5, size=(rows, 4))
    units = rng.integers(0, 2**33, size=(rows, 4))
    add_at(found, index, units)
    np.add.at(true, index, units)
    assert np.array_equal(found, true)


def test_many_large_numbers_are_added_without_rounding(monkeypatch):
    monkeypatch.setattr(exact_sums, "AT_ONCE", 1000)
    units = np.full(200_000, 2**33 - 1, dtype=np.int64)
    total = np.zeros(2, dtype=np.int64)
    add_at(total, (np.arange(200_000) % 2,), units)
    assert total.tolist() == [100_000 * (2**33 - 1)] * 2


@given(st.lists(st.floats(0, 1, width=32), max_size=50))
def test_sums_come_back_within_a_unit_each(values):
    assert abs(inexact(exact(values).sum()) - sum(values)) <= (len(values) + 1) * 2**-32
