import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.scoring.folds import member_folds, member_rows, stratified_folds

LABELS = np.array([0] * 1157 + [1] * 157)
NAMES = [str(number) for number in range(len(LABELS))]


def test_every_fold_has_its_share_of_every_class():
    fold = stratified_folds(NAMES, LABELS, 10, 0)
    sizes = np.bincount(fold, minlength=10)
    assert sizes.tolist() == [132] * 4 + [131] * 6
    for label in (0, 1):
        counts = np.bincount(fold[label == LABELS], minlength=10)
        assert counts.max() - counts.min() <= 1


def test_folds_follow_objects_and_not_their_order():
    fold = stratified_folds(NAMES, LABELS, 10, 0)
    order = np.random.default_rng(0).permutation(len(NAMES))
    np.testing.assert_array_equal(
        stratified_folds([NAMES[n] for n in order], LABELS[order], 10, 0), fold[order]
    )
    assert (stratified_folds(NAMES, LABELS, 10, 1) != fold).mean() > 0.8


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(InputError, match="class number 1 has 3 objects, too few for 5 folds"):
        stratified_folds(NAMES[:13], np.array([0] * 10 + [1] * 3), 5, 0)


@given(st.integers(3, 12), st.integers(1, 12))
def test_no_member_sees_the_fold_it_is_tested_on(folds, members):
    fold = np.arange(60) % folds
    validated_by_fold = {k: [] for k in range(folds)}
    for tested, validated in member_folds(folds, members, nested=True):
        learns, validates = member_rows(fold, tested, validated)
        assert not (learns & validates).any()
        assert not ((learns | validates) & (fold == tested)).any()
        assert (learns | validates | (fold == tested)).all()
        validated_by_fold[int(tested)].append(int(validated))
    for found in validated_by_fold.values():
        assert len(found) == members
        assert len(set(found)) == min(members, folds - 1)


def test_without_nesting_the_tested_fold_validates():
    pairs = member_folds(10, 2, nested=False)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    learns, validates = member_rows(np.arange(20) % 10, 3, 3)
    assert (learns.sum(), validates.sum()) == (18, 2)


def test_the_first_members_are_one_of_each_fold():
    assert member_folds(4, 3, True)[:4, 0].tolist() == [0, 1, 2, 3]
