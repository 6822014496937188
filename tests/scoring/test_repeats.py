"""What repeats are worth: means, scatter, and errors that know what folds share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.ranking import area
from jpasbatch.scoring.repeats import (
    corrected_error,
    luck_of_choice,
    repeated_difference,
    repeated_folds,
    repeated_score,
    scores_of,
)


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr("jpasbatch.scoring.repeats.DRAWS", 40)


LABELS = np.repeat([0, 0, 0, 1], 60)


def repeat(seed: int, separation: float = 1.0, folds: int = 5) -> Predictions:
    """Return what a classifier says of objects whose classes are so far apart."""
    rng = np.random.default_rng(seed)
    active = 1 / (1 + np.exp(-(separation * LABELS + rng.normal(size=len(LABELS)))))
    fold = rng.permutation(np.arange(len(LABELS)) % folds)
    nothing = np.zeros(len(LABELS))
    return Predictions(LABELS, np.stack([1 - active, active], axis=1), nothing, nothing, fold)


@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=60), st.integers(3, 20), st.booleans(), st.integers(2, 9)
)
def test_the_error_is_that_of_the_mean_and_never_vanishes_by_repeating(values, folds, nested, times):
    scatter = np.array(values)
    found = corrected_error(scatter, folds, nested)
    assert found >= scatter.std(ddof=1) / np.sqrt(len(scatter)) - 1e-12
    shared = scatter.std() / np.sqrt(folds - 2 if nested else folds - 1)
    assert corrected_error(np.tile(scatter, times), folds, nested) >= shared - 1e-9


def test_the_corrected_error_by_hand():
    # ten folds, two repeats: (1 / 20 + 1 / 8) of the variance where a fold validates
    values = np.array([1.0, -1.0] * 10)
    assert corrected_error(values, 10, nested=True) == pytest.approx(np.sqrt((0.05 + 0.125) * 20 / 19))
    assert corrected_error(values, 10, nested=False) == pytest.approx(np.sqrt((0.05 + 1 / 9) * 20 / 19))
    assert np.isnan(corrected_error(np.array([1.0]), 10, nested=True))


def test_a_score_has_a_value_a_repeat():
    repeats = [repeat(seed) for seed in range(3)]
    found = repeated_score(repeats, scores_of(1, 0.85)["pooled"])
    areas = [area(one.probabilities[:, 1], LABELS == 1).value for one in repeats]
    assert found.values.tolist() == pytest.approx(areas)
    assert (found.mean, found.deviation) == pytest.approx((np.mean(areas), np.std(areas, ddof=1)))
    assert 0.01 < found.error < 0.06
    folds = repeated_folds(repeats, None, 1, nested=True)
    assert folds.mean == pytest.approx(found.mean, abs=0.03)
    assert set(scores_of(None, 0.5)) == {"weighted_f1"}


def test_a_difference_is_paired():
    ones, same = [repeat(seed) for seed in range(3)], [repeat(seed) for seed in range(3)]
    for score in scores_of(1, 0.85).values():
        found = repeated_difference(ones, same, score)
        assert (found.mean, found.deviation, found.error) == (0, 0, 0)
    assert repeated_folds(ones, same, 1, nested=True).error == 0
    better = [repeat(seed, separation=3.0) for seed in range(3)]
    for name, score in scores_of(1, 0.85).items():
        found = repeated_difference(better, ones, score)
        assert found.mean > 3 * found.error > 0, name
        assert repeated_difference(ones, better, score).mean == pytest.approx(-found.mean)


def test_the_best_of_equals_owes_all_to_luck():
    equals = [[repeat(10 * kind + seed) for seed in range(2)] for kind in range(5)]
    score = scores_of(1, 0.85)["pooled"]
    luck, scatter = luck_of_choice(equals, score)
    assert 0.005 < luck < 0.1
    assert scatter > 0
    better = [repeat(seed, separation=5.0) for seed in range(2)]  # one is taken whatever is drawn
    assert abs(luck_of_choice([better, *equals], score)[0]) < luck / 2
    assert luck_of_choice([better], score) == (0.0, 0.0)
