"""One contract for every kind of built-in spectrum, then what makes each kind what it is."""

import numpy as np
import pytest

from jpasbatch.mocks.parents.analytic import galaxies, quasars, stars
from jpasbatch.mocks.parents.analytic.spectra import add_line
from jpasbatch.mocks.spectra.forest import broad_absorption, forest_transmission
from jpasbatch.mocks.spectra.grids import observed_wavelength


def _quasars(n, rng):
    parameters = quasars.QuasarParameters(rng.uniform(0.1, 5.0, n), rng.uniform(17, 23.6, n))
    return quasars.quasar_spectra(parameters, rng)


def _galaxies(n, rng):
    kind = rng.integers(len(galaxies.TYPES), size=n)
    return galaxies.galaxy_spectra(galaxies.GalaxyParameters(rng.uniform(0.02, 1.2, n), kind), rng)


def _stars(n, rng):
    return stars.star_spectra(stars.draw_stars(n, rng), rng)


@pytest.mark.parametrize("make", [_stars, _galaxies, _quasars])
def test_spectra_are_finite_positive_and_follow_the_generator(make):
    flux = make(60, np.random.default_rng(1))
    assert flux.shape == (60, 1601)
    assert flux.dtype == np.float32
    assert np.isfinite(flux).all()
    assert (flux >= 0).all()
    assert (flux.max(axis=1) > 0).all()
    assert np.array_equal(flux, make(60, np.random.default_rng(1)))
    assert not np.array_equal(flux, make(60, np.random.default_rng(2)))


def test_a_line_has_the_area_it_is_given():
    flux = np.zeros((3, 1601), dtype=np.float32)
    add_line(
        flux, np.array([5003.0, 7000.0, 2000.0]), np.array([0.0, 60.0, 10.0]), np.array([2.0, -5.0, 1.0])
    )
    assert flux.sum(axis=1) * 5.0 == pytest.approx([2.0, -5.0, 0.0], rel=1e-3)
    assert observed_wavelength()[flux[1].argmin()] == 7000.0


def _colour(flux, weights, survey, blue, red):
    bands = np.asarray(flux, dtype=np.float64) @ weights
    return -2.5 * np.log10(bands[:, survey.index(blue)] / bands[:, survey.index(red)])


def test_stars_lie_on_the_stellar_locus(survey, weights, rng):
    teff = np.array([3000.0, 3500.0, 4400.0, 5800.0, 7200.0, 9500.0, 20000.0])
    parameters = stars.StarParameters(np.zeros(7, dtype=int), teff, np.zeros(7), np.zeros(7))
    flux = stars.star_spectra(parameters, rng)
    g_r = _colour(flux, weights, survey, "gSDSS", "rSDSS")
    r_i = _colour(flux, weights, survey, "rSDSS", "iSDSS")
    # Covey et al. 2007, AJ 134, 2398, table 3 (SDSS system): a G2 dwarf has g - r 0.45, r - i 0.15
    assert g_r[3] == pytest.approx(0.45, abs=0.12)
    assert r_i[3] == pytest.approx(0.15, abs=0.07)
    assert (np.diff(g_r[1:]) < 0).all()
    assert r_i[0] > 1.5
    assert g_r[0] < 1.9  # TiO bands stop g - r of M dwarfs from growing


def test_hydrogen_makes_a_jump_in_a_stars_only(rng):
    wavelength = observed_wavelength()
    blue, red = (wavelength > 3400) & (wavelength < 3600), (wavelength > 3950) & (wavelength < 4150)
    a_star, b_star = (stars.sequence_spectrum(name, wavelength) for name in ("a0v", "o5v"))
    assert a_star[red].mean() > 1.6 * a_star[blue].mean()
    assert b_star[red].mean() < b_star[blue].mean()


def test_white_dwarfs_are_five_per_cent(rng):
    kind = stars.draw_stars(20000, rng).kind
    assert (kind == list(stars.TYPES).index("white dwarf")).mean() == pytest.approx(0.05, abs=0.006)
    assert sum(share for _, share in stars.TYPES.values()) == pytest.approx(1.0)


def test_galaxies_run_from_red_to_blue_with_a_break(survey, weights, rng):
    medians = []
    for kind in range(len(galaxies.TYPES)):
        parameters = galaxies.GalaxyParameters(np.full(80, 0.08), np.full(80, kind))
        flux = galaxies.galaxy_spectra(parameters, rng)
        medians.append(np.median(_colour(flux, weights, survey, "gSDSS", "rSDSS")))
    assert (np.diff(medians) < 0).all()
    assert medians[0] == pytest.approx(0.93, abs=0.12)
    wavelength = np.linspace(3700.0, 4300.0, 601)
    old = galaxies._populations_at(wavelength)[4]
    flux_nu = old * wavelength**2
    window = [flux_nu[(wavelength > a) & (wavelength < b)].mean() for a, b in ((3750, 3950), (4050, 4250))]
    assert 1.6 < window[1] / window[0] < 2.6  # D4000 of old populations (Bruzual 1983)


def test_starburst_shows_h_alpha(rng):
    parameters = galaxies.GalaxyParameters(np.full(50, 0.2), np.full(50, 3))
    flux = galaxies.galaxy_spectra(parameters, rng)
    wavelength = observed_wavelength()
    line = np.abs(wavelength - 6564.6 * 1.2) < 10
    beside = np.abs(wavelength - 6400.0 * 1.2) < 30
    assert (flux[:, line].max(axis=1) > 1.5 * flux[:, beside].mean(axis=1)).mean() > 0.9


@pytest.mark.parametrize("redshift", [2.3, 3.0, 4.2])
def test_quasars_peak_at_lyman_alpha_and_lose_light_beyond(redshift, rng):
    parameters = quasars.QuasarParameters(np.full(100, redshift), np.full(100, 21.0))
    flux = np.median(quasars.quasar_spectra(parameters, rng), axis=0)
    rest = observed_wavelength() / (1 + redshift)
    peak = flux[(rest > 1205) & (rest < 1240)].max()
    red = flux[(rest > 1280) & (rest < 1300)].mean()
    forest = flux[(rest > 1070) & (rest < 1150)].mean()
    assert peak > 2.0 * red
    assert forest < 0.9 * red * (1290 / 1110) ** 1.5  # the continuum rises to the blue


def test_mean_forest_is_the_published_one_and_grows_with_redshift(rng):
    wavelength = observed_wavelength()
    means = []
    for redshift in (2.5, 3.5, 4.5):
        transmission = forest_transmission(np.full(400, redshift), rng)
        assert (transmission[:, wavelength > 1216 * (1 + redshift)] == 1).all()
        window = (wavelength > 1080 * (1 + redshift)) & (wavelength < 1150 * (1 + redshift))
        gas = np.mean((wavelength[window] / 1215.67) ** 3.45)
        means.append(transmission[:, window].mean())
        assert means[-1] == pytest.approx(np.exp(-0.0036 * gas), abs=0.03)
    assert means[0] > means[1] > means[2]


def test_sightlines_differ_and_lyman_limits_cut(rng):
    transmission = forest_transmission(np.full(300, 4.0), rng)
    wavelength = observed_wavelength()
    beyond = transmission[:, (wavelength > 3200) & (wavelength < 3400)].mean(axis=1)
    forest = transmission[:, (wavelength > 5600) & (wavelength < 5745)].mean(axis=1)
    assert np.median(beyond) < 0.2
    assert 0.02 < forest.std() / forest.mean() < 0.3


def test_about_one_quasar_in_eight_has_broad_absorption(rng):
    absorbed = (broad_absorption(np.full(2000, 2.5), rng) < 0.9).any(axis=1)
    assert absorbed.mean() == pytest.approx(0.12, abs=0.025)


def test_faint_nearby_quasars_show_their_hosts(survey, weights, rng):
    colours = []
    for magnitude in (17.5, 22.5):
        parameters = quasars.QuasarParameters(np.full(300, 0.3), np.full(300, magnitude))
        flux = quasars.quasar_spectra(parameters, rng)
        colours.append(np.median(_colour(flux, weights, survey, "gSDSS", "rSDSS")))
    assert colours[1] > colours[0] + 0.2
