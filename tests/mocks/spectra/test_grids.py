"""One grid for all spectra: what is resampled to it keeps its flux, what is shifted lands where it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.mocks.spectra.grids import (
    BLUE_PIXELS,
    HIGHEST_REDSHIFT,
    LOG_STEP,
    OBSERVED_PIXELS,
    REST_PIXELS,
    observed_grid,
    resample,
    rest_grid,
    rest_pixel,
    shifted,
    smooth,
)

REDSHIFTS = st.floats(0.0, HIGHEST_REDSHIFT)


def widths() -> np.ndarray:
    """Widths of the pixels of the rest grid, Angstrom."""
    return rest_grid() * 2 * np.sinh(LOG_STEP / 2)


def line_at(wavelength: float, sigma_pixels: float = 3.0) -> np.ndarray:
    """Return a Gaussian line on the rest grid, its centre anywhere between pixels."""
    place = np.log(wavelength / rest_grid()) / LOG_STEP
    return np.exp(-0.5 * (place / sigma_pixels) ** 2).astype(np.float32)


def centroid(flux: np.ndarray) -> float:
    """Return the wavelength of a line on the observed grid."""
    return float(np.exp((np.log(observed_grid()) * flux).sum() / flux.sum()))


def test_grids_reach_as_far_as_they_say():
    assert observed_grid()[[0, -1]] == pytest.approx([3000.0, 11005.0], abs=5)
    assert rest_grid()[0] < 3000.0 / (1 + HIGHEST_REDSHIFT)
    assert rest_grid()[BLUE_PIXELS : BLUE_PIXELS + OBSERVED_PIXELS] == pytest.approx(observed_grid())
    assert np.diff(np.log(rest_grid())) == pytest.approx(np.full(REST_PIXELS - 1, LOG_STEP))


def test_grids_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        rest_grid()[0] = 1.0


def test_resampling_conserves_a_smooth_spectrum():
    wavelength = np.arange(1000.0, 9000.0, 0.7)
    flux = 2.0 + np.sin(wavelength / 150.0)
    result = resample(wavelength, flux)[0]
    first, last = np.flatnonzero(result)[[0, -1]]
    low, high = rest_grid()[first] * np.exp(-LOG_STEP / 2), rest_grid()[last] * np.exp(LOG_STEP / 2)
    exact = 2.0 * (high - low) - 150.0 * (np.cos(high / 150.0) - np.cos(low / 150.0))
    assert (result * widths())[first : last + 1].sum() == pytest.approx(exact, rel=1e-5)


@settings(deadline=None)
@given(centre=st.floats(1500.0, 8000.0), width=st.floats(0.01, 30.0))
def test_resampling_conserves_the_flux_of_a_line(centre, width):
    wavelength = np.array([1000.0, centre - width, centre, centre + width, 9000.0])
    result = resample(wavelength, np.array([0.0, 0.0, 1.0, 0.0, 0.0]))[0]
    assert (result * widths()).sum() == pytest.approx(width, rel=1e-3)


def test_resampling_treats_every_spectrum_alike():
    wavelength = np.linspace(2000.0, 6000.0, 5000)
    flux = np.random.default_rng(1).uniform(size=(3, 5000))
    together = resample(wavelength, flux)
    assert together.dtype == np.float32
    assert np.array_equal(together[1], resample(wavelength, flux[1])[0])


@settings(deadline=None)
@given(low=st.floats(200.0, 12000.0), length=st.floats(1.0, 8000.0))
def test_resampled_spectra_are_zero_where_not_covered(low, length):
    result = resample(np.array([low, low + length]), np.array([3.0, 3.0]))[0]
    left, right = rest_grid() * np.exp(-LOG_STEP / 2), rest_grid() * np.exp(LOG_STEP / 2)
    beyond = (left < low * (1 - 1e-8)) | (right > (low + length) * (1 + 1e-8))
    within = (left > low * (1 + 1e-8)) & (right < (low + length) * (1 - 1e-8))
    assert (result[beyond] == 0).all()
    assert result[within] == pytest.approx(np.full(within.sum(), 3.0))


@pytest.mark.parametrize("pixel", [0, 1, 1500, REST_PIXELS - 1])
def test_pixels_are_found_by_wavelength(pixel):
    assert rest_pixel(float(rest_grid()[pixel]) * (1 + 0.4 * LOG_STEP)) == pixel


@pytest.mark.parametrize(("wavelength", "pixel"), [(1.0, 0), (1e5, REST_PIXELS - 1)])
def test_pixels_beyond_the_grid_are_its_ends(wavelength, pixel):
    assert rest_pixel(wavelength) == pixel


def test_at_redshift_zero_a_slice_is_seen():
    curve = np.random.default_rng(1).uniform(size=REST_PIXELS).astype(np.float32)
    seen = shifted(curve, np.array([0.0]))
    assert seen.dtype == np.float32
    assert np.array_equal(seen[0], curve[BLUE_PIXELS : BLUE_PIXELS + OBSERVED_PIXELS])


@settings(deadline=None)
@given(redshift=REDSHIFTS, observed=st.floats(3100.0, 10800.0))
def test_a_line_lands_at_its_redshifted_wavelength(redshift, observed):
    seen = shifted(line_at(observed / (1 + redshift)), np.array([redshift]))[0]
    assert abs(np.log(centroid(seen) / observed)) < 0.02 * LOG_STEP


@settings(max_examples=40, deadline=None)
@given(redshift=REDSHIFTS)
def test_a_flat_spectrum_stays_flat(redshift):
    assert shifted(np.ones(REST_PIXELS, dtype=np.float32), np.array([redshift])) == pytest.approx(
        np.ones((1, OBSERVED_PIXELS))
    )


@settings(deadline=None)
@given(redshifts=st.lists(REDSHIFTS, min_size=1, max_size=6))
def test_every_row_has_its_own_redshift(redshifts):
    curve = line_at(2000.0)
    together = shifted(curve, np.array(redshifts))
    alone = [shifted(curve, np.array([one]))[0] for one in redshifts]
    assert np.array_equal(together, alone)


@settings(max_examples=40, deadline=None)
@given(redshift=REDSHIFTS, weights=st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3))
def test_weights_sum_the_components(redshift, weights):
    curves = np.random.default_rng(2).uniform(size=(3, REST_PIXELS)).astype(np.float32)
    z = np.array([redshift])
    seen = shifted(curves, z, np.array([weights], dtype=np.float32))
    expected = sum(weight * shifted(curve, z) for weight, curve in zip(weights, curves, strict=True))
    assert seen == pytest.approx(np.asarray(expected), abs=1e-4)


@pytest.mark.parametrize("redshift", [-0.001, 5.3, 100.0])
def test_a_redshift_beyond_the_grid_is_refused(redshift):
    with pytest.raises(ValueError, match=r"from 0 to 5\.2"):
        shifted(np.ones(REST_PIXELS, dtype=np.float32), np.array([1.0, redshift]))


def test_the_highest_redshift_is_allowed():
    assert shifted(np.ones(REST_PIXELS, dtype=np.float32), np.array([HIGHEST_REDSHIFT])).min() == 1.0


def test_no_redshifts_give_no_spectra():
    assert shifted(line_at(5000.0), np.array([])).shape == (0, OBSERVED_PIXELS)


def test_smoothing_widens_a_line_and_keeps_its_flux():
    line = line_at(4000.0, 3.0)
    wide = smooth(line[None, :], 4.0)[0]
    assert wide.sum() == pytest.approx(line.sum(), rel=1e-4)
    assert wide.max() == pytest.approx(line.max() * 3 / 5, rel=0.01)  # widths add in quadrature
