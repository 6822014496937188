"""Committees combined: better than each alone where they know different things, and never by chance."""

import json

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.scoring.combination import Combination, combine, cross_fitted


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def sample(rows, seed, noise=(1.0, 1.0)):
    """Return what two committees say whose errors are independent; the truth is a draw of neither."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=rows)
    evidence = 1.5 * np.eye(4)[labels]
    parts = [softmax((evidence + one * rng.normal(size=(rows, 4))) * 1.5 / one**2) for one in noise]
    return parts, rng.uniform(17, 23.6, rows), labels


def loss(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


def test_two_that_know_different_things_know_more_together():
    parts, magnitude, labels = sample(20_000, 1)
    fitted = combine(parts, magnitude, labels)
    parts, magnitude, labels = sample(20_000, 2)
    together = fitted(parts, magnitude)
    assert together.sum(axis=1) == pytest.approx(1.0)
    assert loss(together, labels) < min(loss(part, labels) for part in parts) - 0.1


def test_one_that_knows_nothing_is_left_out():
    parts, magnitude, labels = sample(20_000, 1)
    noise = np.random.default_rng(5).dirichlet(np.ones(4), 20_000)
    fitted = combine([parts[0], noise], magnitude, labels)
    assert np.abs(fitted.sharpness[1]).max() < 0.05
    alone = combine(parts[:1], magnitude, labels)
    both = loss(fitted([parts[0], noise], magnitude), labels)
    assert both == pytest.approx(loss(alone(parts[:1], magnitude), labels), abs=1e-3)


def test_it_is_the_minimum():
    parts, magnitude, labels = sample(3000, 1)
    fitted = combine(parts, magnitude, labels)
    best = loss(fitted(parts, magnitude), labels)
    for row, column in np.ndindex(2, 2):
        for step in (-0.05, 0.05):
            fitted.sharpness[row, column] += step
            assert loss(fitted(parts, magnitude), labels) > best
            fitted.sharpness[row, column] -= step


def test_another_number_of_committees_is_refused():
    parts, magnitude, labels = sample(3000, 1)
    with pytest.raises(ValueError, match="1 committees given, 2 were fitted"):
        combine(parts, magnitude, labels)(parts[:1], magnitude)


def test_too_few_objects_are_refused():
    with pytest.raises(InputError, match="too few to calibrate with"):
        combine(*sample(60, 1))


def test_its_state_is_the_same_combination():
    parts, magnitude, labels = sample(3000, 1)
    fitted = combine(parts, magnitude, labels)
    again = Combination.from_state(json.loads(json.dumps(fitted.state())))
    assert np.array_equal(again(parts, magnitude), fitted(parts, magnitude))


def test_no_object_has_a_say_in_its_own_combination():
    parts, magnitude, labels = sample(3000, 1)
    fold = np.arange(3000) % 3
    before = cross_fitted(parts, magnitude, labels, fold)
    own = fold == 1
    labels[own] = (labels[own] + 1) % 4
    after = cross_fitted(parts, magnitude, labels, fold)
    assert np.array_equal(after[own], before[own])
    assert not np.allclose(after[~own], before[~own])
