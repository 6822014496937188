"""g and r of J-PAS, which has neither band."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.spectra.grids import observed_grid
from jpasbatch.mocks.spectra.responses import load_responses, synthesise
from jpasbatch.photometry.photometry import Photometry, ab_magnitude, flux_from_ab_magnitude
from jpasbatch.photometry.reported import combination_matrix, reported_magnitudes
from jpasbatch.photometry.survey import load_survey
from tests.photometry.test_survey import _text

J57, J60 = load_survey("jpas57"), load_survey("jpas60")


def flat(magnitude: float, rows: int = 3) -> Photometry:
    flux = np.full((rows, 57), flux_from_ab_magnitude(np.array(magnitude)), np.float32)
    return Photometry(flux, 0.1 * flux)


@pytest.mark.parametrize("role", ["g", "r", "i"])
def test_a_flat_spectrum_has_one_magnitude(role):
    magnitude, error = reported_magnitudes(flat(21.0), J57, role)
    np.testing.assert_allclose(magnitude, 21.0, atol=0.01)
    single = reported_magnitudes(flat(21.0), J57, "i")[1][0]
    assert (error[0] == single) if role == "i" else (0.15 * single < error[0] < 0.4 * single)


def test_a_single_band_is_as_it_was(photometry, survey):
    for role, band in survey.reported_bands.items():
        found, expected = (
            reported_magnitudes(photometry, survey, role),
            photometry.magnitudes(survey.index(band)),
        )
        np.testing.assert_array_equal(found, expected)


def test_real_curves_give_the_broad_bands_of_spectra_with_breaks_and_lines(data_folder):
    # the target: within 0.03 mag for stars and galaxies, 0.06 for quasars with their lines
    grid = observed_grid()
    break_at_4000 = np.where(grid < 4000 * 1.1, 0.5, 1.0) * (grid / 5000) ** 0.5
    lines = sum(np.exp(-0.5 * ((grid - centre) / 40) ** 2) for centre in (4340.0, 5080.0, 6390.0))
    spectra = np.array([(grid / 5000) ** slope for slope in (-3.0, -1.0, 2.0)] + [break_at_4000, 0.4 + lines])
    flux = synthesise(grid, 1e-17 * spectra, load_responses(data_folder / "jpas_filters", J60))
    narrow = flux[:, [J60.index(name) for name in J57.band_names]].astype(np.float32)
    limits = np.array([0.03, 0.03, 0.03, 0.03, 0.06])
    for role, band in (("g", "gSDSS"), ("r", "rSDSS")):
        found, _ = reported_magnitudes(Photometry(narrow, 0.1 * narrow), J57, role)
        assert (abs(found - ab_magnitude(flux[:, J60.index(band)])) < limits).all()


def test_a_missing_band_is_bridged_and_many_are_not():
    bridged, gone, whole = (np.array(flat(21.0, 1).flux) for _ in range(3))
    bridged[0, J57.index("J0480")] = np.nan
    gone[0, J57.index("J0430") : J57.index("J0480")] = np.nan
    flux = np.concatenate([whole, bridged, gone])
    magnitude, error = reported_magnitudes(Photometry(flux, 0.1 * flux), J57, "g")
    assert magnitude[1] == pytest.approx(magnitude[0], abs=1e-4)
    assert error[1] > error[0]
    assert np.isnan([magnitude[2], error[2]]).all()


def test_a_catalogued_non_detection_has_the_error_of_the_depth():
    one = flat(22.0, 1)
    one.flux[0, J57.index("J0480")], one.flux_err[0, J57.index("J0480")] = 0.0, np.nan
    magnitude, error = reported_magnitudes(one, J57, "g")
    assert 22.0 < magnitude[0] < 22.2
    assert np.isfinite(error[0])


def test_a_sum_below_zero_is_not_detected():
    one = flat(22.0, 1)
    np.testing.assert_array_equal(reported_magnitudes(Photometry(-one.flux, one.flux_err), J57, "g"), np.nan)


def test_weights_as_a_matrix():
    matrix = combination_matrix(J57, ("g", "i"))
    assert matrix.shape == (57, 2)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=0.01)
    assert matrix[J57.reference_index, 1] == 1.0


def test_names_for_pages():
    assert J57.reported_names == {"u": "uJAVA", "i": "iSDSS", "g": "g", "r": "r"}
    assert J60.reported_names["g"] == "gSDSS"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("J0400 = 0.0546", "J0401 = 0.0546", "reported_bands.g.bands: 'J0401' is not a band of this survey"),
        ("J0400 = 0.0546", "J0400 = 5.0", "must sum to 1"),
        ("J0400 = 0.0546", 'J0400 = "a"', "bands.J0400 = 'a' must be a number"),
        ('source = "weights"', 'source = "hearsay"', "'hearsay' of reported_bands.g: no such key"),
        ("scatter = {", "spread = {", "reported_bands.g: unknown key 'spread'"),
    ],
)
def test_a_wrong_combination_is_an_error_that_names_it(tmp_path, old, new, message):
    path = tmp_path / "wrong.toml"
    text = _text("jpas57")
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_survey(path)
    assert message in str(caught.value)
