import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jpasbatch.photometry.photometry import (
    Photometry,
    ab_magnitude,
    flux_from_ab_magnitude,
    flux_lambda_from_nu,
    flux_nu_from_lambda,
)

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=False)


def test_one_microjansky_is_magnitude_23_9():
    assert ab_magnitude(np.array([1.0])) == pytest.approx(23.9)
    assert flux_from_ab_magnitude(np.array([8.9])) == pytest.approx(1e6)


def test_magnitudes_keep_dtype_and_are_nan_without_a_positive_flux():
    mags = ab_magnitude(np.array([100.0, 0.0, -1.0, np.nan], dtype=np.float32))
    assert mags.dtype == np.float32
    assert mags[0] == pytest.approx(18.9, abs=1e-5)
    assert np.isnan(mags[1:]).all()


def test_flux_conversion_agrees_with_astropy_and_inverts():
    from astropy import units

    wavelength = np.array([3497.0, 6250.0, 240000.0])
    flux = np.array([3.2e-17, 1e-17, 5e-19])
    expected = (flux * units.Unit("erg s-1 cm-2 Angstrom-1")).to(
        units.microjansky, equivalencies=units.spectral_density(wavelength * units.Angstrom)
    )
    converted = flux_nu_from_lambda(flux, wavelength)
    np.testing.assert_allclose(converted, expected.value, rtol=1e-12)
    np.testing.assert_allclose(flux_lambda_from_nu(converted, wavelength), flux, rtol=1e-12)


def test_what_is_observed_and_detected(photometry):
    assert not photometry.observed[0, 3]
    assert photometry.observed[1, 3]
    assert not photometry.detected[1:3, 3].any()
    assert photometry.detected[3, 3]
    snr = photometry.signal_to_noise()
    assert snr.dtype == np.float32
    assert np.isnan(snr[[0, 1, 3], 3]).all()
    assert snr[2, 3] == pytest.approx(-1.25)
    assert snr[0, 4] == pytest.approx(20, rel=1e-5)


def test_magnitude_error_is_relative_error_times_1_0857(photometry):
    mag, error = photometry.magnitudes(3)
    assert np.isnan(mag[:3]).all()
    assert np.isfinite(mag[3])
    assert np.isnan(error[:4]).all()
    np.testing.assert_allclose(error[7:], 0.05 * 1.0857362, rtol=1e-5)


@given(hnp.arrays(np.float32, (5, 7), elements=FLOATS), hnp.arrays(np.float32, (5, 7), elements=FLOATS))
def test_median_signal_to_noise_is_the_median_of_usable_bands(flux, flux_err):
    photometry = Photometry(flux, flux_err)
    median = photometry.median_signal_to_noise()
    assert median.dtype == np.float32
    for row, found in zip(photometry.signal_to_noise(), median, strict=True):
        usable = row[np.isfinite(row)]
        if usable.size:
            assert found == pytest.approx(float(np.median(usable.astype(np.float64))), rel=1e-5, abs=1e-30)
        else:
            assert np.isnan(found)


def test_no_rows_are_no_trouble():
    empty = Photometry(np.empty((0, 60), np.float32), np.empty((0, 60), np.float32))
    assert empty.median_signal_to_noise().shape == (0,)
    assert len(empty) == 0


@pytest.mark.parametrize(
    ("flux", "flux_err", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), "flux: must be a float32 array"),
        (np.zeros(3, np.float32), np.zeros(3, np.float32), "shape"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32), "flux_err"),
    ],
)
def test_other_arrays_are_refused(flux, flux_err, message):
    with pytest.raises(ValueError, match=message):
        Photometry(flux, flux_err)


def test_rows_can_be_selected(photometry):
    assert len(photometry.select(slice(0, 3))) == 3
    assert len(photometry.select(photometry.detected[:, 3])) == int(photometry.detected[:, 3].sum())
