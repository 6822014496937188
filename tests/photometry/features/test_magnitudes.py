"""Magnitudes with gaps: what stands in them, and what is hidden on purpose."""

import json

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.features.magnitudes import FILLS, MagnitudesAndErrors, NeighbourColours
from jpasbatch.photometry.features.registry import FEATURES, make_features
from jpasbatch.photometry.photometry import Photometry, flux_from_ab_magnitude
from jpasbatch.photometry.survey import load_survey

SURVEY = load_survey("nepw14")
BANDS = len(SURVEY.bands)
MISSING = SURVEY.index("S9W")


@pytest.fixture
def nepw() -> Photometry:
    """Return objects whose magnitude in band b is 20 + b / 10 with an error of 0.1; some lack S9W and its like."""
    magnitude = np.tile(20.0 + np.arange(BANDS) / 10, (5, 1))
    flux = flux_from_ab_magnitude(magnitude).astype(np.float32)
    flux_err = (flux * 0.1 * np.log(10) / 2.5).astype(np.float32)
    flux[1, MISSING] = flux_err[1, MISSING] = np.nan
    flux[2, MISSING:] = flux_err[2, MISSING:] = np.nan
    flux[3, MISSING], flux_err[3, MISSING] = -1.0, 0.5  # measured, not detected
    flux_err[4, MISSING] = np.nan
    return Photometry(flux, flux_err)


def blocks(features, photometry):
    return features(photometry).reshape(len(photometry), BANDS, -1)


def test_magnitudes_and_errors_are_pairs_by_band(nepw):
    found = blocks(MagnitudesAndErrors(SURVEY), nepw)
    assert found.shape == (5, BANDS, 2)
    assert found[0, :, 0] == pytest.approx(20.0 + np.arange(BANDS) / 10, abs=1e-5)
    assert found[0, :, 1] == pytest.approx(0.1, abs=1e-6)
    assert found[1, MISSING].tolist() == found[3, MISSING].tolist() == [0.0, 0.0]
    assert found[4, MISSING] == pytest.approx([20.0 + MISSING / 10, 0.0], abs=1e-5)


def test_the_mask_says_what_was_measured(nepw):
    found = blocks(MagnitudesAndErrors(SURVEY, mask=True), nepw)
    assert found.shape == (5, BANDS, 3)
    np.testing.assert_array_equal(found[:, :, 2], nepw.detected)
    np.testing.assert_array_equal(found[:, :, :2], blocks(MagnitudesAndErrors(SURVEY), nepw))


def test_gaps_take_the_median_of_the_band(nepw):
    features = MagnitudesAndErrors(SURVEY, "band_median")
    with pytest.raises(ValueError, match="call fit"):
        features(nepw)
    found = blocks(features.fit(nepw), nepw)
    assert found[1, MISSING] == pytest.approx([20.0 + MISSING / 10, 0.1], abs=1e-5)
    nothing = nepw.select(slice(2, 3))  # nobody has these bands
    assert blocks(features.fit(nothing), nothing)[0, MISSING].tolist() == [0.0, 0.0]


def test_gaps_take_the_neighbouring_filters(nepw):
    found = blocks(MagnitudesAndErrors(SURVEY, "neighbours"), nepw)
    between = 20.0 + MISSING / 10  # the mean of both sides
    assert found[1, MISSING] == pytest.approx([between, 0.1], abs=1e-5)
    assert found[2, MISSING:, 0] == pytest.approx(20.0 + (MISSING - 1) / 10, abs=1e-5)  # one side alone
    assert found[4, MISSING, 1] == pytest.approx(0.1, abs=1e-6)  # an error is borrowed on its own


def test_neighbours_are_those_in_wavelength_not_in_the_file(tmp_path):
    from importlib import resources

    text = (resources.files("jpasbatch.photometry") / "surveys" / "nepw14.toml").read_text(encoding="utf-8")
    head, *bands = text.split("\n[[bands]]")
    path = tmp_path / "turned.toml"
    path.write_text("\n[[bands]]".join([head, *bands[::-1]]))
    turned = load_survey(path)
    rng = np.random.default_rng(0)
    flux = rng.uniform(1, 9, (20, BANDS)).astype(np.float32)
    flux[rng.random(flux.shape) < 0.3] = np.nan
    flux[:, SURVEY.reference_index] = 5.0
    one, other = Photometry(flux, flux / 10), Photometry(flux[:, ::-1], flux[:, ::-1] / 10)
    np.testing.assert_array_equal(
        blocks(MagnitudesAndErrors(SURVEY, "neighbours"), one),
        blocks(MagnitudesAndErrors(turned, "neighbours"), other)[:, ::-1],
    )


def test_neighbour_colours_leave_out_what_nobody_has(nepw):
    flux, flux_err = nepw.flux.copy(), nepw.flux_err.copy()
    flux[:, 3] = flux_err[:, 3] = np.nan
    photometry = Photometry(flux, flux_err)
    features = NeighbourColours(SURVEY).fit(photometry)
    assert features.bands == SURVEY.band_names[:3] + SURVEY.band_names[4:]
    found = features(photometry)
    assert found.shape == (5, 2 * (BANDS - 1))
    expected = np.full(BANDS - 2, -0.1)
    expected[2] = -0.2  # across the gap
    assert found[0, : BANDS - 2] == pytest.approx(expected, abs=1e-5)
    assert found[0, BANDS - 2] == pytest.approx(20.2, abs=1e-5)
    np.testing.assert_array_equal(found[:, BANDS - 1 :], np.delete(photometry.detected, 3, axis=1))
    limit = 19.3  # of S9W
    assert found[1, MISSING - 2] == pytest.approx(20.0 + (MISSING - 1) / 10 - limit, abs=1e-5)
    with pytest.raises(ValueError, match="need two bands"):
        NeighbourColours(SURVEY).fit(Photometry(flux[:0], flux_err[:0]))


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_hidden_bands_do_not_matter(kind, nepw):
    rng = np.random.default_rng(1)
    nepw = Photometry(
        *(part * rng.uniform(1, 2, nepw.flux.shape).astype(np.float32) for part in (nepw.flux, nepw.flux_err))
    )
    features = make_features(kind, SURVEY, {"without": ["S9W", "L15"]}).fit(nepw)
    hidden = [SURVEY.index("S9W"), SURVEY.index("L15")]
    flux = nepw.flux.copy()
    flux[:, hidden] *= 3
    np.testing.assert_array_equal(features(nepw), features(Photometry(flux, nepw.flux_err)))
    again = make_features(kind, SURVEY, json.loads(json.dumps(features.state())))
    np.testing.assert_array_equal(again(nepw), features(nepw))
    assert again.name == kind


def test_a_group_of_bands_may_hold_the_reference_where_nothing_is_relative_to_it(nepw):
    features = make_features("magnitudes_and_errors", SURVEY, {"without": ["Subaru/HSC"]})
    assert not blocks(features, nepw)[:, :5].any()
    assert blocks(features, nepw)[:, 5:].any()
    with pytest.raises(InputError, match="hides the reference band 'i'"):
        make_features("colours", SURVEY, {"without": ["Subaru/HSC"]})


def test_an_unknown_group_is_named():
    with pytest.raises(InputError, match=r"'MIR' is no band or group of survey 'nepw14'.*AKARI/IRC"):
        make_features("magnitudes_and_errors", SURVEY, {"without": ["MIR"]})


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "mean"},
        {"mask": 1},
        {"medians": [[1, 2]]},
        {"medians": [[np.nan, 1]] * BANDS},
        {"fill": 0},
    ],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(InputError, match="stored state"):
        make_features("magnitudes_and_errors", SURVEY, options)
    assert set(FILLS) == {"zero", "band_median", "neighbours"}
