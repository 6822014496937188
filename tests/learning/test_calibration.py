"""One contract for every kind of calibration, then what each of them can mend."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import (
    CALIBRATIONS,
    MagnitudeCalibration,
    TemperatureCalibration,
    make_calibration,
)
from jpasbatch.scoring.metrics import ReliabilityTally


def softmax(scores):
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def sample(rows, seed, temperature=1.0, by_magnitude=0.0):
    """Return probabilities that are too sharp by a factor, magnitudes, and labels drawn from the true ones."""
    rng = np.random.default_rng(seed)
    magnitude = rng.uniform(17.0, 23.6, rows)
    scores = rng.normal(size=(rows, 4)) * 2.0
    true = softmax(scores)
    labels = (rng.random(rows)[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(0, 3)
    factor = temperature * np.exp(by_magnitude * (magnitude - 21.0))
    return softmax(scores * factor[:, None]), magnitude, labels


def error_of(probabilities, labels):
    return ReliabilityTally.create(4).add(labels, probabilities).extract().ece


@pytest.fixture(params=sorted(CALIBRATIONS))
def kind(request):
    return request.param


def test_fitted_probabilities_are_probabilities(kind):
    probabilities, magnitude, labels = sample(2000, 1, 2.0)
    before = probabilities.copy()
    fitted = make_calibration(kind).fit(probabilities, magnitude, labels)
    found = fitted(probabilities, magnitude)
    assert found.shape == probabilities.shape
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert (found >= 0).all()
    assert np.array_equal(probabilities, before)
    assert fitted.name == kind


def test_the_state_survives_json(kind):
    probabilities, magnitude, labels = sample(2000, 1, 2.0)
    fitted = make_calibration(kind).fit(probabilities, magnitude, labels)
    restored = make_calibration(kind, json.loads(json.dumps(fitted.state())))
    assert np.array_equal(restored(probabilities, magnitude), fitted(probabilities, magnitude))


def test_what_is_calibrated_stays_so(kind):
    probabilities, magnitude, labels = sample(40_000, 1)
    fitted = make_calibration(kind).fit(probabilities, magnitude, labels)
    assert np.abs(fitted(probabilities, magnitude) - probabilities).max() < 0.05


@pytest.mark.parametrize("kind", ["temperature", "magnitude"])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_too_sharp_and_too_soft_are_mended(kind, temperature):
    fitted = make_calibration(kind).fit(*sample(40_000, 1, temperature))
    probabilities, magnitude, labels = sample(40_000, 2, temperature)
    assert error_of(probabilities, labels) > 0.03
    assert error_of(fitted(probabilities, magnitude), labels) < 0.008


def test_a_temperature_is_found():
    fitted = TemperatureCalibration().fit(*sample(100_000, 1, 1.7))
    assert fitted.temperature == pytest.approx(1.7, rel=0.03)


def test_what_changes_with_magnitude_needs_magnitudes():
    probabilities, magnitude, labels = sample(60_000, 2, 1.0, 0.3)
    faint = magnitude > 22.5
    errors = {
        kind: error_of(
            make_calibration(kind).fit(*sample(60_000, 1, 1.0, 0.3))(probabilities, magnitude)[faint],
            labels[faint],
        )
        for kind in ("temperature", "magnitude")
    }
    assert errors["magnitude"] < 0.3 * errors["temperature"]


def test_beyond_its_range_the_nearest_end_counts():
    fitted = MagnitudeCalibration().fit(*sample(5000, 1, 1.0, 0.3))
    low, high = fitted.limits
    rows = np.tile([[0.7, 0.1, 0.1, 0.1]], (2, 1))
    assert np.array_equal(fitted(rows, np.array([low - 3, high + 3])), fitted(rows, np.array([low, high])))


def test_without_magnitudes_it_is_refused():
    fitted = MagnitudeCalibration().fit(*sample(5000, 1))
    with pytest.raises(ValueError, match="needs magnitudes"):
        fitted(np.full((2, 4), 0.25), None)


@given(st.integers(0, 2**31))
def test_certainty_survives(seed):
    rng = np.random.default_rng(seed)
    certain = np.eye(4)[rng.integers(4, size=5)]
    found = TemperatureCalibration(float(rng.uniform(0.2, 5.0)))(certain, None)
    assert np.array_equal(found.argmax(axis=1), certain.argmax(axis=1))
    assert np.isfinite(found).all()


def test_too_few_objects_are_refused():
    probabilities, magnitude, labels = sample(100, 1)
    for kind in ("temperature", "magnitude"):
        with pytest.raises(InputError, match="too few to calibrate with, 50 are needed"):
            make_calibration(kind).fit(probabilities, magnitude, labels)


def test_probabilities_that_say_the_contrary_are_made_flat_and_never_turned_round():
    probabilities, magnitude, _ = sample(4000, 1)
    fitted = MagnitudeCalibration().fit(probabilities, magnitude, probabilities.argmin(axis=1))
    found = fitted(np.array([[0.7, 0.1, 0.1, 0.1]] * 3), np.array([17.0, 20.0, 23.6]))
    assert (found[:, 0] >= 0.25).all()


def test_a_few_objects_without_a_sound_magnitude_decide_nothing():
    probabilities, magnitude, labels = sample(20_000, 1, 1.0, 0.3)
    spoilt = magnitude.copy()
    spoilt[:10] = 31.0
    one, other = (MagnitudeCalibration().fit(probabilities, each, labels) for each in (magnitude, spoilt))
    assert np.abs(one(probabilities, magnitude) - other(probabilities, magnitude)).max() < 0.02


def test_unknown_kind_and_foreign_state():
    with pytest.raises(InputError, match="'none', 'temperature', 'magnitude'"):
        make_calibration("isotonic")
    for kind, state in (
        ("temperature", {"temperature": 0}),
        ("temperature", {"temperature": 1e300}),
        ("temperature", {"temperature": True}),
        ("temperature", {}),
        ("temperature", []),
        ("magnitude", {"sharpness": [1.0, 0.0, 0.0], "bias": [[1e400, 0.0]], "limits": [17.0, 23.0]}),
        ("none", {"a": 1}),
        ("magnitude", {"sharpness": [1]}),
    ):
        with pytest.raises(InputError, match="stored state is not valid"):
            make_calibration(kind, state)
