"""Sums that do not depend on their order."""

from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.learning.exact_sums import exact, inexact


@given(st.lists(st.floats(0, 1, width=32), max_size=50))
def test_sums_come_back_within_a_unit_each(values):
    assert abs(inexact(exact(values).sum()) - sum(values)) <= (len(values) + 1) * 2**-32
