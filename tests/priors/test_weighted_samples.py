"""Validation samples whose objects count as often as the sky has them: what they mend, cost, and how they are kept."""

import io
from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.priors.calibrations.registry import FITS
from jpasbatch.priors.calibrations.registry import calibrated as calibrate
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.validation import Validation, ValidationSample
from tests.priors.conftest import CLASSES, draw, found_prior

OFTEN = 3
"""How many times as often the sample has galaxies that look like quasars."""


@pytest.fixture(scope="module")
def learnt() -> ValidationSample:
    """Return a sample that has galaxies like quasars three times as often as the sky, with the weights that say so."""
    drawn = draw(np.random.default_rng(5), (3000, 3000 * OFTEN, 3000), (0.5, 0.5, 0.5))
    alike = (drawn.labels == 1) & (drawn.probabilities[:, 2] > 0.25)
    kept = (drawn.labels != 1) | alike | (np.arange(len(alike)) % OFTEN == 0)
    weights = np.where((drawn.labels == 1) & ~alike, float(OFTEN), 1.0)[kept]
    return replace(drawn.sample().take(np.flatnonzero(kept)), weights=weights)


def quasars(sky, sample, **options) -> tuple[float, float]:
    """Return how many quasars are found, and the error of the number from the size of the sample."""
    prior, _ = found_prior(sky, sample, PriorOptions(**{"bin_width": 1.0, "redraws": 0, **options}))
    moved = prior.redrawn.sum(axis=1)[:, 2]
    return prior.numbers.sum(axis=0)[2], float(np.sqrt((moved**2).mean())) if len(moved) else 0.0


@pytest.mark.parametrize("method", ["expectation_maximisation", "unfolding"])
def test_weights_mend_what_a_sample_has_too_often(sky, learnt, method):
    natural = draw(np.random.default_rng(5), (3000, 3000, 3000), (0.5, 0.5, 0.5)).sample()
    true, _ = quasars(sky, natural, method=method)
    weighted, _ = quasars(sky, learnt.weighted(learnt.weights), method=method)
    plain, _ = quasars(sky, replace(learnt, weights=np.ones(len(learnt))), method=method)
    assert weighted == pytest.approx(true, rel=0.2)
    assert plain < 0.6 * true


def test_a_sample_of_few_that_count_has_larger_errors(sky, validation):
    even = validation.take(np.arange(0, len(validation), 6))
    heavy = np.where(np.arange(len(even)) % 10 == 0, 30.0, 1.0)
    few = even.weighted(heavy)
    coarse = {"bin_width": 10.0, "stellarity": ()}
    assert few.effective == pytest.approx(np.full(3, 1000 * 3.9**2 / 90.9), rel=1e-6)
    assert quasars(sky, few, redraws=12, **coarse)[1] > 1.4 * quasars(sky, even, redraws=12, **coarse)[1]


def test_too_few_that_count_are_refused(validation):
    heavy = np.where(np.arange(len(validation)) % 1000 == 0, 1e6, 1e-3)
    with pytest.raises(InputError, match="has 6 objects of class number 0"):
        calibrate(validation.weighted(heavy), "vector")


@pytest.mark.parametrize("kind", FITS)
def test_equal_weights_are_none(validation, kind):
    part = validation.take(np.arange(0, len(validation), 20))
    same = part.weighted(np.full(len(part), 7.0))
    assert not same.is_weighted
    assert FITS[kind](same).state() == FITS[kind](part).state()


@pytest.mark.parametrize("kind", FITS)
def test_an_object_that_counts_twice_is_two(validation, kind):
    part = validation.take(np.arange(0, len(validation), 20))
    twice = np.concatenate([np.arange(len(part)), np.arange(0, len(part), 3)])
    doubled = replace(part, weights=np.bincount(twice).astype(np.float64))
    one, other = (FITS[kind](sample) for sample in (doubled, part.take(twice)))
    given = (part.probabilities, part.magnitude, part.missing)
    # limits in magnitude are those of the rows, counted once
    assert np.abs(one(*given) - other(*given)).max() < (0.06 if kind == "isotonic" else 2e-3)


def test_objects_that_do_not_count_leave_and_classes_keep_their_numbers(validation):
    weights = np.arange(len(validation)) % 4.0
    sample = validation.weighted(weights)
    assert len(sample) == (weights > 0).sum()
    kept = np.bincount(validation.labels[weights > 0])
    assert np.bincount(sample.labels, sample.weights) == pytest.approx(kept)


def test_a_class_that_no_sky_has_is_refused(validation):
    with pytest.raises(InputError, match="class number 2 have the weight 0"):
        validation.weighted((validation.labels != 2).astype(float))


def test_weights_survive_their_file_and_a_sample_without_has_the_file_of_before(validation):
    few = validation.take(np.arange(0, len(validation), 60))
    weighted = few.weighted(1.0 + np.arange(len(few)) % 5)
    again = Validation.from_bytes(Validation(weighted, {"other": few}).to_bytes(), CLASSES)
    assert again.sample.weights == pytest.approx(weighted.weights, rel=1e-6)
    assert not again.variants["other"].is_weighted
    with np.load(io.BytesIO(Validation(few, {}).to_bytes())) as arrays:
        assert sorted(arrays.files) == ["group", "labels", "magnitude", "missing", "probabilities"]


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones(5, dtype=np.float32),
        np.ones(6),
        np.ones((6, 1), dtype=np.float32),
        *(np.array([1, 1, 1, 1, 1, bad], dtype=np.float32) for bad in (0.0, -1.0, np.nan, np.inf)),
    ],
)
def test_weights_that_are_none_are_refused(wrong):
    sample = ValidationSample.of(
        np.full((6, 3), 1 / 3, dtype=np.float32),
        np.full(6, 20, dtype=np.float32),
        np.arange(6, dtype=np.int16) % 3,
    )
    with pytest.raises(InputError, match="validation sample of the committee has weights"):
        ValidationSample.from_arrays(sample.arrays() | {"weights": wrong})
