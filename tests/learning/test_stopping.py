"""One contract for every rule of stopping; networks and boosted trees follow the same ones."""

import numpy as np
import pytest

from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.classifiers.trees import BoostedTrees
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.stopping import (
    STOP_RULES,
    EpochScores,
    LowestLoss,
    WeightedCompleteness,
    kept_epoch,
    scores_of,
)

SMALL = {
    "lowest_loss": LowestLoss(),
    "weighted_completeness": WeightedCompleteness(of="qso", epochs=3, delta=-0.001),
}


@pytest.fixture(params=STOP_RULES, ids=lambda kind: kind.kind)
def rule(request):
    return SMALL[request.param.kind]


def test_its_name_is_registered(rule):
    assert [kind for kind in STOP_RULES if kind.kind == rule.kind] == [type(rule)]
    assert rule.keep in ("best", "last")


def test_better_scores_are_more(rule):
    bad = EpochScores(2.0, 0.4, {"star": 0.5, "qso": 0.3})
    good = EpochScores(1.0, 0.6, {"star": 0.5, "qso": 0.7})
    assert rule.monitor(good) > rule.monitor(bad)


def test_it_goes_on_while_things_improve(rule):
    assert not any(rule.stops(np.linspace(0, 1, n).tolist(), patience=3) for n in range(1, 30))


def test_it_stops_when_they_only_get_worse(rule):
    assert rule.stops(np.linspace(1, 0, 30).tolist(), patience=3)


@pytest.mark.parametrize(
    "classifier", [MultilayerPerceptron(hidden=(8,)), BoostedTrees(iterations=60, leaves=7)]
)
@pytest.mark.parametrize("keep", ["best", "last"])
def test_classifiers_follow_it(classifier, keep, training_set, validation_set):
    rule = WeightedCompleteness(of="qso", weight=2.0, epochs=2, delta=0.004, keep=keep)
    plan = TrainingPlan(epochs=60, batch_size=64, stop=rule)
    member = classifier.train(plan, training_set, validation_set, 3)
    monitors = member.history["monitor"]
    assert len(monitors) < 60
    assert monitors[-1] - monitors[-3] < 0.004
    assert all(monitors[n] - monitors[n - 2] >= 0.004 for n in range(2, len(monitors) - 1))
    assert member.best_epoch == (len(monitors) if keep == "last" else int(np.argmax(monitors)) + 1)


def test_the_monitor_of_equation_3():
    rule = WeightedCompleteness(of="agn", weight=1.5)
    scores = scores_of(0.1, np.eye(2)[[0, 0, 0, 1, 1, 0]], np.array([0, 0, 1, 1, 1, 0]), ("sfg", "agn"))
    assert scores.completeness == {"sfg": 1.0, "agn": pytest.approx(2 / 3)}
    assert rule.monitor(scores) == pytest.approx(1.5 * 2 / 3 + 5 / 6)
    assert WeightedCompleteness(weight=1.5).monitor(scores) == rule.monitor(scores)  # the last class


@pytest.mark.parametrize(
    ("monitors", "stops"),
    [
        ([2.0, 2.0, 2.0, 2.0, 1.89], True),
        ([2.0, 2.0, 2.0, 2.0, 1.91], False),
        ([9.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),  # what fell five epochs ago is past
        ([2.0, 2.0, 2.0, 1.0], False),  # there is no fourth epoch before
    ],
)
def test_equation_3_by_hand(monitors, stops):
    assert WeightedCompleteness(epochs=4, delta=-0.10).stops(monitors, patience=1) is stops


def test_early_epochs_neither_stop_nor_are_kept():
    rule = WeightedCompleteness(epochs=2, delta=-0.1, not_before=5)
    monitors = [9.0, 1.0, 1.0, 0.5, 0.7, 0.8, 0.6]
    assert not rule.stops(monitors[:4], patience=1)  # it fell, but early
    assert kept_epoch(rule, monitors) == 6
    assert kept_epoch(WeightedCompleteness(), monitors) == 1
    assert kept_epoch(WeightedCompleteness(keep="last"), monitors) == 7
    assert kept_epoch(LowestLoss(), monitors) == 1


def test_a_network_keeps_no_early_epoch(training_set, validation_set):
    rule = WeightedCompleteness(of="qso", weight=0.0, epochs=1, delta=-1.0, not_before=4)
    plan = TrainingPlan(epochs=6, batch_size=64, stop=rule)
    member = MultilayerPerceptron(hidden=(8,)).train(plan, training_set, validation_set, 3)
    assert len(member.history["monitor"]) == 6
    assert member.best_epoch >= 4
    assert member.history["monitor"][member.best_epoch - 1] == max(member.history["monitor"][3:])


@pytest.mark.parametrize(
    "options",
    [{"weight": -1.0}, {"epochs": 0}, {"delta": float("nan")}, {"keep": "first"}, {"not_before": -1}],
)
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: found"):
        WeightedCompleteness(**options)
