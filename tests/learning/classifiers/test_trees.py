"""Trees as plain arrays and as a graph: the same answers as scikit-learn gives, to the last split."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from jpasbatch.errors import InputError
from jpasbatch.learning.classifiers.trees import BoostedTrees, RandomForest, _hard_labels, _round_down
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures

PLAN = TrainingPlan(epochs=1, patience=1000)


def probabilities(member, features):
    return InferenceEngine(committee_graph([member], features.shape[1])).members(features)[:, 0]


def at_the_splits(member, features):
    """Return rows whose features are the thresholds themselves, and the numbers next to them."""
    asked = member.feature >= 0
    rows = np.repeat(features[:1], 3 * asked.sum(), axis=0)
    values = member.threshold[asked]
    beside = [np.nextafter(values, np.float32(side)) for side in (-np.inf, np.inf)]
    rows[np.arange(len(rows)), np.tile(member.feature[asked], 3)] = np.concatenate([values, *beside])
    return rows


@pytest.mark.parametrize("classes", [3, 2])
def test_a_forest_is_that_of_scikit_learn(training_set, validation_set, classes):
    names = training_set.classes[:classes]
    sample, known = (
        LabelledFeatures(one.features, one.labels % classes, names) for one in (training_set, validation_set)
    )
    member = RandomForest(trees=20).train(PLAN, sample, known, 5)
    own = RandomForestClassifier(n_estimators=20, random_state=5).fit(sample.features, sample.labels)
    for rows in (known.features, at_the_splits(member, sample.features)):
        assert probabilities(member, rows) == pytest.approx(own.predict_proba(rows), abs=1e-5)


@pytest.mark.parametrize("classes", [3, 2])
def test_boosted_trees_are_those_of_scikit_learn(training_set, validation_set, classes):
    names = training_set.classes[:classes]
    sample, known = (
        LabelledFeatures(one.features, one.labels % classes, names) for one in (training_set, validation_set)
    )
    member = BoostedTrees(iterations=12).train(PLAN, sample, known, 5)
    own = HistGradientBoostingClassifier(max_iter=member.best_epoch, early_stopping=False, random_state=5)
    own.fit(sample.features, sample.labels)
    for rows in (known.features, at_the_splits(member, sample.features)):
        assert probabilities(member, rows) == pytest.approx(own.predict_proba(rows), abs=1e-5)


def test_boosting_keeps_the_best_iteration(training_set, validation_set):
    member = BoostedTrees(iterations=200, learning_rate=0.5).train(PLAN, training_set, validation_set, 5)
    losses = member.history["validation_loss"]
    assert member.best_epoch == int(np.argmin(losses)) + 1 < 200
    assert len(member.first) - 1 == 3 * member.best_epoch


def test_thresholds_are_rounded_down():
    given = np.array([0.1, 1.0, -0.1, 1e-50, -1e-50])
    rounded = _round_down(given)
    assert rounded.dtype == np.float32
    assert (rounded <= given).all()
    assert (np.nextafter(rounded, np.float32(np.inf)) > given).all()


def test_soft_labels_are_drawn_as_often_as_they_say():
    soft = np.tile(np.array([[0.7, 0.2, 0.1]], np.float32), (20_000, 1))
    sample = LabelledFeatures(
        np.zeros((20_000, 1), np.float32), np.zeros(20_000, np.int16), ("a", "b", "c"), soft
    )
    drawn = np.bincount(_hard_labels(sample, 1), minlength=3) / 20_000
    assert drawn == pytest.approx([0.7, 0.2, 0.1], abs=0.01)
    assert np.array_equal(_hard_labels(sample, 1), _hard_labels(sample, 1))


def test_broken_trees_are_refused(training_set, validation_set):
    member = RandomForest(trees=2).train(PLAN, training_set, validation_set, 1)
    member.value[3] = np.nan
    with pytest.raises(InputError, match="member 0 has thresholds or leaves that are not finite"):
        committee_graph([member], 6)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (RandomForest, "kind", "mlp"),
        (RandomForest, "trees", 0),
        (BoostedTrees, "kind", "mlp"),
        (BoostedTrees, "iterations", 0),
        (BoostedTrees, "leaves", 1),
        (BoostedTrees, "learning_rate", 0.0),
    ],
)
def test_a_wrong_option_is_named(kind, key, value):
    with pytest.raises(ValueError, match=rf"{key}: found .*; allowed"):
        kind(**{key: value})
