import gzip

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.spectra.grids import observed_wavelength
from jpasbatch.mocks.spectra.responses import (
    Response,
    approximate_responses,
    band_weights,
    load_responses,
    synthesise,
)
from jpasbatch.photometry.photometry import flux_lambda_from_nu
from jpasbatch.photometry.survey import load_survey


def test_constant_flux_nu_is_returned_in_every_band(survey):
    wavelength = observed_wavelength()
    flux = synthesise(
        wavelength, flux_lambda_from_nu(np.full(1601, 7.0), wavelength)[None], approximate_responses(survey)
    )
    assert flux.shape == (1, 60)
    assert flux == pytest.approx(np.full((1, 60), 7.0), rel=1e-3)


def test_weights_agree_with_speclite_and_with_the_defining_integral(survey):
    import astropy.units as units
    from speclite.filters import FilterResponse

    response = approximate_responses(survey)[30]
    wavelength = observed_wavelength()
    flux_lambda = 1e-17 * (1 + np.sin(wavelength / 40.0) ** 2)
    flux = synthesise(wavelength, flux_lambda[None], (response,))[0, 0]
    meta = {"group_name": "test", "band_name": "one"}
    direct = FilterResponse(response.wavelength, response.transmission, meta).get_ab_maggies(
        flux_lambda * units.Unit("erg / (s cm2 Angstrom)"), wavelength * units.Angstrom
    )
    assert flux == pytest.approx(float(direct) * 3.631e9, rel=1e-6)
    fine = np.linspace(response.wavelength[0], response.wavelength[-1], 5001)
    transmission = np.interp(fine, response.wavelength, response.transmission)
    above = np.trapezoid(np.interp(fine, wavelength, flux_lambda) * transmission * fine, fine)
    below = np.trapezoid(2.99792458e18 / fine * transmission, fine)
    assert flux == pytest.approx(above / below / 1e-29, rel=2e-3)


def test_a_band_that_the_spectrum_does_not_cover_is_nan(survey):
    wavelength = np.arange(4000.0, 7000.0, 4.0)
    weights = band_weights(wavelength, approximate_responses(survey))
    missing = {
        name for name, column in zip(survey.band_names, weights.T, strict=True) if np.isnan(column).any()
    }
    assert {"uJAVA", "uJPAS", "J0900", "iSDSS", "J1007"} <= missing
    assert "J0500" not in missing
    assert np.isfinite(weights[:, survey.index("J0500")]).all()


def _write_curves(folder, survey, last=b"4000 0.0\n"):
    for band in survey.bands:
        stem = "J0348" if band.name == "uJAVA" else band.name
        low, high = band.wavelength - 60, band.wavelength + 60
        text = f"# comment\n{low - 1} 0.0\n{low} 0.5\n{high} 0.5\n{high + 1} 0.0\n".encode()
        (folder / f"JPAS_{stem}.tab.gz").write_bytes(gzip.compress(text))


def test_published_curves_are_read_by_their_names(survey, tmp_path):
    _write_curves(tmp_path, survey)
    responses = load_responses(tmp_path, survey)
    assert [response.name for response in responses] == list(survey.band_names)
    centre = np.mean([responses[0].wavelength[0], responses[0].wavelength[-1]])
    assert centre == pytest.approx(survey.bands[0].wavelength)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "two columns"), (b"3000 nan\n3001 0\n", "finite"), (b"3000 0\n2999 1\n", "increase"),
     (b"3000 x\n", "cannot be read"), (b"3000 0\n3001 0\n", "positive")],
)  # fmt: skip
def test_a_broken_curve_is_named(survey, tmp_path, content, says):
    _write_curves(tmp_path, survey)
    (tmp_path / "JPAS_J0378.tab").write_bytes(content)
    with pytest.raises(InputError, match=rf"JPAS_J0378\.tab.*{says}"):
        load_responses(tmp_path, survey)


def test_a_missing_curve_or_folder_is_named(survey, tmp_path):
    with pytest.raises(InputError, match="JPAS_J0348"):
        load_responses(tmp_path, survey)
    with pytest.raises(InputError, match="not a folder"):
        load_responses(tmp_path / "none", survey)


def test_real_curves_cover_the_grid_and_centre_on_their_bands(survey, data_folder):
    responses = load_responses(data_folder / "jpas_filters", survey)
    assert np.isfinite(band_weights(observed_wavelength(), responses)).all()
    narrow = [(r, b) for r, b in zip(responses, survey.bands, strict=True) if b.group == "narrow"]
    assert len(narrow) == 54
    for response, band in narrow:
        centre = response.wavelength @ response.transmission / response.transmission.sum()
        assert centre == pytest.approx(band.wavelength, abs=25)


def test_response_survives_any_scale():
    wavelength = np.linspace(4900.0, 5100.0, 50)
    shape = np.clip(1 - np.abs(wavelength - 5000) / 100, 0, None)
    grid = np.linspace(4000.0, 6000.0, 400)
    one, two = (band_weights(grid, (Response("a", wavelength, k * shape),)) for k in (1.0, 0.01))
    assert one == pytest.approx(two)


@pytest.mark.parametrize("name", ["splus12", "jplus12"])
def test_the_12_bands_have_curves_in_nanometres(data_folder, name):
    other = load_survey(name)
    responses = load_responses(data_folder / "splus_filters", other)
    assert [response.name for response in responses] == list(other.band_names)
    for band, response in zip(other.bands, responses, strict=True):
        centre = response.wavelength @ response.transmission / response.transmission.sum()
        assert centre == pytest.approx(band.wavelength, rel=0.02)


def test_j_pas_has_the_curves_of_its_filters(data_folder, survey):
    found = load_responses(data_folder / "jpas_filters", load_survey("jpas57"))
    mini = {one.name: one for one in load_responses(data_folder / "jpas_filters", survey)}
    assert found[0].name == "uJAVA"
    for response in found:
        np.testing.assert_array_equal(response.transmission, mini[response.name].transmission)
