"""Noise from the objects' own streams: the same bits beside any others, and the spread that errors claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.conditions import FIRST_VIRTUAL_TILE, Conditions, RealTiles, conditions_of_tiles
from jpasbatch.photometry.noise import NOISE_CHUNK, NoiseModel, observe_again, observe_objects, sky_noise
from jpasbatch.photometry.streams import ObjectStreams

ZERO_POINT_ERROR = 0.04
QUIET = NoiseModel(error_scatter=0.0, outlier_share=0.0, non_detection_share=0.0)
DEPTHS = RealTiles(np.array([[22.0, 23.0, 24.0]]), np.full((1, 3), 1.2))
MANY = 2 * NOISE_CHUNK + 345
"""Objects in three chunks."""


def observed(flux, ids, model=None, realisation=0) -> tuple[np.ndarray, np.ndarray]:
    """Observe objects, each in a tile of its own."""
    return observe_objects(
        np.broadcast_to(np.asarray(flux, dtype=np.float32), (len(ids), 3)),
        night(ids),
        ObjectStreams(1, ids),
        model or NoiseModel(),
        ZERO_POINT_ERROR,
        realisation,
    )


def night(ids: np.ndarray) -> Conditions:
    return conditions_of_tiles(FIRST_VIRTUAL_TILE + ids, DEPTHS, 1, (0.1, ZERO_POINT_ERROR), 0.0)


def fluxes(ids: np.ndarray) -> np.ndarray:
    """Return a different true flux (n, 3) for every object; some bands are not observed."""
    flux = np.exp(ObjectStreams(2, ids).named("true").normal(0.0, 2.0, (len(ids), 3)))
    flux[(ids + 1) % 7 == 0, 1] = np.nan
    return flux.astype(np.float32)


@pytest.fixture(scope="module")
def whole() -> tuple[np.ndarray, np.ndarray]:
    ids = np.arange(MANY)
    return observed(fluxes(ids), ids)


@settings(deadline=None)
@given(rows=st.lists(st.integers(0, MANY - 1), max_size=30))
def test_an_object_is_observed_the_same_beside_any_others(whole, rows):
    ids = np.array(rows, dtype=np.int64)
    flux, error = observed(fluxes(ids), ids)
    assert np.array_equal(flux, whole[0][ids], equal_nan=True)
    assert np.array_equal(error, whole[1][ids], equal_nan=True)


@pytest.mark.parametrize("first", [1, NOISE_CHUNK - 1, NOISE_CHUNK, NOISE_CHUNK + 1, MANY - 1])
def test_chunks_leave_no_trace(whole, first):
    ids = np.arange(first, MANY)
    flux, error = observed(fluxes(ids), ids)
    assert np.array_equal(flux, whole[0][first:], equal_nan=True)
    assert np.array_equal(error, whole[1][first:], equal_nan=True)


def test_true_fluxes_are_left_alone():
    ids = np.arange(50)
    true = fluxes(ids)
    before = true.copy()
    flux, error = observed(true, ids)
    assert np.array_equal(true, before, equal_nan=True)
    assert flux.dtype == error.dtype == np.float32


@pytest.mark.parametrize("level", [0.01, 3.0, 300.0, 1e5])
def test_pulls_spread_as_errors_claim(level):
    """From fluxes that the sky's noise limits to those that the zero point does, over many tiles."""
    flux, error = observed(level, np.arange(20_000), QUIET)
    pull = (flux - level) / error
    assert pull.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.035)  # 10^(-0.4 dm) is skewed by 2 %
    assert pull.std(axis=0) == pytest.approx(np.ones(3), rel=0.03)


def test_errors_scatter_as_told():
    model = NoiseModel(error_scatter=0.2, outlier_share=0.0, non_detection_share=0.0)
    ids = np.arange(20_000)
    _, error = observed(0.0, ids, model)
    ratio = np.log(error / night(ids).sky)
    assert ratio.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.006)
    assert ratio.std(axis=0) == pytest.approx(np.full(3, 0.2), rel=0.02)


def test_the_error_holds_sky_and_zero_point():
    ids = np.arange(100)
    _, error = observed(50.0, ids, QUIET)
    expected = np.hypot(night(ids).sky, 0.4 * np.log(10) * ZERO_POINT_ERROR * 50.0)
    assert error == pytest.approx(expected, rel=1e-5)


def test_objects_of_a_tile_share_its_zero_points():
    tile = night(np.array([5]))
    conditions = tile[np.zeros(2000, dtype=np.int64)]
    bright = np.full((2000, 3), 1e6, dtype=np.float32)
    flux, _ = observe_objects(bright, conditions, ObjectStreams(1, np.arange(2000)), QUIET, ZERO_POINT_ERROR)
    assert flux / 1e6 == pytest.approx(np.broadcast_to(tile.zero_point, (2000, 3)), rel=1e-4)


def test_bands_have_noise_of_their_own():
    flux, _ = observed(0.0, np.arange(20_000), QUIET)
    assert np.abs(np.corrcoef(flux.T) - np.eye(3)).max() < 4.5 / np.sqrt(20_000)


def test_outliers_make_the_tail_they_should():
    model = NoiseModel(error_scatter=0.0, outlier_share=0.1, outlier_factor=10.0, non_detection_share=0.0)
    flux, error = observed(1.0, np.arange(20_000), model)
    beyond = (np.abs(flux - 1.0) / error > 5).mean()
    assert beyond == pytest.approx(0.1 * 0.617, abs=4 * np.sqrt(0.06 / 60_000))  # 2 sf(0.5)


@pytest.mark.parametrize("level", [0.0, 300.0])
def test_outliers_scatter_by_a_multiple_of_the_whole_error(level):
    """Tiles' zero points come on top."""
    model = NoiseModel(error_scatter=0.0, outlier_share=1.0, outlier_factor=4.0, non_detection_share=0.0)
    ids = np.arange(20_000)
    flux, error = observed(level, ids, model)
    pull = (flux - level * night(ids).zero_point) / error
    assert pull.std() == pytest.approx(4.0, rel=0.02)


def test_another_realisation_is_another_observation_of_the_same_night():
    ids = np.arange(20_000)
    (first, error), (second, other) = (observed(3.0, ids, QUIET, number) for number in (0, 1))
    assert (first != second).mean() > 0.99
    assert np.array_equal(error, other)
    assert ((first - second) / night(ids).sky).std() == pytest.approx(np.sqrt(2), rel=0.02)
    off = 0.5 * (first + second) - 3.0 * night(ids).zero_point
    assert (off / night(ids).sky).std() == pytest.approx(np.sqrt(0.5), rel=0.02)


@pytest.fixture(scope="module")
def faint() -> tuple[np.ndarray, np.ndarray]:
    """Return fluxes and errors of objects at about 3 sigma, of which a fifth are not listed."""
    model = NoiseModel(outlier_share=0.0, non_detection_share=0.2)
    return observed(3 * night(np.arange(20_000)).sky, np.arange(20_000), model)


def test_a_share_of_faint_objects_is_not_listed(faint):
    flux, error = faint
    below = np.mean(np.isnan(error) | (flux < 5 * error))
    assert np.isnan(error).mean() / below == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 55_000))


def test_what_is_not_listed_has_flux_zero_and_no_error(faint):
    flux, error = faint
    assert (flux[np.isnan(error)] == 0).all()
    assert (flux[np.isfinite(error)] != 0).all()


def test_bright_objects_are_all_listed():
    model = NoiseModel(outlier_share=0.0, non_detection_share=1.0)
    flux, error = observed(1e3, np.arange(5000), model)
    assert np.isfinite(error).all()
    assert (flux >= 5 * error).all()


def test_an_unobserved_band_stays_so():
    ids = np.arange(2000)
    true = np.ones((2000, 3), dtype=np.float32)
    true[:, 1] = np.nan
    model = NoiseModel(outlier_share=0.3, non_detection_share=0.7)
    flux, error = observed(true, ids, model)
    assert np.isnan(flux[:, 1]).all()
    assert np.isnan(error[:, 1]).all()
    assert np.isfinite(flux[:, [0, 2]]).all()


def test_no_objects_give_no_fluxes():
    flux, error = observed(np.ones((0, 3)), np.array([], dtype=np.int64))
    assert flux.shape == error.shape == (0, 3)


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true fluxes, measured fluxes and errors of a mock sample."""
    ids = np.arange(20_000)
    return fluxes(ids), *observed(fluxes(ids), ids)


def test_sky_noise_is_what_the_tiles_have(sample):
    true, _, error = sample
    sky = sky_noise(true, error, ZERO_POINT_ERROR)
    tiles = night(np.arange(20_000)).sky
    assert np.isfinite(sky).all()
    assert np.median(sky / tiles, axis=0) == pytest.approx(np.ones(3), abs=0.02)


def test_another_observation_is_one_of_the_same_kind(sample):
    true, flux, error = sample
    sky = sky_noise(true, error, ZERO_POINT_ERROR)
    flux_again, error_again = observe_again(
        true, sky, ZERO_POINT_ERROR, NoiseModel(), np.random.default_rng(5)
    )
    assert flux_again.dtype == error_again.dtype == np.float32
    assert np.array_equal(np.isnan(flux_again), np.isnan(true))
    assert np.isnan(error_again).mean() == pytest.approx(np.isnan(error).mean(), rel=0.1)
    quantiles = [0.02, 0.16, 0.5, 0.84, 0.98]
    pulls = [np.nan_to_num((f - true) / e) for f, e in ((flux, error), (flux_again, error_again))]
    assert np.quantile(pulls[1], quantiles) == pytest.approx(np.quantile(pulls[0], quantiles), abs=0.06)
    assert abs(np.corrcoef(pulls[0].ravel(), pulls[1].ravel())[0, 1]) < 0.03
    errors = [np.nanquantile(np.log(e), quantiles, axis=0) for e in (error, error_again)]
    assert errors[1] == pytest.approx(errors[0], abs=0.1)


def test_a_band_without_any_error_cannot_be_observed_again():
    with pytest.raises(InputError, match="band 1 of the sample has no error anywhere"):
        sky_noise(np.ones((3, 2), np.float32), np.array([[1, np.nan]] * 3, np.float32), 0.0)
