"""Each algorithm makes the golden results of its number."""

import copy

import pytest

from jpasbatch.algorithms import load_algorithms
from tests.algorithms.blessing import read_golden
from tests.algorithms.comparison import TOLERANCE, differing
from tests.algorithms.golden import READERS


@pytest.mark.parametrize("name", load_algorithms())
def test_results_are_those_of_the_number(runs, name):
    assert differing(name, read_golden()[name], READERS[name](runs)) == []


def test_every_algorithm_has_a_golden_case():
    assert list(READERS) == list(load_algorithms())


def test_results_that_differ_less_than_processors_are_the_same():
    before = {"shape": [3, 2], "mean": 2.5, "some": [0.25, None], "rest": "ab"}
    now = copy.deepcopy(before)
    now["mean"] *= 1 + 0.5 * TOLERANCE
    assert differing("infer", before, now) == []
    now["mean"] = 2.5 * (1 + 2 * TOLERANCE)
    assert differing("infer", before, now) == [f"infer.mean: 2.5 before, {now['mean']} now"]
    assert differing("members", before, now) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"some": [0.25]}, "infer.some: 2 before, 1 now"),
        ({"rest": "cd"}, "infer.rest: ab before, cd now"),
        ({"some": [0.25, 0.0]}, "infer.some.1: None before, 0.0 now"),
        ({"more": 1}, "infer: more is new or gone"),
    ],
)
def test_what_differs_is_named(change, told):
    before = {"shape": [3, 2], "some": [0.25, None], "rest": "ab"}
    assert differing("infer", before, before | change) == [told]
