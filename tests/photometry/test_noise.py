import numpy as np
import pytest

from jpasbatch.photometry.noise import NoiseModel, depths_of_tile, observe
from jpasbatch.photometry.photometry import flux_from_ab_magnitude

QUIET = NoiseModel(error_scatter=0.0, outlier_share=0.0, non_detection_share=0.0)


def test_a_source_at_the_depth_is_seen_at_five_sigma(rng):
    depth = np.array([22.0, 24.0])
    true = np.tile(flux_from_ab_magnitude(depth), (40000, 1))
    flux, flux_err = observe(true, depth, 0.0, rng, QUIET)
    assert flux.dtype == flux_err.dtype == np.float32
    assert flux_err[0] == pytest.approx(true[0] / 5, rel=1e-5)
    assert (flux / flux_err).mean(axis=0) == pytest.approx([5.0, 5.0], abs=0.03)
    assert ((flux - true) / flux_err).std(axis=0) == pytest.approx([1.0, 1.0], abs=0.02)


def test_the_zero_point_limits_bright_sources(rng):
    flux, flux_err = observe(np.full((10, 1), 1e6), np.array([22.0]), 0.04, rng, QUIET)
    assert flux_err / 1e6 == pytest.approx(np.full((10, 1), 0.04 * 0.4 * np.log(10)), rel=1e-3)
    assert (flux > 0).all()


def test_non_detections_and_unobserved_bands_have_their_forms(rng):
    true = np.zeros((20000, 2))
    true[:, 1] = np.nan
    flux, flux_err = observe(true, np.array([22.0, 22.0]), 0.04, rng)
    assert np.isnan(flux[:, 1]).all()
    assert np.isnan(flux_err[:, 1]).all()
    listed = np.isnan(flux_err[:, 0])
    assert (flux[listed, 0] == 0).all()
    assert listed.mean() == pytest.approx(0.01, abs=0.003)
    assert 0.4 < (flux[~listed, 0] < 0).mean() < 0.6


def test_outliers_make_a_tail(rng):
    flux, flux_err = observe(np.full((50000, 1), 10.0), np.array([22.0]), 0.0, rng)
    pull = np.abs(flux - 10.0) / flux_err
    assert 0.001 < np.nanmean(pull > 4.5) < 0.01


def test_tiles_have_their_own_depths(survey):
    first, second = depths_of_tile(survey, 0), depths_of_tile(survey, 1)
    assert first[0] == pytest.approx(23.6588)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, depths_of_tile(survey, 4))


@pytest.mark.parametrize(
    "wrong",
    [{"outlier_share": 1.5}, {"error_scatter": -1.0}, {"outlier_factor": 0.5}, {"non_detection_share": -0.1}],
)
def test_a_wrong_option_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NoiseModel(**wrong)
