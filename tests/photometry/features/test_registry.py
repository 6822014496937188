import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.fluxes import Colours, FluxesAndErrors, RelativeFlux
from jpasbatch.photometry.features.magnitudes import MagnitudesAndErrors, NeighbourColours
from jpasbatch.photometry.features.registry import FEATURES, make_features
from jpasbatch.photometry.photometry import Photometry, flux_lambda_from_nu
from jpasbatch.photometry.survey import load_survey

SURVEY = load_survey("nepw14")
STATES = {"colours": {"magnitude_range": [1, 2]}, "neighbour_colours": {"bands": ["i", "N2"]}}
FLUXES = st.floats(width=32, allow_nan=True, allow_infinity=False)


@pytest.fixture(params=sorted(FEATURES))
def kind(request) -> str:
    return request.param


def test_shape_dtype_and_unusable_rows(kind, survey, photometry):
    features = make_features(kind, survey).fit(photometry)
    inputs = features(photometry)
    assert inputs.shape == (len(photometry), features.n_inputs)
    assert inputs.dtype == np.float32
    assert features.name == kind
    unusable = np.isin(np.arange(len(photometry)), [4, 5, 6])
    assert np.isnan(inputs[unusable]).all()
    assert np.isfinite(inputs[~unusable]).all()


def test_the_state_survives_json(kind, survey, photometry):
    features = make_features(kind, survey).fit(photometry)
    restored = make_features(kind, survey, json.loads(json.dumps(features.state())))
    np.testing.assert_array_equal(restored(photometry), features(photometry))


def test_rows_do_not_depend_on_each_other(kind, survey, photometry):
    features = make_features(kind, survey).fit(photometry)
    alone = np.concatenate([features(photometry.select(slice(row, row + 1))) for row in range(8)])
    np.testing.assert_array_equal(alone, features(photometry)[:8])
    assert features(photometry.select(slice(0, 0))).shape == (0, features.n_inputs)


def test_the_input_is_not_changed(kind, survey, photometry):
    before = photometry.flux.copy()
    features = make_features(kind, survey).fit(photometry)
    features(photometry)
    np.testing.assert_array_equal(photometry.flux, before)


def test_another_number_of_bands_is_refused(kind, photometry):
    with pytest.raises(InputError, match="60 bands"):
        make_features(kind, SURVEY, STATES.get(kind))(photometry)


NEXT_TO_NOTHING = np.ones((4, 14), np.float32)
NEXT_TO_NOTHING[0, 0] = 7e-45


@given(hnp.arrays(np.float32, (4, 14), elements=FLUXES))
@example(NEXT_TO_NOTHING)
def test_a_row_is_finite_throughout_or_nan_throughout(flux):
    photometry = Photometry(flux, np.ones_like(flux))
    kinds = [
        RelativeFlux(SURVEY),
        Colours(SURVEY, (17.0, 24.0)),
        FluxesAndErrors(SURVEY),
        MagnitudesAndErrors(SURVEY),
        MagnitudesAndErrors(SURVEY, "neighbours", mask=True),
        MagnitudesAndErrors(SURVEY, "band_median", medians=[(20.0, 0.1)] * 14),
        NeighbourColours(SURVEY, SURVEY.band_names),
        make_features("magnitudes_and_errors", SURVEY, {"without": ["Subaru/HSC"]}),
    ]
    for features in kinds:
        inputs = features(photometry)
        finite = np.isfinite(inputs)
        assert (finite.all(axis=1) | ~finite.any(axis=1)).all()
        assert np.isnan(inputs[~finite]).all()
        positive = flux[:, SURVEY.reference_index] > 0
        assert not finite[~positive].any()
        ordinary = (np.abs(np.nan_to_num(flux)) < 1e9).all(axis=1) & (flux[:, SURVEY.reference_index] > 1e-9)
        assert finite[ordinary].all()


def test_relative_flux_is_a_ratio_per_wavelength(survey, photometry):
    inputs = RelativeFlux(survey)(photometry)
    assert inputs.shape[1] == 59
    reference = survey.reference_index
    flux_lambda = flux_lambda_from_nu(photometry.flux[7:], survey.wavelengths)
    expected = np.delete(flux_lambda / flux_lambda[:, [reference]], reference, axis=1)
    np.testing.assert_allclose(inputs[7:], expected, rtol=1e-6)
    assert inputs[0, 3] == 0  # not observed
    assert inputs[1, 3] == 0  # catalogued non-detection
    assert inputs[2, 3] < 0  # measured below zero: kept, as in sect. 3.1


def test_a_flat_spectrum_per_wavelength_has_relative_fluxes_of_one(survey):
    flux = (survey.wavelengths**2 / 1e6).astype(np.float32)[np.newaxis]
    np.testing.assert_allclose(RelativeFlux(survey)(Photometry(flux, flux)), 1, rtol=1e-6)


def test_colours_are_magnitude_differences_and_a_scaled_magnitude(survey, photometry):
    features = Colours(survey).fit(photometry)
    inputs = features(photometry)
    assert inputs.shape[1] == 60
    mag_r, _ = photometry.magnitudes(survey.reference_index)
    mag_3, _ = photometry.magnitudes(3)
    np.testing.assert_allclose(inputs[7:, 3], (mag_3 - mag_r)[7:], atol=1e-5)
    assert (inputs[:3, 3] == 0).all()
    scaled = inputs[np.isfinite(mag_r), -1]
    assert scaled.min() == pytest.approx(0)
    assert scaled.max() == pytest.approx(1)
    assert np.nanargmax(inputs[:, -1]) == np.nanargmin(mag_r)
    assert features.state()["magnitude_range"] == pytest.approx(
        [np.nanmin(mag_r), np.nanmax(mag_r)], abs=1e-5
    )


def test_fit_returns_a_copy_and_is_needed(survey, photometry):
    features = Colours(survey)
    assert features.fit(photometry) is not features
    assert features.magnitude_range is None
    with pytest.raises(ValueError, match="call fit"):
        features(photometry)


def test_nothing_to_learn_from_is_an_error(survey, photometry):
    with pytest.raises(ValueError, match="two different ones; found 1"):
        Colours(survey).fit(photometry.select(slice(7, 8)))


@pytest.mark.parametrize("limits", [(20.0, 17.0), (17.0, np.nan)])
def test_a_magnitude_range_must_be_one(survey, limits):
    with pytest.raises(ValueError, match="brightest first"):
        Colours(survey, limits)


def test_features_that_know_their_errors(survey, photometry):
    inputs = FluxesAndErrors(survey)(photometry)
    bands, reference = len(survey.bands), survey.reference_index
    relative = RelativeFlux(survey)(photometry)
    np.testing.assert_allclose(inputs[7:, : bands - 1], np.arcsinh(relative[7:]), rtol=1e-6)
    signal = np.sinh(inputs[7:, bands - 1 : 2 * bands - 1])
    np.testing.assert_allclose(signal, photometry.flux[7:] / photometry.flux_err[7:], rtol=1e-5)
    spread = 10.0 ** inputs[7:, 2 * bands - 1 : -1]
    expected = photometry.flux_err[7:] / photometry.flux[7:, [reference]]
    expected = expected * (survey.wavelengths[reference] / survey.wavelengths) ** 2
    np.testing.assert_allclose(spread, np.clip(expected, 1e-3, 1e3), rtol=1e-5)
    mag_r, _ = photometry.magnitudes(reference)
    np.testing.assert_allclose(inputs[7:, -1], mag_r[7:] - 21.0, atol=1e-5)


def test_what_is_not_known_is_marked(survey, photometry):
    inputs = FluxesAndErrors(survey)(photometry)
    bands = len(survey.bands)
    for row in (0, 1):  # not observed, catalogued non-detection
        assert inputs[row, [3, bands - 1 + 3, 2 * bands - 1 + 3]] == pytest.approx([0.0, 0.0, 3.0], abs=1e-6)
    assert inputs[2, 3] < 0  # measured below zero: kept, with its error
    assert inputs[2, bands - 1 + 3] < 0
    assert inputs[2, 2 * bands - 1 + 3] < 3.0


def test_unknown_kind_and_foreign_state(survey):
    with pytest.raises(InputError, match="'relative_flux', 'colours', 'fluxes_and_errors'"):
        make_features("flux", survey)
    with pytest.raises(InputError, match="stored state"):
        make_features("relative_flux", survey, {"magnitude_range": [17, 23]})
    with pytest.raises(InputError, match="stored state"):
        make_features("colours", survey, {"magnitude_range": "17 23"})
