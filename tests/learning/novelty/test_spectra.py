"""Spectra of a class, and how far objects are from their sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jpasbatch.learning.novelty.spectra import CLIP, compare, learn_spectra, weighted
from jpasbatch.photometry.photometry import Photometry

BANDS, RANK = 20, 3


@pytest.fixture(scope="module")
def spectra() -> np.ndarray:
    """Return spectra whose sums are what a class looks like, (bands, rank)."""
    x = np.linspace(-1, 1, BANDS)
    return np.stack([np.ones(BANDS), x, np.exp(-(x**2) / 0.05)], axis=1)


def observed(spectra: np.ndarray, rows: int, seed: int, noise: float = 0.03) -> Photometry:
    rng = np.random.default_rng(seed)
    true = (
        (np.array([1.0, 0.0, 0.3]) + rng.normal(0, 0.2, (rows, RANK)))
        @ spectra.T
        * 10 ** rng.uniform(0, 2, (rows, 1))
    )
    error = noise * np.abs(true) + 0.02
    flux = true + error * rng.normal(size=true.shape)
    return Photometry(flux.astype(np.float32), error.astype(np.float32))


@pytest.fixture(scope="module")
def learnt(spectra) -> tuple[np.ndarray, np.ndarray]:
    sample = observed(spectra, 2_000, 1)
    return learn_spectra(sample.flux, sample.flux_err, RANK)


def test_the_spectra_behind_a_sample_are_found(spectra, learnt):
    basis, seen = learnt
    assert seen.all()
    np.testing.assert_allclose(basis.T @ basis, np.eye(RANK), atol=1e-9)
    rest = spectra - basis @ (basis.T @ spectra)
    assert np.abs(rest).max() < 0.02 * np.abs(spectra).max()


def test_the_misfit_of_ordinary_objects_is_about_one(spectra, learnt):
    objects = observed(spectra, 1_000, 2)
    found = compare(objects, np.arange(1_000), *learnt)
    assert np.median(found.misfit) == pytest.approx(1.0, abs=0.1)
    assert (found.bands == BANDS).all()
    assert 1.5 < np.median(found.band) < 3.0


def test_one_band_that_is_off_is_the_largest_residual_and_hardly_a_misfit(spectra, learnt):
    objects = observed(spectra, 200, 3)
    flux = objects.flux.copy()
    flux[:, 5] += 30 * objects.flux_err[:, 5]
    found = compare(Photometry(flux, objects.flux_err), np.arange(200), *learnt)
    before = compare(objects, np.arange(200), *learnt)
    assert (found.band > 15).all()
    # the other bands are pulled along by the one that is off; no band counts more than the limit
    assert (found.misfit <= CLIP**2 * BANDS / (BANDS - RANK)).all()
    assert (found.misfit > before.misfit).all()


def test_missing_bands_of_a_sample_are_learnt_from_others(spectra, learnt):
    sample = observed(spectra, 2_000, 1)
    flux = sample.flux.copy()
    flux[np.random.default_rng(4).random(flux.shape) < 0.3] = np.nan
    basis, _ = learn_spectra(flux, sample.flux_err, RANK)
    rest = learnt[0] - basis @ (basis.T @ learnt[0])
    assert np.abs(rest).max() < 0.02


def test_a_band_that_the_class_was_never_seen_in_is_left_out(spectra):
    sample = observed(spectra, 500, 1)
    flux = sample.flux.copy()
    flux[:, 7] = np.nan
    basis, seen = learn_spectra(flux, sample.flux_err, RANK)
    assert np.flatnonzero(~seen).tolist() == [7]
    other = sample.flux.copy()
    other[:, 7] = 1e6
    found = compare(Photometry(other, sample.flux_err), np.arange(500), basis, seen)
    assert (found.bands == BANDS - 1).all()
    assert np.median(found.misfit) == pytest.approx(1.0, abs=0.15)


any_number = hnp.arrays(np.float32, (6, BANDS), elements=st.floats(width=32))


@given(any_number, any_number)
def test_whatever_a_catalogue_holds_the_comparison_is_a_number(learnt, flux, flux_err):
    found = compare(Photometry(flux, flux_err), np.arange(6), *learnt)
    values, weights = weighted(flux, flux_err)
    assert np.isfinite(values).all()
    assert (weights >= 0).all()
    assert np.isfinite(found.misfit).all()
    assert (found.misfit >= 0).all()
    assert not np.isnan(found.band).any()
    usable = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)
    assert found.bands.tolist() == usable.sum(axis=1).tolist()


def test_objects_without_any_band_have_no_misfit(learnt):
    nothing = np.full((3, BANDS), np.nan, dtype=np.float32)
    found = compare(Photometry(nothing, nothing), np.arange(3), *learnt)
    assert found.misfit.tolist() == found.band.tolist() == [0.0, 0.0, 0.0]
    assert found.bands.tolist() == [0, 0, 0]
