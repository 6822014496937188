"""Training sets by epoch: as observed, observed anew, and mixed."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.augmentation import Augmentation, hide_bands
from jpasbatch.photometry.faults import Faults
from jpasbatch.photometry.features.fluxes import RelativeFlux
from jpasbatch.photometry.noise import NoiseModel
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.train import draws
from jpasbatch.stages.train.draws import TrainingDraws

SURVEY = load_survey("jpas60")
CLASSES = ("star", "galaxy", "qso_low", "qso_high")
ROWS = 400


def draws_of(seed=1, noiseless=True, **options):
    rng = np.random.default_rng(0)
    true = rng.lognormal(1.0, 0.5, (ROWS, 60)).astype(np.float32)
    error = np.full_like(true, 0.3)
    photometry = Photometry((true + error * rng.normal(size=true.shape)).astype(np.float32), error)
    labels = (np.arange(ROWS) % 4).astype(np.int16)
    return TrainingDraws(
        photometry,
        true if noiseless else None,
        labels,
        CLASSES,
        SURVEY,
        RelativeFlux(SURVEY),
        Augmentation(**options),
        NoiseModel(),
        seed,
    )


def test_as_observed_it_is_the_sample_in_every_epoch():
    source = draws_of()
    first = source.epoch(1)
    expected = source.features(source.photometry)
    usable = np.isfinite(expected).all(axis=1)
    assert np.array_equal(first.features, expected[usable])
    assert np.array_equal(first.labels, source.labels[usable])
    assert source.epoch(7) is first


def test_fresh_noise_differs_by_epoch_and_member_alone():
    source = draws_of(noise="fresh")
    first, second = source.epoch(1).features, source.epoch(2).features
    assert not np.array_equal(first[:10], second[:10])
    assert np.array_equal(draws_of(noise="fresh").epoch(2).features, second)
    assert not np.array_equal(draws_of(seed=2, noise="fresh").epoch(2).features[:10], second[:10])


def test_gaps_and_faults_are_drawn_anew_in_every_epoch():
    source = draws_of(gaps=0.5)
    first, second = source.epoch(1).features, source.epoch(2).features
    assert (first == 0).any(axis=1).mean() == pytest.approx(0.5, abs=0.07)
    assert not np.array_equal(first == 0, second == 0)
    assert np.array_equal(draws_of(gaps=0.5).epoch(2).features, second)
    wrong = draws_of(faults=Faults(zero_point=0.05))
    assert not np.array_equal(wrong.epoch(1).features, wrong.epoch(2).features)
    assert not np.array_equal(wrong.epoch(1).features, draws_of().epoch(1).features)


def test_faults_are_made_before_gaps_hide_them():
    source = draws_of(gaps=1.0, faults=Faults(bad_bands=1.0))
    hidden = source.epoch(1).features == 0
    assert hidden.any(axis=1).mean() > 0.9


def test_a_survey_without_patterns_has_no_gaps_to_learn():
    source = replace(draws_of(gaps=0.5), survey=replace(SURVEY, gaps=()))
    with pytest.raises(InputError, match="no pattern of missing bands"):
        source.epoch(1)


def test_fresh_noise_needs_true_fluxes():
    with pytest.raises(ValueError, match="without noiseless fluxes"):
        draws_of(noise="fresh", noiseless=False).epoch(1)


@pytest.mark.parametrize("noise", ["observed", "fresh"])
def test_hybrids_enlarge_the_set_and_keep_its_proportions(noise, monkeypatch):
    source = draws_of(noise=noise, hybrid_factor=3, hybrid_bin_rows=100)
    sample = source.epoch(1)
    assert len(sample) == pytest.approx(3 * ROWS, rel=0.02)
    assert sample.soft is not None
    assert sample.soft.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    counts = list(sample.class_counts().values())
    assert max(counts) - min(counts) < 0.03 * len(sample)
    monkeypatch.setattr(draws, "MIXED_ROWS", 77)
    again = draws_of(noise=noise, hybrid_factor=3, hybrid_bin_rows=100).epoch(1)
    assert np.array_equal(again.features, sample.features)


def test_each_member_has_its_own_hybrids():
    one, other = (draws_of(seed, hybrid_factor=1, hybrid_bin_rows=100).epoch(1) for seed in (1, 2))
    assert not np.array_equal(one.features[:10], other.features[:10])


def test_hardly_mixed_hybrids_are_the_objects():
    mixed = draws_of(hybrid_factor=1, hybrid_scale=0.0, hybrid_bin_rows=100).epoch(1)
    assert np.array_equal(mixed.features, draws_of().epoch(1).features)


def test_bands_are_taken_away_as_others_lack_them():
    flux = np.ones((400, 60), dtype=np.float32)
    flux[::4, 10:20] = np.nan
    reference = SURVEY.reference_index
    one, err = hide_bands(flux, flux / 10, 0.5, reference, np.random.default_rng(1))
    lost = np.isnan(one) & ~np.isnan(flux)
    assert np.isnan(err[lost]).all()
    assert set(np.flatnonzero(lost.any(axis=0))) == set(range(10, 20))
    # half of the 300 that have all bands are chosen, and a quarter of those are given another's gaps
    assert lost.any(axis=1).sum() == pytest.approx(300 * 0.5 * 0.25, abs=15)
    flux[:, reference] = np.nan
    assert not (
        np.isnan(hide_bands(np.ones_like(flux), flux, 1.0, reference, np.random.default_rng(1))[0])
    ).any()


def test_other_bands_are_taken_away_in_every_epoch():
    source = draws_of(missing_bands=0.7)
    source.photometry.flux[::2, 3:9] = np.nan
    first, second = source.epoch(1).features, source.epoch(2).features
    assert first.shape == second.shape
    assert not np.array_equal(first, second)
    assert np.array_equal(draws_of().epoch(1).features, draws_of(missing_bands=0.7).epoch(1).features)
