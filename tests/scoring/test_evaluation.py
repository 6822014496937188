"""Scores of whole samples: against scikit-learn, against hand-made cases, and their errors against repetition."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

from jpasbatch.scoring.evaluation import Predictions, compare, evaluate, resampled, score_group

BINS = ((17.0, 20.0), (20.0, 22.5), (22.5, 23.6))


def sample(rows=4000, seed=1, skill=1.5):
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, rows, p=[0.4, 0.3, 0.2, 0.1])
    magnitude = rng.uniform(17.0, 23.6, rows)
    logits = rng.normal(size=(rows, 4)) + skill * np.eye(4)[labels] * (25 - magnitude)[:, None] / 4
    odds = np.exp(logits)
    signal = 10 ** (0.4 * (24 - magnitude))
    return Predictions(labels, odds / odds.sum(axis=1, keepdims=True), magnitude, signal)


def test_scores_are_those_of_scikit_learn():
    predictions = sample()
    found = evaluate(predictions, BINS, draws=10)
    assert len(found.groups) == 4
    for group, (low, high) in zip(found.groups, (*BINS, (0.0, 99.0)), strict=True):
        rows = (predictions.magnitude > low) & (predictions.magnitude <= high)
        true, guess = predictions.labels[rows], predictions.predicted[rows]
        assert np.array_equal(group.confusion, confusion_matrix(true, guess).T)
        assert group.f1[0] == pytest.approx(f1_score(true, guess, average=None))
        assert group.purity[0] == pytest.approx(precision_score(true, guess, average=None))
        assert group.completeness[0] == pytest.approx(recall_score(true, guess, average=None))
        assert group.weighted_f1[0] == pytest.approx(f1_score(true, guess, average="weighted"))


def test_errors_are_the_scatter_of_repetitions():
    repeated = [score_group(sample(1500, seed), 0, 2).weighted_f1[0] for seed in range(60)]
    error = score_group(sample(1500, 0), 0, 200).weighted_f1[1]
    assert error == pytest.approx(np.std(repeated), rel=0.35)


def test_a_bin_without_objects_has_no_scores():
    found = evaluate(sample(), ((10.0, 12.0),), draws=3).groups[0]
    assert found.confusion.sum() == 0
    assert np.isnan(found.weighted_f1).all()
    assert np.isnan(found.f1).all()
    assert np.isnan(found.ece).all()


def test_a_class_that_is_absent_has_no_scores_and_disturbs_none():
    whole = sample()
    few = whole.take(np.flatnonzero(whole.labels != 3))
    group = score_group(few, 0, 20)
    assert np.isnan(group.f1[:, 3]).all()
    assert np.isfinite(group.f1[:, :3]).all()
    assert np.isfinite(group.weighted_f1).all()


def test_the_bootstrap_keeps_the_mix_of_classes():
    confusion = np.array([[5, 0, 2], [0, 7, 1], [3, 0, 0]])
    drawn = resampled(confusion, np.random.default_rng(0))
    assert np.array_equal(drawn.sum(axis=0), confusion.sum(axis=0))
    assert (drawn[confusion == 0] == 0).all()


def test_scores_rise_and_entropy_falls_with_signal():
    curve = evaluate(sample(6000), BINS, draws=20).by_signal
    assert len(curve.signal) == 6
    assert (np.diff(curve.signal) > 0).all()
    assert curve.weighted_f1[-1] > curve.weighted_f1[0] + 0.1
    assert curve.entropy[-1] < curve.entropy[0]
    assert ((curve.weighted_f1_error > 0) & (curve.weighted_f1_error < 0.05)).all()


def test_no_objects_are_no_error():
    nothing = sample().take(np.array([], dtype=int))
    found = evaluate(nothing, BINS, draws=2)
    assert found.by_signal.signal.size == 0
    assert np.isnan(found.groups[-1].weighted_f1[0])


def test_the_same_seed_gives_the_same_errors():
    one, other = (evaluate(sample(500), BINS, seed=3, draws=10) for _ in range(2))
    assert np.array_equal(one.groups[-1].f1, other.groups[-1].f1)
    assert np.array_equal(one.groups[-1].ece, other.groups[-1].ece)


def test_a_classifier_compared_with_itself_is_no_better():
    found = compare(sample(500), sample(500))
    assert found.weighted_f1.tolist() == [0.0, 0.0]
    assert (found.f1 == 0).all()
    assert found.fewer_errors.tolist() == [0.0, 0.0]


def test_paired_errors_are_smaller_than_unpaired_ones():
    base = sample(3000)
    better = Predictions(base.labels, base.probabilities.copy(), base.magnitude, base.signal)
    wrong = np.flatnonzero(base.predicted != base.labels)[::5]
    better.probabilities[wrong] = np.eye(4)[base.labels[wrong]]
    found = compare(better, base)
    assert found.fewer_errors[0] == pytest.approx(0.2, abs=0.03)
    assert found.weighted_f1[0] > 5 * found.weighted_f1[1]
    single = score_group(base, 0, 200).weighted_f1[1]
    assert found.weighted_f1[1] < single


def test_other_objects_cannot_be_compared():
    with pytest.raises(ValueError, match="not applied to the same objects"):
        compare(sample(500, 1), sample(500, 2))
