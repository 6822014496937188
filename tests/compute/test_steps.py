"""What running tasks tell of themselves, and the time that is left by it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.compute.meter import Meter
from jpasbatch.compute.steps import Report, Running


def report(key: str, done: int, total: int = 10, seconds: float = 6.0, ago: float = 0.0) -> Report:
    return Report(key, done, total, "epoch", "loss 0.1", seconds, time.monotonic() - ago)


def test_a_report_survives_the_way():
    told = report("member-03", 4)
    back = Report.from_message(told.to_message())
    assert back.to_message() == told.to_message()
    for broken in ({}, {**told.to_message(), "done": "many"}, {**told.to_message(), "total": None}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Report.from_message(broken)


def test_time_left_falls_between_two_reports():
    now = time.monotonic()
    assert report("a", 4).seconds_left(now) == pytest.approx(36, abs=0.1)
    assert report("a", 4, ago=30).seconds_left(now) == pytest.approx(6, abs=0.1)
    assert report("a", 4, ago=1000).seconds_left(now) == 0
    assert report("a", 0).seconds_left(now) is None


def test_what_waits_takes_the_hands_that_become_free():
    running = Running()
    running.hear(report("a", 5))  # 30 s left
    running.hear(report("b", 9))  # 6 s left
    assert running.seconds_left(2) == pytest.approx(30, abs=0.1)
    assert running.seconds_left(3) == pytest.approx(66, abs=0.1)  # b's hands take c, for 60 s
    assert running.seconds_left(4) == pytest.approx(90, abs=0.1)


def test_what_ended_foretells_what_waits():
    running = Running()
    running.hear(report("a", 3))  # stopped early, after 18 s
    running.end("a")
    running.hear(report("a", 4))  # a message that was late
    assert running.reports == []
    assert running.seconds_left(3) is None
    running.hear(report("b", 5))
    assert running.seconds_left(2) == pytest.approx(30 + 18, abs=0.1)


def test_nothing_is_foretold_before_the_first_epoch():
    meter = Meter("train: members", 4)
    meter.running.hear(Report("member-00", text="begun"))
    assert meter.seconds_left is None
    assert "left" not in meter.line()


def test_time_left_comes_from_epochs_and_does_not_grow():
    meter = Meter("train: members", 4)
    left = []
    for epoch in range(1, 11):
        for member in ("member-00", "member-01"):
            meter.running.hear(report(member, epoch))
        left.append(meter.seconds_left)
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(54 + 60, abs=0.5)  # no member has ended yet
    assert meter.line().endswith("up to 60 s left")


@given(
    tasks=st.integers(1, 30),
    done=st.lists(st.integers(0, 10), min_size=1, max_size=8),
    seconds=st.floats(0.001, 1e5),
)
def test_time_left_is_no_less_than_that_of_any_task(tasks, done, seconds):
    running = Running()
    for number, epochs in enumerate(done):
        running.hear(report(f"{number}", epochs, seconds=seconds))
    left = running.seconds_left(max(tasks, len(done)))
    known = [one.seconds_left(time.monotonic()) for one in running.reports if one.done]
    assert (left is None) == (not known)
    if left is not None:
        assert max(known) - 1.0 <= left <= seconds * 10 * max(tasks, len(done)) + 1.0
