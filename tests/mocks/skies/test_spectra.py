import csv

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.parents.analytic import quasars
from jpasbatch.mocks.skies.builtin import observed_spectra_table
from jpasbatch.mocks.skies.spectra import COLUMNS, read_spectra, spectra_photometry
from jpasbatch.mocks.spectra.responses import approximate_responses
from jpasbatch.photometry.photometry import ab_magnitude, flux_lambda_from_nu
from jpasbatch.photometry.reported import combination_matrix


@pytest.fixture
def folder(tmp_path):
    """Three spectra of constant f_nu (100 microjansky): a star, an uninspected one, a BAL quasar with a gap."""
    first, pixels = 35563, 4600
    wavelength = 10.0 ** (1e-4 * (first + np.arange(pixels)))
    flux = flux_lambda_from_nu(np.full(pixels, 100.0), wavelength) / 1e-17
    ivar = np.full((3, pixels), 4.0)
    ivar[2, (wavelength > 4980) & (wavelength < 5060)] = 0.0
    np.savez(tmp_path / "boss_spectra.npz", flux=np.tile(flux, 3), ivar=ivar.ravel(),
             offset=np.arange(4) * pixels)  # fmt: skip
    rows = [("1", "0.0", "20.0"), ("-1", "", ""), ("30", "2.5", "")]
    with (tmp_path / "boss_spectra.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for person, redshift, magnitude in rows:
            writer.writerow([150.0, 2.0, first * 1e-4, pixels, person, redshift, *[magnitude] * 3])
    return tmp_path


def test_flux_error_and_truth(folder, survey):
    spectra = read_spectra(folder)
    assert list(spectra.true_class) == ["star", None, "qso"]
    assert spectra.true_redshift == pytest.approx([0.0, np.nan, 2.5], nan_ok=True)
    bands = tuple(survey.index(name) for name in ("gSDSS", "rSDSS", "iSDSS"))
    matched = combination_matrix(survey, ("g", "r", "i"))
    flux, flux_err = spectra_photometry(spectra, approximate_responses(survey), matched)
    narrow = survey.index("J0600")
    assert flux[1, narrow] == pytest.approx(100.0, rel=1e-3)
    assert np.isnan(flux[:, survey.index("uJAVA")]).all()
    assert ab_magnitude(flux[0, list(bands)]) == pytest.approx([20.0, 20.0, 20.0], abs=1e-3)
    # some 105 pixels of sigma 0.5e-17 each; the relative error falls as their square root
    level = flux_lambda_from_nu(100.0, 6000.0) / 1e-17
    assert flux_err[1, narrow] / 100 == pytest.approx(0.5 / level / np.sqrt(105), rel=0.15)


def test_bands_over_bad_pixels_count_as_not_observed(folder, survey):
    flux, flux_err = spectra_photometry(read_spectra(folder), approximate_responses(survey), None)
    assert np.isnan(flux[2, survey.index("J0500")])
    assert np.isfinite(flux[1, survey.index("J0500")])
    assert flux[2, survey.index("gSDSS")] == pytest.approx(100.0, rel=2e-3)
    assert np.array_equal(np.isnan(flux), np.isnan(flux_err))


def test_the_error_is_the_scatter(folder, survey, rng):
    spectra = read_spectra(folder)
    clean = spectra.flux[1]
    band = survey.index("J0700")
    response = (approximate_responses(survey)[band],)
    drawn = []
    for _ in range(60):
        spectra.flux[1] = clean + 0.5 * rng.normal(size=clean.size)
        flux, flux_err = spectra_photometry(spectra, response, None)
        drawn.append(flux[1, 0])
    assert np.std(drawn) == pytest.approx(flux_err[1, 0], rel=0.3)


def test_missing_and_wrong_files_are_named(folder):
    with pytest.raises(InputError, match=r"no boss_spectra\.csv"):
        read_spectra(folder / "none")
    text = (folder / "boss_spectra.csv").read_text()
    (folder / "boss_spectra.csv").write_text(text.replace("psfmag_i", "other"))
    with pytest.raises(InputError, match="no column psfmag_i"):
        read_spectra(folder)
    (folder / "boss_spectra.csv").write_text(text.replace("4600", "4599"))
    with pytest.raises(InputError, match="offset does not fit"):
        read_spectra(folder)
    (folder / "boss_spectra.csv").write_text(text.replace("150.0", "x"))
    with pytest.raises(InputError, match="column ra"):
        read_spectra(folder)
    (folder / "boss_spectra.npz").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(InputError, match="cannot be read"):
        read_spectra(folder)


@pytest.mark.parametrize(
    "wrong", [{"kind": "x"}, {"spectra": ""}, {"filters": ""}, {"seed": -1}]
)  # fmt: skip
def test_a_wrong_option_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ObservedSpectra(**({"spectra": "a", "filters": "b"} | wrong))


def test_survey_noise_adds_to_that_of_the_spectrum(folder, survey, monkeypatch):
    monkeypatch.setattr(
        "jpasbatch.mocks.skies.builtin.load_responses", lambda folder, survey: approximate_responses(survey)
    )
    noisy, quiet = (
        observed_spectra_table(
            ObservedSpectra(
                spectra=str(folder), filters="curves", match_photometry=False, survey_noise=noise
            ),
            survey,
        )
        for noise in (True, False)
    )
    measured = np.isfinite(noisy["flux_err"])
    assert (noisy["flux_err"][measured] > quiet["flux_err"][measured]).all()
    assert not np.array_equal(noisy["flux"][measured], quiet["flux"][measured])


@pytest.fixture(scope="module")
def observed(survey, data_folder):
    """Return the real spectra through the real curves, without survey noise."""
    options = ObservedSpectra(
        spectra=str(data_folder / "boss_spectra"),
        filters=str(data_folder / "jpas_filters"),
        survey_noise=False,
    )
    return observed_spectra_table(options, survey)


def test_real_spectra_through_real_curves(survey, observed):
    assert observed["flux"].shape == (110, 60)
    names, counts = np.unique([str(name) for name in observed["true_class"]], return_counts=True)
    assert dict(zip(names, counts.tolist(), strict=True)) == {"None": 40, "galaxy": 3, "qso": 44, "star": 23}
    assert np.isnan(observed["class_star"]).all()
    known = observed["true_class"] == "qso"
    assert np.isfinite(observed["true_redshift"][known]).all()
    magnitude = ab_magnitude(observed["flux"][known, survey.reference_index])
    assert 20 < np.nanmedian(magnitude) < 21.5
    assert np.isnan(observed["flux"][:, survey.index("uJAVA")]).all()


def test_built_in_quasars_resemble_observed_ones(survey, observed, weights, rng):
    """Median flux relative to r of quasars at 2 < z < 3.5, observed over built-in, redward of Lyman alpha."""
    redshift = observed["true_redshift"].astype(np.float64)
    rows = np.flatnonzero((observed["true_class"] == "qso") & (redshift > 2.0) & (redshift < 3.5))
    reference = survey.reference_index
    magnitude = ab_magnitude(observed["flux"][rows, reference]).astype(np.float64)
    parameters = quasars.QuasarParameters(np.repeat(redshift[rows], 20), np.repeat(magnitude, 20))
    mock = quasars.quasar_spectra(parameters, rng).astype(np.float64) @ weights
    expected = np.median((mock / mock[:, [reference]]).reshape(len(rows), 20, -1), axis=1)
    ratio = observed["flux"][rows] / observed["flux"][rows][:, [reference]] / expected
    rest = survey.wavelengths / (1 + redshift[rows])[:, None]
    for low, high in ((1250, 1400), (1400, 1700), (1700, 2000), (2000, 2400)):
        inside = (rest > low) & (rest < high)
        assert np.nanmedian(ratio[inside]) == pytest.approx(1.0, abs=0.15)
