import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.scoring.ranking import area, area_difference, completeness_at, rank_class, roc_curve


def sample(rows, seed, shift=1.0):
    rng = np.random.default_rng(seed)
    belongs = rng.random(rows) < 0.3
    return rng.normal(size=rows) + shift * belongs, belongs


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_that_of_scikit_learn_ties_included(rows):
    from sklearn.metrics import roc_auc_score

    score = np.array([value for value, _ in rows], dtype=float)
    belongs = np.array([truth for _, truth in rows])
    if belongs.all() or not belongs.any():
        assert np.isnan(area(score, belongs).value)
    else:
        assert area(score, belongs).value == pytest.approx(roc_auc_score(belongs, score))


def test_the_error_is_that_of_many_samples():
    areas = [area(*sample(400, seed)) for seed in range(300)]
    assert np.std([one.value for one in areas]) == pytest.approx(
        np.mean([one.error for one in areas]), rel=0.12
    )


def test_a_paired_difference_has_a_smaller_error():
    score, belongs = sample(500, 1)
    rng = np.random.default_rng(2)
    other = score + rng.normal(scale=0.3, size=500)
    found = area_difference(score, other, belongs)
    assert found.value == pytest.approx(area(score, belongs).value - area(other, belongs).value)
    alone = np.hypot(area(score, belongs).error, area(other, belongs).error)
    assert 0 < found.error < 0.6 * alone
    assert area_difference(score, score, belongs).error == pytest.approx(0.0, abs=1e-9)


def test_the_error_of_a_difference_is_that_of_many_samples():
    found = []
    for seed in range(300):
        score, belongs = sample(300, seed)
        other = score + np.random.default_rng(1000 + seed).normal(scale=0.5, size=300)
        found.append(area_difference(score, other, belongs))
    assert np.std([one.value for one in found]) == pytest.approx(
        np.mean([one.error for one in found]), rel=0.15
    )


def test_the_curve_encloses_the_area():
    score, belongs = sample(2000, 3)
    false_positive, true_positive = roc_curve(score, belongs)
    assert (false_positive[0], false_positive[-1], true_positive[-1]) == (0.0, 1.0, 1.0)
    assert (np.diff(true_positive) >= 0).all()
    assert np.trapezoid(true_positive, false_positive) == pytest.approx(area(score, belongs).value, abs=0.005)


def test_folds_are_scored_one_by_one():
    score, belongs = sample(1000, 4)
    fold = np.arange(1000) % 5
    found = rank_class(score, belongs, fold)
    assert found.folds.tolist() == [area(score[fold == k], belongs[fold == k]).value for k in range(5)]
    assert found.mean.value == pytest.approx(found.folds.mean())
    assert found.mean.error == pytest.approx(found.folds.std(ddof=1) / np.sqrt(5))
    assert np.isnan(rank_class(score, belongs).mean.value)


def test_completeness_where_the_others_are_complete_to_a_share():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    belongs = np.array([1, 0, 1, 0, 0, 1], dtype=bool)
    assert completeness_at(score, belongs, 1.0) == pytest.approx(1 / 3)
    assert completeness_at(score, belongs, 2 / 3) == pytest.approx(2 / 3)
    assert completeness_at(score, belongs, 0.0) == 1.0
