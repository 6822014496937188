"""Sums of bands: exact for what they were made for, with errors of independent fluxes, and honest where bands lack."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.photometry.combinations import MOST_MISSING, BandCombination, combine

WAVELENGTHS = np.array([4000.0, 4100.0, 4250.0, 4300.0, 4500.0])
WEIGHTS = np.array([0.1, 0.2, 0.4, 0.2, 0.1])


def test_a_sum_and_its_error():
    flux, error = np.arange(1.0, 6.0)[None], np.full((1, 5), 0.5)
    total, sigma = combine(flux, error, WEIGHTS, WAVELENGTHS)
    assert total[0] == pytest.approx(flux[0] @ WEIGHTS)
    assert sigma[0] == pytest.approx(0.5 * np.sqrt((WEIGHTS**2).sum()))


@given(st.integers(0, 2**32 - 1), st.sets(st.sampled_from([0, 1, 3, 4]), max_size=2))
def test_missing_bands_change_nothing_for_spectra_that_are_straight(seed, missing):
    rng = np.random.default_rng(seed)
    flux = rng.uniform(1, 10, (6, 1)) + rng.uniform(0, 1e-3, (6, 1)) * (WAVELENGTHS - 4000)
    whole, _ = combine(flux, np.ones_like(flux), WEIGHTS, WAVELENGTHS)
    edges = {0, 4} & missing
    gone = flux.copy()
    gone[:, sorted(missing)] = np.nan
    total, sigma = combine(gone, np.ones_like(flux), WEIGHTS, WAVELENGTHS)
    if WEIGHTS[sorted(missing)].sum() > MOST_MISSING + 1e-9:
        assert np.isnan(total).all()
        assert np.isnan(sigma).all()
        return
    # beyond the last known band there is nothing to interpolate with
    np.testing.assert_allclose(total, whole, rtol=2e-2 if edges else 1e-12)
    assert (sigma > 0).all()


def test_an_error_grows_where_a_neighbour_takes_the_weight():
    flux, error = np.ones((2, 5)), np.full((2, 5), 0.3)
    flux[1, 1] = np.nan
    _, sigma = combine(flux, error, WEIGHTS, WAVELENGTHS)
    assert sigma[1] > sigma[0]


def test_weights_must_make_a_mean():
    with pytest.raises(ValueError, match=r"sum to 0\.500; they must sum to 1"):
        BandCombination({"J0400": 0.5})
    with pytest.raises(ValueError, match="bands"):
        BandCombination({})
