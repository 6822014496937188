"""Calls in threads: how many at once, in which order, and what an error does."""

import threading
import time

import pytest

from jpasbatch.compute.threads import call_in_threads


def test_no_more_calls_at_once_than_threads_and_items_are_taken_when_they_are_needed():
    running, most, taken, lock = set(), [0], [], threading.Lock()

    def items():
        for number in range(12):
            taken.append(number)
            yield number

    def call(number):
        with lock:
            running.add(number)
            most[0] = max(most[0], len(running))
        time.sleep(0.005)
        with lock:
            running.discard(number)
        return number * 2

    results = call_in_threads(call, items(), 3, lambda: None, 0.01)
    assert next(results) in {0, 2, 4}
    assert len(taken) <= 4
    assert len(list(results)) == 11
    assert most[0] == 3


def test_error_is_raised_and_nothing_more_begins():
    begun = []

    def call(number):
        begun.append(number)
        if number == 1:
            raise ValueError("of number 1")
        return number

    with pytest.raises(ValueError, match="of number 1"):
        list(call_in_threads(call, range(1000), 2, lambda: None, 0.01))
    assert len(begun) < 1000
