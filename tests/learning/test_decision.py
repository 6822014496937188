import numpy as np
import pytest

from jpasbatch.learning.decision import Decision, FittedDecision

BELONGS = np.array([1, 1, 0, 1, 0, 0, 0, 1], dtype=bool)
PROBABILITY = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.1])


def test_the_most_probable_class_needs_no_threshold():
    assert Decision().threshold(PROBABILITY, BELONGS) is None
    assert FittedDecision(Decision(), 1, None)(np.array([[0.4, 0.6], [0.7, 0.3]])).tolist() == [1, 0]


def test_balanced_is_where_the_sum_of_completenesses_is_largest():
    threshold = Decision(rule="balanced").threshold(PROBABILITY, BELONGS)
    assert threshold == pytest.approx(0.75) or threshold == pytest.approx(0.55)
    sums = [
        (PROBABILITY[BELONGS] >= t).mean() + (PROBABILITY[~BELONGS] < t).mean()
        for t in np.linspace(0, 1, 101)
    ]
    assert (PROBABILITY[BELONGS] >= threshold).mean() + (PROBABILITY[~BELONGS] < threshold).mean() == max(
        sums
    )


@pytest.mark.parametrize(("at_least", "threshold"), [(0.25, 0.85), (0.5, 0.75), (0.6, 0.55), (1.0, 0.05)])
def test_completeness_is_the_highest_threshold_that_reaches_it(at_least, threshold):
    found = Decision(rule="completeness", at_least=at_least).threshold(PROBABILITY, BELONGS)
    assert found == pytest.approx(threshold)


def test_ties_are_not_cut():
    probability = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    belongs = np.array([1, 1, 0, 0, 0], dtype=bool)
    threshold = Decision(rule="completeness", at_least=1.0).threshold(probability, belongs)
    assert threshold == pytest.approx(0.3)


def test_below_the_threshold_the_best_of_the_others():
    probabilities = np.array([[0.2, 0.3, 0.5], [0.1, 0.5, 0.4], [0.3, 0.35, 0.35]])
    assert FittedDecision(Decision(), 2, 0.45)(probabilities).tolist() == [2, 1, 1]
    assert FittedDecision(Decision(), 2, 0.3)(probabilities).tolist() == [2, 2, 2]
    assert Decision(of="b").position(("a", "b", "c")) == 1
    assert Decision().position(("a", "b", "c")) == 2


def test_a_threshold_needs_both_kinds():
    with pytest.raises(ValueError, match="objects of the class, and others"):
        Decision(rule="balanced").threshold(PROBABILITY, np.ones(8, dtype=bool))


@pytest.mark.parametrize("options", [{"rule": "best"}, {"at_least": 0.0}])
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: found"):
        Decision(**options)
