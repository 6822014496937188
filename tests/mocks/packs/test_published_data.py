"""The readers on what the authors published; skipped without it."""

import numpy as np
import pytest

from jpasbatch.mocks.packs import checks, galaxies, instrument, quasars, stars
from jpasbatch.mocks.packs.fits_file import FitsFile
from jpasbatch.mocks.packs.layout import needed


def test_quasars(data_folder):
    pca = quasars.read_quasar_pca(data_folder)
    assert pca.coefficients.shape == (20345, 4)
    assert pca.coefficients.dtype == np.float32
    assert pca.eigenvectors.shape == (4, pca.wavelength.size) == (4, 1364)
    assert [pca.name[0], pca.name[10102], pca.name[10103]] == ["boss-00000", "boss-10102", "sdss-00000"]
    assert len(set(pca.name)) == pca.redshift.size == 20345
    assert np.count_nonzero(pca.coefficients[:, 0] <= 0) == 85
    # C IV stands out of the mean spectrum at its place: the grid is in the rest frame and in Angstrom
    usable = pca.coefficients[:, 0] > 0
    spectrum = pca.coefficients[usable].mean(axis=0) @ pca.eigenvectors
    line = (pca.wavelength > 1520) & (pca.wavelength < 1580)
    assert pca.wavelength[line][spectrum[line].argmax()] == pytest.approx(1549, abs=6)


def test_unabsorbed_quasars(data_folder):
    basis = quasars.read_unabsorbed_basis(data_folder)
    assert basis.vectors.shape == (4, 10061)
    assert basis.wavelength[[0, -1]] == pytest.approx([443.7, 4498.9], abs=0.1)


def test_troughs(data_folder):
    troughs = quasars.read_bal_troughs(data_folder)
    assert troughs.transmission.shape == (54, troughs.wavelength.size) == (54, 2474)
    assert troughs.wavelength[[0, 1]] == pytest.approx([944.6, 944.9])
    assert 0 <= troughs.transmission.min() < troughs.transmission.max() <= 1
    assert len(set(troughs.name)) == 54
    # absorption is blueward of C IV, not redward
    blue = (troughs.wavelength > 1450) & (troughs.wavelength < 1545)
    red = (troughs.wavelength > 1560) & (troughs.wavelength < 1680)
    assert troughs.transmission[:, blue].mean() < 0.9 < troughs.transmission[:, red].mean()


def test_line_trends(data_folder):
    trends = quasars.read_line_trends(data_folder)
    at = {name: row for row, name in enumerate(trends.name)}
    assert len(at) == 73
    assert trends.log_ew.shape == trends.log_width_line.shape == trends.wavelength_line.shape == (73, 3, 2)
    assert trends.wavelength[at["MgIIb"]] == pytest.approx(2798, abs=2)
    assert trends.wavelength[at["CIVb"]] == pytest.approx(1548, abs=3)
    # slope and intercept in absolute magnitude: the Baldwin effect, and equivalent widths of real quasars
    magnitude = np.array([-24.0, -27.0]) + quasars.TREND_MAGNITUDE_OFFSET
    width = sum(10 ** (trends.log_ew[at[name], 0] @ [magnitude, [1, 1]]) for name in ("CIVb", "CIVn"))
    assert 40 < width[0] < 80
    assert 15 < width[1] < 40
    # lower, then upper
    ends = trends.log_ew[:, 1:, 0] * -26.0 + trends.log_ew[:, 1:, 1]
    assert (ends[:, 0] <= ends[:, 1]).all()


def test_line_trends_of_simqso_stand_in(data_folder, tmp_path):
    (tmp_path / "qso_parametric_inputs").symlink_to(data_folder / "qso_parametric_inputs")
    assert len(quasars.read_line_trends(tmp_path).name) == 73
    (tmp_path / "qso_parametric_inputs").unlink()
    (tmp_path / "qso_parametric_inputs").mkdir()
    for version, lines in (("v6", 62), ("v7", 69)):
        name = f"qso_parametric_inputs/simqso_emlinetrends_{version}.fits"
        (tmp_path / name).symlink_to(data_folder / name)
        assert len(quasars.read_line_trends(tmp_path).name) == lines


def test_kcorrect(data_folder):
    sample = galaxies.read_kcorrect(data_folder)
    assert sample.templates.shape == (5, sample.wavelength.size) == (5, 10000)
    assert sample.maggies.shape == sample.maggies_ivar.shape == (10000, 5)
    assert (sample.maggies_ivar > 0).all()
    assert np.median(sample.redshift) == pytest.approx(0.1, abs=0.02)
    assert sample.name[17] == "kcorrect-00017"
    magnitude = -2.5 * np.log10(np.where(sample.maggies > 0, sample.maggies, np.nan))
    assert 16 < np.nanmedian(magnitude[:, 2]) < 18


def test_extinction_is_taken_away(data_folder):
    """Colours as observed redden with the Galaxy's dust; the corrected ones hardly do."""
    sample = galaxies.read_kcorrect(data_folder)
    extinction = FitsFile(needed(data_folder, "kcorrect")[1]).column("GSTTEST", "EXTINCTION", (5,))
    corrected = -2.5 * np.log10(sample.maggies[:, 1] / sample.maggies[:, 2])
    colour_excess = extinction[:, 1] - extinction[:, 2]
    near = (sample.redshift > 0.07) & (sample.redshift < 0.13)
    low, high = np.quantile(colour_excess[near], [0.3, 0.7])
    dusty, clear = near & (colour_excess > high), near & (colour_excess < low)
    expected = np.median(colour_excess[dusty]) - np.median(colour_excess[clear])

    def step(colour):
        return np.quantile(colour[dusty], 0.75) - np.quantile(colour[clear], 0.75)

    assert abs(step(corrected)) < 0.5 * expected < step(corrected + colour_excess)


def test_desi_galaxies(data_folder):
    red = galaxies.read_lrg(data_folder)
    assert red.flux.shape == (300, red.wavelength.size) == (300, 3103)
    assert red.redshift.min() > 0.3
    assert list(red.name[:2]) == ["lrg-00000", "lrg-00010"]
    blue = galaxies.read_elg(data_folder)
    assert blue.coefficients.shape == (500, 5)
    assert blue.vectors.shape == (5, blue.wavelength.size) == (5, 88334)
    assert blue.name[-1] == "elg-00499"
    mean = blue.coefficients.mean(axis=0) @ blue.vectors
    line = (blue.wavelength > 3600) & (blue.wavelength < 3850)
    assert blue.wavelength[line][mean[line].argmax()] == pytest.approx(3729, abs=3)


def test_mixture(data_folder):
    mixture = galaxies.read_forbidden_mixture(data_folder)
    assert mixture.weights.sum() == pytest.approx(1)
    assert mixture.means.shape == (6, 4)
    assert mixture.covariances.shape == (6, 4, 4)


def test_atlas(data_folder):
    atlas = {spectrum.name: spectrum for spectrum in galaxies.read_galaxy_atlas(data_folder)}
    assert len(atlas) == 50
    assert {spectrum.activity for spectrum in atlas.values()} == set(galaxies.ACTIVITY)
    for spectrum in atlas.values():
        assert spectrum.wavelength.shape == spectrum.flux.shape == spectrum.measured.shape
        assert spectrum.measured[[0, -1]].all()
        assert not spectrum.flux[~spectrum.measured].any()
    assert atlas["ngc1275"].activity == "seyfert"
    assert atlas["tol1924_416"].activity == "starburst"
    gap = atlas["ngc1275"].wavelength[~atlas["ngc1275"].measured]
    assert gap[[0, -1]] == pytest.approx([3300.5, 3498.5])
    for name in ("eso572_34", "ngc1140", "ngc1667", "ngc1800"):
        between = (atlas[name].wavelength > 1990) & (atlas[name].wavelength < 3190)
        assert not atlas[name].measured[between].any(), name


def test_star_basis(data_folder):
    bases = stars.read_star_basis(data_folder)
    assert list(bases) == ["A", "B", "F", "G", "K", "M", "WD", "CV"]
    assert sum(len(bases[kind].name) for kind in "ABFGKM") == 11177
    assert bases["G"].name[42] == "star-G-00042"
    for kind, basis in bases.items():
        assert basis.vectors.shape == (3 if kind == "CV" else 5, basis.wavelength.size)
        assert (basis.coefficients is None) == (kind == "CV")
    # the condensed file repeats the last value of CV beyond its data
    assert bases["CV"].wavelength[[0, -1]] == pytest.approx([3555.45, 10364.45])
    hot, cool = (np.median(bases[kind].coefficients @ bases[kind].vectors, axis=0) for kind in "BM")
    at = bases["B"].wavelength
    blue, red = (at > 4000) & (at < 4500), (at > 7500) & (at < 8000)
    assert hot[blue].mean() > 3 * hot[red].mean()
    assert cool[red].mean() > 3 * cool[blue].mean()


@pytest.mark.parametrize(
    ("read", "count", "first"),
    [
        (stars.read_white_dwarfs, 127, "wd-DA-00000"),
        (stars.read_pickles, 131, "a0i"),
        (stars.read_sdss_star_templates, 123, "A0 (19510)"),
    ],
)
def test_star_libraries(data_folder, read, count, first):
    library = read(data_folder)
    assert len({spectrum.name for spectrum in library}) == count
    assert library[0].name == first
    for spectrum in library:
        assert spectrum.flux.shape == spectrum.wavelength.shape
        assert spectrum.wavelength[0] < 3500 < 10500 < spectrum.wavelength[-1]


def test_filter_curves(data_folder, survey):
    responses = instrument.read_filter_curves(data_folder, survey)
    assert tuple(response.name for response in responses) == survey.band_names
    for band, response in zip(survey.bands, responses, strict=True):
        assert response.transmission.min() == 0
        mean = np.average(response.wavelength, weights=response.transmission)
        # the tabled widths of broad bands are nominal, and J1007 passes all light redward of its edge
        tolerance = 30 if band.group == "narrow" else 0.5 * band.width
        assert mean == pytest.approx(band.wavelength, abs=tolerance)


def test_tiles_agree_with_the_survey_file(data_folder, survey):
    tiles = instrument.read_tile_images(data_folder, survey)
    assert tuple(tiles.tile) == (*survey.tiles, "2520")
    assert tiles.depth.shape == tiles.fwhm.shape == (5, 60)
    depths = np.array([band.tile_depths for band in survey.bands]).T
    np.testing.assert_allclose(tiles.depth[:4], depths, rtol=0, atol=1e-3)
    assert 0.7 < tiles.fwhm.min() < tiles.fwhm.max() < 2.5


def test_sdss_photometry(data_folder):
    sample = checks.read_sdss_photometry(data_folder)
    names, counts = np.unique(sample.true_class, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "galaxy": 4998,
        "qso": 850,
        "star": 4152,
    }
    assert sample.u.shape == sample.redshift.shape == (10000,)
    quasar = sample.true_class == "qso"
    assert np.median((sample.u - sample.g)[quasar]) < 0.5 < np.median((sample.u - sample.g)[~quasar])
