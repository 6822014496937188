"""Counts of a stage, and how they are told."""

import pytest

from jpasbatch.compute.meter import Meter, duration


def after(seconds: float, meter: Meter) -> Meter:
    meter.start, meter.end = 100.0, 100.0 + seconds
    return meter


def test_results_are_counted():
    meter = Meter("infer: partitions", 10, earlier=4)
    meter.succeed({"rows": 300, "bytes": 1000, "quarantined": 2})
    meter.succeed({"rows": 100})
    meter.succeed(None)
    meter.fail("refused")
    assert (meter.done, meter.errors, meter.ended) == (7, 1, 8)
    assert (meter.rows, meter.bytes, meter.quarantined) == (400, 1000, 2)
    assert after(20, meter).rows_per_second == 20
    assert meter.seconds_left == 10  # four of six in twenty seconds; what was done earlier took no time
    assert meter.line() == "infer: partitions: 8 of 10 after 20 s, 20 rows/s, 1 error, 10 s left"


def test_some_tasks_may_end_at_once_and_a_trouble_may_be_taken_back():
    meter = Meter("correct: counting", 10)
    meter.succeed({"rows": 300, "tasks": 8})
    meter.fail("failed")
    meter.forgive("failed")
    assert (meter.done, meter.errors, meter.rows) == (8, 0, 300)


def test_nothing_is_foretold_before_the_first_task_ends():
    meter = after(5, Meter("infer: partitions", 10, earlier=4))
    assert meter.seconds_left is None
    assert meter.line() == "infer: partitions: 4 of 10 after 5 s"


def test_the_clock_stops():
    meter = Meter("infer: partitions", 1)
    meter.finish()
    assert meter.seconds == meter.seconds < 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (3570, "1 h 00 min"), (11_100, "3 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
