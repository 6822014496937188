"""Streams of random numbers by object: the same wherever an object is made, and as random as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from jpasbatch.photometry.streams import NamedStream, ObjectStreams, gaussian_pairs

MANY = np.arange(200_000)

ANY_ID = st.integers(-(2**63), 2**63 - 1)
SOME_IDS = st.lists(ANY_ID, min_size=1, max_size=20, unique=True)

DRAWS = {
    "uniform": lambda stream, n: stream.uniform(),
    "uniform matrix": lambda stream, n: stream.uniform(-1.0, 2.0, (n, 3)),
    "normal": lambda stream, n: stream.normal(1.0, 2.0, n),
    "exponential": lambda stream, n: stream.exponential(),
    "integers": lambda stream, n: stream.integers(7),
    "choice": lambda stream, n: stream.choice(np.array([0.2, 0.5, 0.3])),
    "bits": lambda stream, n: stream.bits(4),
}


@pytest.fixture(scope="module")
def stream():
    """Return a function that starts a stream of many objects."""
    return ObjectStreams(3, MANY).named


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
@settings(deadline=None)
@given(ids=SOME_IDS, seed=st.integers(0, 2**64 - 1), data=st.data())
def test_an_object_draws_the_same_beside_any_others(draw, ids, seed, data):
    others = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=25))  # any order, some twice
    whole = draw(ObjectStreams(seed, np.array(ids)).named("colour"), len(ids))
    part = draw(ObjectStreams(seed, np.array(others)).named("colour"), len(others))
    assert np.array_equal(part, whole[[ids.index(one) for one in others]])


@settings(deadline=None)
@given(ids=SOME_IDS, data=st.data())
def test_some_of_the_streams_are_the_streams_of_some(ids, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=9)), dtype=np.int64)
    streams = ObjectStreams(11, np.array(ids))
    assert len(streams[rows]) == rows.size
    assert np.array_equal(streams[rows].named("a").normal(), streams.named("a").normal()[rows])


@settings(deadline=None)
@given(ids=st.lists(ANY_ID, min_size=2, max_size=200, unique=True), seed=st.integers(0, 2**64 - 1))
def test_no_two_objects_share_a_key(ids, seed):
    assert np.unique(ObjectStreams(seed, np.array(ids)).keys).size == len(ids)


def test_calls_of_one_stream_differ_and_repeat_in_order():
    one, other = (ObjectStreams(1, MANY[:50]).named("a") for _ in range(2))
    first, second = one.uniform(), one.uniform()
    assert not np.isin(first, second).any()
    assert np.array_equal(other.uniform(), first)
    assert np.array_equal(other.uniform(), second)


def test_a_wider_draw_begins_with_the_narrower():
    narrow, wide = (ObjectStreams(1, MANY[:50]).named("a").bits(columns) for columns in (4, 9))
    assert np.array_equal(wide[:, :4], narrow)


OTHERWISE = {
    "another seed": lambda: ObjectStreams(4, MANY).named("a").normal(),
    "another purpose": lambda: ObjectStreams(3, MANY).named("b").normal(),
    "the next object": lambda: ObjectStreams(3, MANY + 1).named("a").normal(),
    "the opposite object": lambda: ObjectStreams(3, -MANY - 1).named("a").normal(),
    "the next column": lambda: ObjectStreams(3, MANY).named("a").normal(size=(MANY.size, 2))[:, 1],
}


@pytest.mark.parametrize("draw", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_other_draws_are_unrelated(stream, draw):
    one, other = stream("a").normal(), draw()
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(MANY.size)
    assert (one == other).mean() < 1e-4


@pytest.mark.parametrize("ids", [MANY, -MANY, MANY << 20, (5 << 52) + MANY, 2**63 - 1 - MANY])
def test_uniform_numbers_of_any_ids_are_uniform(ids):
    drawn = ObjectStreams(0, ids).named("place").uniform()
    assert kstest(drawn, "uniform").pvalue > 1e-3
    assert drawn.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * ids.size))
    assert drawn.var() == pytest.approx(1 / 12, rel=0.01)


def test_normal_numbers_are_normal(stream):
    drawn = stream("a").normal(2.0, 3.0)
    assert kstest((drawn - 2) / 3, "norm").pvalue > 1e-3
    assert drawn.mean() == pytest.approx(2.0, abs=4 * 3 / np.sqrt(MANY.size))
    assert drawn.std() == pytest.approx(3.0, rel=4 / np.sqrt(2 * MANY.size))


def test_exponential_numbers_are_exponential(stream):
    drawn = stream("a").exponential(0.5)
    assert kstest(drawn / 0.5, "expon").pvalue > 1e-3
    assert drawn.min() > 0
    assert drawn.var() == pytest.approx(0.25, rel=0.02)


def test_limits_and_scales_may_differ_by_object():
    streams = ObjectStreams(2, MANY[:1000])
    low = np.linspace(-5, 5, 1000)
    drawn = streams.named("a").uniform(low, low + 0.1)
    assert ((drawn > low) & (drawn < low + 0.1)).all()
    assert (streams.named("a").exponential(np.zeros(1000)) == 0).all()


def test_columns_are_independent(stream):
    drawn = stream("a").normal(size=(MANY.size, 4))
    correlation = np.corrcoef(drawn.T) - np.eye(4)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(MANY.size)


def test_integers_reach_all_numbers_evenly(stream):
    counts = np.bincount(stream("a").integers(10), minlength=10)
    assert counts.size == 10
    assert counts == pytest.approx(np.full(10, MANY.size / 10), abs=4.5 * np.sqrt(MANY.size * 0.09))


def test_integers_may_have_a_limit_each(stream):
    high = 1 + MANY % 5
    drawn = stream("a").integers(high)
    assert (drawn >= 0).all()
    assert (drawn < high).all()
    assert {int(drawn[high == limit].max()) for limit in range(1, 6)} == set(range(5))


def test_choice_follows_shares_that_need_not_sum_to_one(stream):
    drawn = stream("a").choice(np.array([2.0, 0.0, 6.0]))
    assert (np.bincount(drawn, minlength=3) / MANY.size) == pytest.approx([0.25, 0.0, 0.75], abs=0.005)


def test_choice_with_shares_of_each_object(stream):
    wanted = MANY % 3
    assert np.array_equal(stream("a").choice(np.eye(3)[wanted]), wanted)


@pytest.mark.parametrize("size", [4, (4,), (4, 2), (5, 2, 2)])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match="5 objects"):
        ObjectStreams(1, MANY[:5]).named("a").uniform(size=size)


def test_no_objects_draw_nothing():
    streams = ObjectStreams(1, np.array([], dtype=np.int64))
    assert streams.named("a").normal(size=(0, 3)).shape == (0, 3)
    assert streams.named("a").integers(4).shape == (0,)


def test_extreme_words_stay_within_the_limits(monkeypatch):
    words = np.array([[0], [2**64 - 1]], dtype=np.uint64)
    monkeypatch.setattr(NamedStream, "bits", lambda stream, columns: words.copy())
    stream = ObjectStreams(1, MANY[:2]).named("a")
    assert (stream.uniform() > 0).all()
    assert (stream.uniform() < 1).all()
    assert np.isfinite(stream.normal()).all()
    assert stream.integers(10).tolist() == [0, 9]


@pytest.fixture(scope="module")
def pairs():
    """Return a million of each kind of number."""
    return gaussian_pairs(ObjectStreams(9, MANY).named("pairs").bits(5).ravel())


@pytest.mark.parametrize("which", [0, 1])
def test_gaussian_pairs_are_gaussian(pairs, which):
    drawn = pairs[which]
    assert drawn.dtype == np.float32
    assert drawn.mean() == pytest.approx(0.0, abs=4e-3)
    assert drawn.std() == pytest.approx(1.0, abs=3e-3)
    assert kstest(drawn[::5], "norm").pvalue > 1e-3


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("side", [-1, 1])
def test_gaussian_pairs_have_gaussian_tails(pairs, which, side):
    expected = norm.sf(3.0)
    assert (side * pairs[which] > 3).mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 1e6))


def test_gaussian_pairs_are_independent(pairs):
    first, second, coarse = (part.astype(np.float64) for part in pairs)
    for one, other in ((first, second), (first, coarse), (second, coarse)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4e-3
        assert abs(np.corrcoef(np.abs(one), np.abs(other))[0, 1]) < 4e-3


def test_the_coarse_number_is_uniform(pairs):
    coarse = pairs[2]
    assert coarse.dtype == np.uint16
    counts = np.bincount(coarse >> 8, minlength=256)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() == pytest.approx(255, abs=4 * np.sqrt(510))
    low = np.bincount(coarse & 255, minlength=256)
    assert ((low - low.mean()) ** 2 / low.mean()).sum() == pytest.approx(255, abs=4 * np.sqrt(510))


def test_extreme_words_give_finite_pairs():
    first, second, coarse = gaussian_pairs(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()
    assert first[0] == pytest.approx(5.77, abs=0.01)
    assert coarse.tolist() == [0, 65535]
