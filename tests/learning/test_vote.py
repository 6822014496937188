"""The vote of the members, and how sure of itself it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jpasbatch.errors import InputError
from jpasbatch.learning.judgement import entropy, vote


@pytest.mark.parametrize("n_members", [1, 2, 7, 8])
def test_the_vote_is_the_renormalised_median(n_members):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=(50, n_members)).astype(np.float32)
    median = np.median(probabilities.astype(np.float64), axis=1)
    np.testing.assert_allclose(vote(probabilities), median / median.sum(axis=1, keepdims=True), rtol=1e-12)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.floats(0, 1, width=32, allow_subnormal=True),
    )
)
def test_votes_always_sum_to_one(raw):
    raw[..., 0][raw.sum(axis=2) == 0] = 1.0
    result = vote((raw / raw.sum(axis=2, keepdims=True, dtype=np.float64)).astype(np.float32))
    assert result.dtype == np.float64
    assert ((result >= 0) & (result <= 1)).all()
    np.testing.assert_allclose(result.sum(axis=1), 1.0, atol=1e-9)


def test_members_that_contradict_each_other_give_their_mean():
    np.testing.assert_allclose(vote(np.eye(3, dtype=np.float32)[np.newaxis]), np.full((1, 3), 1 / 3))


def test_votes_that_are_not_finite_are_refused():
    broken = np.full((3, 2, 2), 0.5, np.float32)
    broken[1, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"not finite for 1 rows \(first: row 1\)"):
        vote(broken)


def test_entropy_runs_from_certain_to_undecided():
    probabilities = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4], dtype=np.float32)
    np.testing.assert_allclose(entropy(probabilities), [0.0, 1.0, 2.0], atol=1e-10)
    assert (entropy(probabilities) >= 0).all()
