"""Energy distributions: what stars, dust and nuclei of broad-band mocks must look like, by the papers named."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.mocks.parents.broadband.dust_emission import (
    FEATURES,
    INFRARED,
    aromatic_features,
    grain_emission,
)
from jpasbatch.mocks.parents.broadband.nuclei import ANCHOR, NucleusParameters, nucleus_spectra, torus_spectra
from jpasbatch.mocks.parents.broadband.parents import make_parents
from jpasbatch.mocks.parents.broadband.stars import planck, populations, starburst_transmission
from jpasbatch.mocks.spectra.distributions import (
    band_matrix,
    energy,
    flux_in_band,
    line_profile,
    rest_wavelengths,
    shifted,
    value_at,
)
from jpasbatch.photometry.survey import load_survey
from tests.mocks.small_survey import small_survey


def colour(luminosity, blue, red):
    return -2.5 * np.log10(value_at(luminosity, blue) / value_at(luminosity, red))


def slope(luminosity, low, high):
    """Return the exponent of wavelength of L_nu between two wavelengths."""
    return np.log(value_at(luminosity, high) / value_at(luminosity, low)) / np.log(high / low)


def nuclei(**changes) -> NucleusParameters:
    plain = NucleusParameters(
        *(np.array([value]) for value in (0.0, 0.0, 1400.0, 100.0, 0.1, 0.0, 0.0, 0.0, 0.0))
    )
    return replace(plain, **{key: np.array([value]) for key, value in changes.items()})


# the grid


def test_a_line_has_its_energy():
    assert energy(line_profile(0.6565, 0.001)) == pytest.approx(1.0, rel=1e-3)
    assert energy(line_profile(0.6565, 0.05)) == pytest.approx(1.0, rel=1e-3)


def test_a_redshift_moves_a_spectrum_and_a_flat_one_stays():
    flat = np.ones((1, rest_wavelengths().size), dtype=np.float32)
    np.testing.assert_allclose(shifted(flat, np.zeros(2, dtype=int), np.array([0.0, 3.9])), 1.0)
    rising = rest_wavelengths()[None, :].astype(np.float32)
    ratio = shifted(rising, np.zeros(1, dtype=int), np.array([1.0])) / shifted(
        rising, np.zeros(1, dtype=int), np.array([0.0])
    )
    np.testing.assert_allclose(ratio, 0.5, rtol=1e-4)
    with pytest.raises(ValueError, match="redshift: from 0"):
        shifted(flat, np.zeros(1, dtype=int), np.array([4.5]))


@pytest.mark.parametrize("name", ["small", "nepw44", "jpas60"])
def test_bands_of_any_survey_average_f_nu(name):
    survey = small_survey() if name == "small" else load_survey(name)
    matrix = band_matrix(survey)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=2e-3)
    body = planck(np.array([3000.0]))[..., :].astype(np.float32)
    found = flux_in_band(body, np.array([0.0]), matrix[:, survey.reference_index])[0, 0]
    centre = survey.wavelengths[survey.reference_index] / 1e4
    assert found == pytest.approx(value_at(body, centre)[0], rel=0.05)


# stars


def test_the_break_at_4000_angstrom_deepens_with_age():
    depth = {name: value_at(one, 0.415) / value_at(one, 0.385) for name, one in populations().items()}
    # D4000 of old populations is 1.8 to 2.2, of young ones about 1.1 (Balogh et al. 1999, ApJ 527, 54)
    assert 1.6 < depth["old"] < 2.3
    assert 1.3 < depth["intermediate"] < depth["old"] + 0.2
    assert depth["young"] < 1.15


def test_colours_of_old_stars_are_those_of_nearby_elliptical_galaxies():
    old = populations()["old"]
    # g - r 0.77, r - i 0.39 (Strateva et al. 2001; Fukugita et al. 1995), r - K_s 0.9, K - 3.6 -0.8, all AB
    assert colour(old, 0.475, 0.622) == pytest.approx(0.77, abs=0.1)
    assert colour(old, 0.622, 0.763) == pytest.approx(0.40, abs=0.1)
    assert colour(old, 0.622, 2.16) == pytest.approx(0.90, abs=0.2)
    assert colour(old, 2.16, 3.55) == pytest.approx(-0.80, abs=0.1)


def test_starlight_peaks_about_the_bump_and_ends_at_the_lyman_limit():
    for name in ("old", "intermediate"):
        one = populations()[name]
        peak = rest_wavelengths()[np.argmax(one)]
        assert 1.0 < peak < 1.8
        # and it falls as a black body does, or faster, in the near infrared
        assert -2.8 < slope(one, 3.0, 8.0) < -1.8
        assert np.all(one[rest_wavelengths() < 0.0911] == 0)


def test_starburst_dust_reddens_and_ends_in_the_infrared():
    transmission = starburst_transmission(np.array([0.0, 0.3]))
    np.testing.assert_array_equal(transmission[0], 1.0)
    assert np.all(np.diff(transmission[1][rest_wavelengths() > 0.095]) > -1e-3)
    # A(V) = 4.05 E(B-V)
    assert -2.5 * np.log10(value_at(transmission, 0.55)[1]) == pytest.approx(4.05 * 0.3, rel=0.02)
    assert value_at(transmission, 5.0)[1] == 1.0


# dust


def test_aromatic_features_stand_where_they_were_observed():
    features = aromatic_features()
    assert energy(features) == pytest.approx(1.0)
    assert sum(power for _, _, power in FEATURES) == pytest.approx(1.0, abs=0.01)
    for peak, valley in ((3.3, 4.2), (6.2, 5.0), (7.7, 9.7), (8.6, 9.7), (11.3, 9.7)):
        assert value_at(features, peak) > 3 * value_at(features, valley)
    share = energy(features, 7.0, 8.2)
    assert 0.28 < share < 0.42  # the complex at 7.7: 42 %, of which a quarter lies in wings beyond


def test_warmer_dust_peaks_at_shorter_wavelengths_and_falls_as_a_modified_body():
    dust = grain_emission(np.array([20.0, 40.0]), np.array([1.6, 1.6]), np.array([2.0, 2.0]))
    np.testing.assert_allclose(energy(dust, *INFRARED), 1.0)
    cold, warm = rest_wavelengths()[np.argmax(dust, axis=1)]
    assert warm < cold
    assert 90 < warm < 140
    assert slope(dust[1], 700.0, 950.0) == pytest.approx(-(2 + 1.6), abs=0.35)


# nuclei


def test_a_torus_is_as_flat_as_those_of_observed_nuclei():
    torus = torus_spectra(nuclei())
    assert value_at(torus, ANCHOR)[0] == pytest.approx(1.0)
    # F_nu as wavelength^0.7 to wavelength^2.7 from 6 to 20 micrometres, falling beyond 40 (Mullaney et al. 2011)
    assert 0.5 < slope(torus[0], 6.0, 19.0) < 2.7
    assert slope(torus[0], 60.0, 200.0) < -1.0
    assert value_at(torus[0], 0.8) < 1e-3 * value_at(torus[0], 3.0)


def test_a_disc_has_the_slopes_of_quasars():
    seen, torus = nucleus_spectra(nuclei(line_strength=-9.0))
    disc = seen - torus
    assert slope(disc[0], 0.14, 0.22) == pytest.approx(0.44, abs=0.1)
    assert slope(disc[0], 0.42, 0.9) == pytest.approx(0.44, abs=0.03)
    assert slope(disc[0], 0.05, 0.10) == pytest.approx(1.41, abs=0.03)


def test_lines_have_their_equivalent_widths():
    plain, lines = (nucleus_spectra(nuclei(line_strength=strength)) for strength in (-9.0, 0.0))
    extra = lines[0] - plain[0]
    halpha = energy(extra, 0.62, 0.69)[0]
    continuum = value_at(plain[0] - plain[1], 0.6565)[0]
    width = 1e4 * halpha * 0.6565**2 / continuum
    assert width == pytest.approx(194.5, rel=0.08)


def test_a_screen_hides_the_disc_and_leaves_narrow_lines_and_far_infrared():
    (first, _), (second, _) = (
        nucleus_spectra(nuclei(screen=hidden, torus_screen=behind))
        for hidden, behind in ((0.0, 0.0), (20.0, 6.0))
    )
    assert value_at(second, 0.45)[0] < 1e-3 * value_at(first, 0.45)[0]
    assert value_at(second, 0.5008)[0] > 10 * value_at(second, 0.46)[0]
    assert value_at(second, 100.0)[0] > 0.9 * value_at(first, 100.0)[0]
    # silicate absorption at 9.7 micrometres
    assert slope(second[0], 7.5, 9.7) < slope(first[0], 7.5, 9.7) - 0.5


# parents


@pytest.fixture(scope="module")
def galaxies():
    return make_parents("sfg", 400, "training")


@pytest.fixture(scope="module")
def active():
    return make_parents("agn", 400, "training")


def test_parents_are_named_for_ever_and_no_split_shares_one(galaxies):
    names = {
        split: set(make_parents("sfg", 400, split).parent_id) for split in ("training", "validation", "test")
    }
    assert sum(map(len, names.values())) == len(set.union(*names.values())) == 400
    more = make_parents("sfg", 600, "training")
    again = np.flatnonzero(np.isin(more.parent_id, galaxies.parent_id))
    assert more.parent_id[again].tolist() == galaxies.parent_id.tolist()
    np.testing.assert_array_equal(more.luminosity[again], galaxies.luminosity)
    assert galaxies.parent_id[:3].tolist() == ["sfg-00001", "sfg-00003", "sfg-00004"]
    with pytest.raises(ValueError, match="must be one of sfg, agn"):
        make_parents("star", 10, "training")


def test_galaxies_emit_in_the_infrared_what_dust_takes_from_starlight(galaxies):
    forming = galaxies.kind == "star-forming"
    infrared = energy(galaxies.luminosity, *INFRARED)
    rising = np.argsort(galaxies.activity[forming])
    assert np.corrcoef(np.arange(forming.sum()), np.log(infrared[forming][rising]))[0, 1] > 0.95
    # IRX: active galaxies are more hidden; without dust there is no infrared
    hidden = infrared / (value_at(galaxies.luminosity, 0.16) / 0.16)
    busy, calm = galaxies.activity > 1.2, forming & (galaxies.activity < -0.3)
    assert np.median(hidden[busy]) > 2 * np.median(hidden[calm])
    quiescent = galaxies.kind == "quiescent"
    assert np.median(infrared[quiescent]) < 0.25 * np.median(infrared[calm])
    assert np.median(colour(galaxies.luminosity, 0.475, 0.622)[quiescent]) > 0.10 + np.median(
        colour(galaxies.luminosity, 0.475, 0.622)[busy]
    )


def test_the_8_and_24_micrometre_shares_of_star_forming_galaxies_are_observed_ones(galaxies):
    forming = (galaxies.kind == "star-forming") & (np.abs(galaxies.activity) < 0.5)
    matrix = band_matrix(load_survey("nepw44"))
    survey = load_survey("nepw44")
    infrared = energy(galaxies.luminosity[forming], *INFRARED)
    zero = np.array([0.0])
    for band, micrometres, low, high in (("IRAC4", 7.9, 0.12, 0.35), ("MIPS24", 23.7, 0.04, 0.15)):
        flux = flux_in_band(galaxies.luminosity[forming], zero, matrix[:, survey.index(band)])[:, 0]
        # L8 / L_IR about 1/4.9 within a factor of 1.6 (Elbaz et al. 2011), nu L_nu(24) / L_IR about 0.1
        # (Rieke et al. 2009)
        assert low < np.median(flux / micrometres / infrared) < high


def test_a_nucleus_fills_the_gap_between_starlight_and_dust(active, galaxies):
    """The power law of nuclei against aromatic features: what recognises them in the middle infrared."""
    strong = active.agn_fraction > 0.7
    assert np.median(colour(active.luminosity, 2.4, 4.1)[strong]) > 0.4 + np.median(
        colour(galaxies.luminosity, 2.4, 4.1)
    )
    contrast = [
        np.median(value_at(one.luminosity, 7.7) / value_at(one.luminosity, 5.0))
        for one in (galaxies.take(galaxies.kind == "star-forming"), active.take(strong))
    ]
    assert contrast[0] > 2 * contrast[1]


def test_the_fraction_is_that_of_the_infrared_luminosity(active):
    """Far dust against 24 micrometres: the more of the nucleus, the warmer."""
    hosts = np.isfinite(active.activity)
    warmth = np.log(value_at(active.luminosity, 24.0) / value_at(active.luminosity, 100.0))
    assert np.corrcoef(active.agn_fraction[hosts], warmth[hosts])[0, 1] > 0.7
    assert active.agn_fraction.min() > 0.02
    assert active.agn_fraction.max() < 1
