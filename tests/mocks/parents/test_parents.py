"""Parents: their permanent split, and sets of them that can be joined, taken apart and stored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.mocks.parents.parents import (
    HELD_OUT,
    SPLITS,
    Parents,
    from_basis,
    from_spectra,
    join,
    split_of,
)
from jpasbatch.mocks.spectra.grids import BLUE_PIXELS, OBSERVED_PIXELS, REST_PIXELS

NAMES = st.lists(st.text(max_size=12), min_size=1, max_size=20, unique=True)


def basis_of(number: int, width: int, prefix: str, kind: str = "G") -> Parents:
    """Return parents that are sums of a few random curves."""
    rng = np.random.default_rng(width)
    names = np.array([f"{prefix}-{one:03d}" for one in range(number)])
    return from_basis(
        rng.uniform(size=(width, REST_PIXELS)),
        rng.uniform(0.1, 1, (number, width)),
        names,
        kind,
        (2000.0, 9000.0),
    )


def spectra_of(number: int, prefix: str) -> Parents:
    rng = np.random.default_rng(9)
    names = np.array([f"{prefix}-{one:03d}" for one in range(number)])
    return from_spectra(
        rng.uniform(size=(number, REST_PIXELS)), names, "Sb", np.tile([1500.0, 8000.0], (number, 1))
    )


@pytest.mark.parametrize(
    ("name", "split"),
    [("boss-00042", "training"), ("kcorrect-00030", "validation"), ("star-G-00001", "test")],
)
def test_the_permanent_split_is_never_changed(name, split):
    """Whoever fails here must undo the change: committees trained before would be tested on what they know."""
    assert split_of(np.array([name])).tolist() == [split]


@pytest.mark.parametrize("pattern", ["boss-{:05d}", "star-M-{:05d}", "{}", "elg {:x}"])
def test_shares_are_80_10_10(pattern):
    number = 20_000
    split = split_of(np.array([pattern.format(one) for one in range(number)]))
    for name, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        assert (split == name).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / number))


@settings(deadline=None)
@given(names=NAMES, data=st.data())
def test_the_split_depends_on_the_name_alone(names, data):
    whole = split_of(np.array(names, dtype=object))
    others = data.draw(st.permutations(range(len(names))))[: data.draw(st.integers(1, len(names)))]
    assert split_of(np.array([names[row] for row in others], dtype=object)).tolist() == whole[others].tolist()
    assert set(whole) <= set(SPLITS)


def test_no_names_have_no_split():
    assert split_of(np.array([], dtype=str)).shape == (0,)


def test_parents_get_the_split_of_their_names():
    for parents in (basis_of(300, 2, "a"), spectra_of(5, "b")):
        assert np.array_equal(parents.split, split_of(parents.parent_id))


def test_rows_of_splits_hold_each_parent_once():
    parents = basis_of(300, 2, "a")
    rows = parents.rows_of_split
    assert set(rows) == {*SPLITS, HELD_OUT}
    assert np.array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(300))


def test_parents_are_found_by_kind_and_split():
    parents = join([basis_of(200, 2, "a", "G"), basis_of(200, 3, "b", "K"), basis_of(9, 1, "c", "M")])
    rows = parents.of_kind("test", "K", "M")
    assert set(parents.kind[rows]) <= {"K", "M"}
    assert set(parents.split[rows]) == {"test"}
    assert rows.size == ((parents.split == "test") & (parents.kind != "G")).sum()


def test_joined_parents_keep_their_spectra():
    parts = [basis_of(4, 2, "a"), spectra_of(3, "b"), basis_of(2, 5, "c")]
    joined = join(parts)
    assert len(joined) == 9
    expected = np.concatenate([part.rest(np.arange(len(part))) for part in parts])
    assert np.array_equal(joined.rest(np.arange(9)), expected)
    assert joined.parent_id.tolist() == [name for part in parts for name in part.parent_id]
    assert joined.blue.tolist() == [2000.0] * 4 + [1500.0] * 3 + [2000.0] * 2


def test_nothing_to_join_is_refused():
    with pytest.raises(ValueError, match="no parents"):
        join([])


def test_a_doubled_name_is_refused():
    with pytest.raises(InputError, match="same name"):
        join([basis_of(4, 2, "a"), basis_of(2, 2, "a")])


def test_curves_on_another_grid_are_refused():
    with pytest.raises(ValueError, match="3910"):
        from_basis(np.ones((1, 100)), np.ones((1, 1)), np.array(["a"]), "G", (1.0, 2.0))


def test_some_of_the_parents_can_be_taken():
    parents = join([basis_of(4, 2, "a"), spectra_of(3, "b")])
    rows = np.array([5, 0, 3])
    taken = parents.take(rows)
    assert taken.parent_id.tolist() == ["b-001", "a-000", "a-003"]
    assert np.array_equal(taken.rest(np.arange(3)), parents.rest(rows))


def test_arrays_make_the_same_parents_again():
    parents = join([basis_of(4, 2, "a"), spectra_of(3, "b")])
    arrays = parents.arrays()
    again = Parents.from_arrays(arrays)
    assert all(value.dtype != object for value in arrays.values())
    for name, value in vars(again).items():
        assert np.array_equal(value, getattr(parents, name)), name


def test_at_redshift_zero_a_parent_is_observed_at_rest():
    parents = join([basis_of(4, 2, "a"), spectra_of(3, "b")])
    rows = np.array([1, 6])
    expected = parents.rest(rows)[:, BLUE_PIXELS : BLUE_PIXELS + OBSERVED_PIXELS]
    assert parents.observed(rows, np.zeros(2)) == pytest.approx(expected, rel=1e-6)


def test_no_parents_are_observed_as_no_spectra():
    seen = basis_of(4, 2, "a").observed(np.array([], dtype=np.int64), np.array([]))
    assert seen.shape == (0, OBSERVED_PIXELS)
