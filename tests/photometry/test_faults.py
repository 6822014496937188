"""Faults of photometry: each does what its option says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.photometry.faults import BAD_BANDS, LARGEST_NEIGHBOUR, Faults, add_faults

BANDS, REFERENCE = 40, 7
WAVELENGTH = np.linspace(4000.0, 9000.0, BANDS)


def _photometry(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    flux = rng.lognormal(2.0, 0.5, (rows, BANDS)).astype(np.float32)
    error = np.full_like(flux, 0.5)
    flux[:, 3], error[:, 3] = np.nan, np.nan
    return flux, error


def _with(faults: Faults, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return add_faults(*_photometry(), faults, WAVELENGTH, REFERENCE, np.random.default_rng(seed))


def test_without_options_nothing_is_wrong():
    assert not Faults().any
    for before, after in zip(_photometry(), _with(Faults()), strict=True):
        assert np.array_equal(before, after, equal_nan=True)


shares = st.sampled_from([0.0, 0.1, 1.0])


@given(shares, shares, shares, shares, shares, st.integers(0, 2**32 - 1))
def test_missing_bands_stay_missing_and_all_others_finite(zero, smooth, errors, bad, blends, seed):
    faults = Faults(zero, smooth, 1500.0, errors, bad, blends)
    flux, error = add_faults(*_photometry(50), faults, WAVELENGTH, REFERENCE, np.random.default_rng(seed))
    known = np.arange(BANDS) != 3
    assert np.isnan(flux[:, 3]).all()
    assert np.isnan(error[:, 3]).all()
    assert np.isfinite(flux[:, known]).all()
    assert (error[:, known] > 0).all()
    assert flux.dtype == error.dtype == np.float32


def test_zero_points_move_flux_and_error_alike_and_as_far_as_they_say():
    flux, error = _photometry()
    moved, errors = _with(Faults(zero_point=0.05))
    known = np.isfinite(flux)
    shift = -2.5 * np.log10(moved[known] / flux[known])
    assert shift.std() == pytest.approx(0.05, rel=0.02)
    np.testing.assert_allclose(moved[known] / errors[known], flux[known] / error[known], rtol=1e-5)


def test_calibration_errors_are_shared_by_bands_side_by_side():
    flux, _ = _photometry()
    known = np.arange(BANDS) != 3
    shift = -2.5 * np.log10(_with(Faults(calibration=0.05))[0][:, known] / flux[:, known])
    assert shift.std() == pytest.approx(0.05, rel=0.05)
    assert np.corrcoef(shift[:, 10], shift[:, 11])[0, 1] > 0.98
    assert abs(np.corrcoef(shift[:, 0], shift[:, -1])[0, 1]) < 0.1


def test_misjudged_errors_leave_fluxes():
    flux, error = _photometry()
    same, other = _with(Faults(misjudged_errors=0.2))
    assert np.array_equal(flux, same, equal_nan=True)
    factor = np.log(other[:, 0] / error[:, 0])
    assert factor.std() == pytest.approx(0.2, rel=0.05)


def test_bad_bands_are_few_and_never_the_reference():
    flux, _ = _photometry()
    changed = (_with(Faults(bad_bands=0.5))[0] != flux) & np.isfinite(flux)
    number = changed.sum(axis=1)
    assert number.max() <= BAD_BANDS
    assert (number > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert not changed[:, REFERENCE].any()


def test_a_neighbour_is_fainter_than_the_object():
    flux, _ = _photometry()
    ratio = _with(Faults(blends=1.0))[0][:, REFERENCE] / flux[:, REFERENCE]
    assert ratio.min() >= 1
    assert ratio.max() <= 1 + LARGEST_NEIGHBOUR + 1e-5


def test_one_object_alone_may_have_any_fault():
    flux, error = (array[:1] for array in _photometry())
    faults = Faults(0.1, 0.1, 1500.0, 0.1, 1.0, 1.0)
    one, _ = add_faults(flux, error, faults, WAVELENGTH, REFERENCE, np.random.default_rng(1))
    assert one.shape == flux.shape
