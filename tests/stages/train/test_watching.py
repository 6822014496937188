"""A training that is watched: what it tells, what it keeps, and what it remembers when it was cut off."""

import numpy as np
import pytest

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.messages import listening
from jpasbatch.compute.steps import Report
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.stages.train import watching
from jpasbatch.stages.train.watching import CURVE, Watch
from tests.learning.conftest import random_member

LOGS = {"loss": 0.5, "validation_loss": 0.4, "validation_f1": 0.9, "learning_rate": 1e-3, "monitor": -0.4}


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still unless it is set."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    found = Clock()
    monkeypatch.setattr(watching, "time", found)
    return found


def heard(act) -> list[Report]:
    told = []
    serial = Executor(None, {}, 1.0)
    with listening(serial, "topic", lambda message: told.append(Report.from_message(message))):
        act()
    return told


def test_it_tells_how_far_it_is_and_how_long_an_epoch_takes(clock):
    watch = Watch("topic", "member-00", 50, None)

    def train():
        watch.begin()
        for epoch, now in ((1, 120.0), (2, 123.0), (3, 126.0), (4, 126.2)):
            clock.now = now
            watch.on_epoch(epoch, LOGS)

    begun, *told = heard(train)
    assert (begun.done, begun.total, begun.text) == (0, 0, "begun")
    assert [one.done for one in told] == [1, 2, 3]  # the fourth came a moment after the third
    assert [one.seconds for one in told] == [0, 3, 3]  # the first one compiles: nothing is foretold by it
    assert told[-1].text == "f1 0.9000, loss 0.4000 (training 0.5000)"
    assert told[-1].total == 50
    assert watch.with_curve({})[CURVE][:, -1].tolist() == [20, 23, 26, pytest.approx(26.2)]


def test_a_long_first_epoch_foretells(clock):
    watch = Watch("topic", "member-00", 50, None)

    def train():
        clock.now = 1000.0
        watch.on_epoch(1, LOGS)

    [told] = heard(train)
    assert told.seconds == 900


def test_a_training_that_goes_on_keeps_its_curve_and_its_time(clock):
    first = Watch(None, "member-00", 50, None)
    clock.now = 110.0
    first.on_epoch(1, LOGS)
    state = first.with_curve({"epoch": np.array(1)})
    clock.now = 500.0
    second = Watch("topic", "member-00", 50, state)

    def train():
        second.begin()
        clock.now = 507.0
        second.on_epoch(2, LOGS)

    begun, told = heard(train)
    assert begun.text == "goes on"
    assert (told.done, told.seconds) == (2, 0)
    curve = second.curve(random_member(1))
    assert curve.column("epoch").tolist() == [1, 2]
    assert curve.column("seconds").tolist() == [10, 17]


def test_a_state_of_an_older_version_has_losses_alone(clock):
    state = {"history_loss": np.array([0.9, 0.8]), "history_validation_loss": np.array([0.7, 0.6])}
    watch = Watch(None, "member-00", 50, state)
    clock.now = 103.0
    watch.on_epoch(3, LOGS)
    curve = watch.curve(random_member(1))
    assert curve.column("training_loss").tolist() == [0.9, 0.8, 0.5]
    assert curve.column("seconds").tolist() == [0, 0, 3]
    assert np.isnan(curve.column("validation_f1")).tolist() == [True, True, False]


def test_trees_tell_of_no_epoch_and_have_a_curve_all_the_same():
    member = TrainedNetwork([], None, 1, 2, {"validation_loss": [0.5, 0.4, 0.45]})
    curve = Watch(None, "member-00", 50, None).curve(member)
    assert (len(curve.rows), curve.best_epoch) == (3, 2)
