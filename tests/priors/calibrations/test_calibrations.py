"""One contract for every kind of calibration of a sky, then what each of them can mend."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import BLUNTEST, bernstein_terms, softmax
from jpasbatch.priors.calibrations.log_linear import LOG_LINEAR, _CrossEntropy, fit_log_linear, fit_nearby
from jpasbatch.priors.calibrations.protocol import TERMS, Reach
from jpasbatch.priors.calibrations.registry import FITS, restore_calibration
from jpasbatch.priors.validation import ValidationSample
from jpasbatch.scoring.metrics import ReliabilityTally


def sample(rows, seed, factor=None, missing=None):
    """Return objects with true labels, whose log-probabilities were multiplied by a factor (n, 3)."""
    rng = np.random.default_rng(seed)
    magnitude = rng.uniform(17.0, 23.6, rows).astype(np.float32)
    scores = rng.normal(size=(rows, 3)) * 2.0
    true = softmax(scores)
    labels = (rng.random(rows)[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(0, 2).astype(np.int16)
    gone = np.zeros(rows, dtype=np.int16) if missing is None else missing(rng, rows)
    given = true if factor is None else softmax(scores * factor(magnitude, gone))
    return ValidationSample.of(given.astype(np.float32), magnitude, labels, gone)


def too_sure(magnitude, gone):
    return np.full((len(magnitude), 1), 1.8)


def faint_ones_too_sure(magnitude, gone):
    """Return factors that make the first class too sure where it is faint, and no other."""
    sharp = 1.0 + 1.2 * np.clip(magnitude - 20.0, 0, None)[:, None]
    return np.hstack([sharp, np.ones_like(sharp), np.ones_like(sharp)])


def gone_ones_too_sure(magnitude, gone):
    return 1.0 + 0.6 * np.log1p(gone)[:, None]


def some_gone(rng, rows):
    return (rng.integers(0, 12, rows) * (rng.random(rows) < 0.5)).astype(np.int16)


def error_of(calibration, given):
    found = calibration(given.probabilities, given.magnitude, given.missing)
    return ReliabilityTally.create(3).add(given.labels, found).extract().ece


@pytest.fixture(params=sorted(FITS))
def kind(request):
    return request.param


def test_fitted_probabilities_are_probabilities(kind):
    given = sample(6000, 1, too_sure, some_gone)
    calibration = FITS[kind](given)
    found = calibration(given.probabilities, given.magnitude, given.missing)
    assert found.shape == given.probabilities.shape
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    assert found.min() > 0  # what is impossible stays so under every mix of classes
    assert calibration.name == kind


def test_the_state_survives_json(kind):
    given = sample(5000, 1, too_sure, some_gone)
    calibration = FITS[kind](given)
    again = restore_calibration(kind, json.loads(json.dumps(calibration.state())))
    arguments = given.probabilities, given.magnitude, given.missing
    assert np.array_equal(again(*arguments), calibration(*arguments))


def test_what_is_calibrated_stays_so(kind):
    given = sample(30_000, 1)
    assert error_of(FITS[kind](given), sample(30_000, 2)) < 0.012


def test_rows_and_columns_in_memory_are_calibrated_alike(kind):
    given = sample(6000, 1, too_sure, some_gone)
    calibration = FITS[kind](given)
    found = calibration(given.probabilities, given.magnitude, given.missing)
    by_column = calibration(np.asfortranarray(given.probabilities), given.magnitude, given.missing)
    assert np.array_equal(found, by_column)


@given(
    st.lists(st.floats(10, 30, width=32) | st.just(float("nan")), min_size=1, max_size=20),
    st.floats(0, 40),
    st.integers(0, 40),
)
def test_terms_are_parabolas_in_magnitude_that_missing_bands_share_out(magnitude, most, missing):
    reach = Reach(17.0, 23.5, most)
    gone = np.full(len(magnitude), missing)
    terms = reach.terms(np.array(magnitude, dtype=np.float32), gone)
    assert terms.shape == (len(magnitude), TERMS)
    assert terms.min() >= 0
    assert terms.sum(axis=1) == pytest.approx(1.0)
    shapes = bernstein_terms(reach.clipped(np.array(magnitude, dtype=np.float32)), (17.0, 23.5))
    assert terms[:, :3] + terms[:, 3:] == pytest.approx(shapes)


@pytest.mark.parametrize("kind", LOG_LINEAR)
def test_a_first_step_beyond_the_limits_is_made_shorter(kind, monkeypatch):
    """A curvature that is far too small sends the search beyond what is allowed; the minimum is well within."""
    given = sample(5000, 3)
    known, drawn = fit_nearby(kind, given), given.redrawn(np.random.default_rng(1))
    small = known._replace(curvature=0.003 * known.curvature)
    loss = _CrossEntropy(kind, drawn)
    start = loss.joined(known.calibration)
    tried = start - np.linalg.solve(small.curvature, loss.value_and_slope(start)[1])
    assert (tried[loss.bounded] < BLUNTEST).any()
    arguments = drawn.probabilities, drawn.magnitude, drawn.missing
    afar = fit_log_linear(kind, drawn)(*arguments)
    monkeypatch.setattr(_CrossEntropy, "bounded_minimum", lambda _: pytest.fail("limits do not bind"))
    assert np.abs(fit_log_linear(kind, drawn, small)(*arguments) - afar).max() < 0.005


@pytest.mark.parametrize("kind", LOG_LINEAR)
def test_a_search_that_begins_near_ends_where_one_from_afar_does(kind):
    """Far nearer to it than a draw moves the calibration: shares by both may stand for each other."""
    given = sample(20_000, 3, too_sure, some_gone)
    near = fit_nearby(kind, given)
    drawn = given.redrawn(np.random.default_rng(1))
    arguments = drawn.probabilities, drawn.magnitude, drawn.missing
    afar, quick = fit_log_linear(kind, drawn)(*arguments), fit_log_linear(kind, drawn, near)(*arguments)
    moved = np.abs(afar - near.calibration(*arguments)).mean()
    assert moved > 1e-4
    assert np.abs(afar - quick).mean() < 0.05 * moved


def test_too_sure_is_mended(kind):
    given = sample(30_000, 2, too_sure)
    assert error_of(FITS[kind](sample(30_000, 1, too_sure)), given) < 0.012


def test_an_object_without_a_magnitude_is_taken_for_the_faintest(kind):
    given = sample(6000, 1, faint_ones_too_sure)
    calibration = FITS[kind](given)
    row = np.array([[0.6, 0.3, 0.1]])
    found = [calibration(row, np.array([one]), np.zeros(1)) for one in (np.nan, 23.6, 31.0)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[1], found[2])


@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_classes_and_magnitudes_have_their_own_sharpness(kind):
    given = sample(15_000, 2, faint_ones_too_sure)
    errors = [
        error_of(FITS[one](sample(15_000, 1, faint_ones_too_sure)), given) for one in ("temperature", kind)
    ]
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("kind", ["vector", "matrix"])
def test_missing_bands_have_their_own_sharpness(kind):
    learnt, given = (sample(15_000, seed, gone_ones_too_sure, some_gone) for seed in (1, 2))
    rows = np.flatnonzero(given.missing > 4)
    assert error_of(FITS[kind](learnt), given.take(rows)) < 0.02
    blind = FITS[kind](replace(learnt, missing=np.zeros_like(learnt.missing)))
    assert error_of(blind, given.take(rows)) > 0.03


@pytest.mark.parametrize("kind", ["temperature", "vector", "matrix"])
def test_probabilities_that_say_nothing_are_made_flat_and_never_turned_round(kind):
    rng = np.random.default_rng(1)
    given = replace(sample(5000, 1), labels=rng.integers(0, 3, 5000).astype(np.int16))
    found = FITS[kind](given)(np.array([[0.9, 0.05, 0.05]]), np.array([20.0]), np.zeros(1))
    assert 0.3 < found[0, 0] < 0.6


@given(st.integers(0, 2**31))
def test_weights_count_as_repeated_objects(seed):
    rng = np.random.default_rng(seed)
    given = sample(600, seed % 1000, too_sure)
    times = rng.integers(0, 3, 600)
    repeated = given.take(np.repeat(np.arange(600), times))
    kept = np.flatnonzero(times)
    weighted = replace(given.take(kept), weights=times[kept].astype(float))
    one, other = (FITS["temperature"](part) for part in (repeated, weighted))
    assert one.state()["sharpness"] == pytest.approx(other.state()["sharpness"], rel=1e-4)


def test_states_that_are_none():
    for kind, state in (("vector", {}), ("isotonic", {"edges": [1.0]}), ("matrix", {"reach": {}})):
        with pytest.raises(InputError, match="stored state is not valid"):
            restore_calibration(kind, state)
    with pytest.raises(InputError, match="allowed are 'temperature'"):
        restore_calibration("magic", {})


def test_nothing_beyond_what_was_fitted():
    reach = Reach(18.0, 22.0, 4.0)
    ends = reach.terms(np.array([18.0, 22.0]), np.array([0, 4]))
    beyond = reach.terms(np.array([12.0, 29.0]), np.array([0, 50]))
    assert np.array_equal(ends, beyond)
    assert ends.sum(axis=1) == pytest.approx(1.0)
