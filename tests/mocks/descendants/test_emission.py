"""Lines of galaxies by what ionises them, and what lies beside a near galaxy's own light."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.mocks.descendants.emission import LINER_RATIOS, star_forming_ratios
from jpasbatch.mocks.descendants.galaxies import BULGES, NEAR, GalaxyFamily, galaxy_spectra
from jpasbatch.mocks.descendants.galaxy_variety import MIXED_KINDS, GalaxyVariety
from jpasbatch.mocks.spectra.grids import LOG_STEP, observed_grid
from jpasbatch.photometry.streams import ObjectStreams
from tests.mocks.small_ingredients import small_ingredients

WAVELENGTH = observed_grid()
PLAIN = GalaxyVariety(
    **{field.name: {} if field.name.startswith("kinds") else 0.0 for field in fields(GalaxyVariety)}
)
ONE_RATIO = (np.ones(1), np.zeros((1, 4)), np.diag(np.full(4, 1e-8))[None])
HYDROGEN, OXYGEN, NITROGEN, HYDROGEN_ALPHA = 4862.7, 5008.2, 6585.3, 6564.6


def galaxies(variety, kind="blue", redshift=0.2, number=300, magnitude=20.0) -> np.ndarray:
    given_parts = small_ingredients()
    family = GalaxyFamily(
        given_parts.parents["galaxy"], ONE_RATIO, given_parts.young, given_parts.old, variety
    )
    chosen = np.full(number, family.parents.of_kind("test", kind)[0])
    wanted = np.full(number, magnitude), np.full(number, redshift)
    return galaxy_spectra(family, chosen, wanted, ObjectStreams(2, np.arange(number)))


def area(lines: np.ndarray, wavelength: float, redshift: float = 0.2, pixels: int = 4) -> np.ndarray:
    at = int(np.argmin(np.abs(WAVELENGTH - wavelength * (1 + redshift))))
    return lines[:, at - pixels : at + pixels + 1].sum(axis=1) * WAVELENGTH[at] * LOG_STEP


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["red", "blue", "LRG", "ELG", *MIXED_KINDS]),
    redshift=st.floats(0.0025, 1.2),
    magnitude=st.floats(17.0, 23.6),
)
def test_any_galaxy_is_finite_and_positive(kind, redshift, magnitude):
    flux = galaxies(GalaxyVariety(), kind, redshift, 20, magnitude)
    assert np.isfinite(flux).all()
    assert (flux >= 0).all()
    assert (flux.mean(axis=1) > 0).all()


def test_dust_dims_blue_lines_more():
    """H alpha to H beta grows, its mean equivalent width stays that of H beta."""
    variety = replace(PLAIN, line_width_blue=10.0)
    clear, dusty = (
        galaxies(one, number=2000) - galaxies(PLAIN, number=1)
        for one in (variety, replace(variety, line_dust=0.3))
    )
    assert area(dusty, HYDROGEN) == pytest.approx(area(clear, HYDROGEN), rel=1e-3)
    # [N II] lies within 8 pixels of H alpha
    decrement = area(dusty, HYDROGEN_ALPHA, pixels=3) / area(clear, HYDROGEN_ALPHA, pixels=3)
    assert (decrement >= 0.999).all()
    assert 1.1 < np.median(decrement) < 1.6
    assert (area(dusty, 3728.5) <= area(clear, 3728.5) * 1.001).all()


def test_lines_of_liners_have_their_width_and_ratios():
    variety = replace(PLAIN, liner_share=0.4, liner_width=3.0)
    plain = galaxies(PLAIN, "red", number=1)
    lines = galaxies(variety, "red", number=2000) - plain
    has = area(lines, OXYGEN) > 0
    assert has.mean() == pytest.approx(0.4, abs=0.05)
    ratio = np.log10(area(lines[has], OXYGEN) / area(lines[has], HYDROGEN))
    assert np.median(ratio) == pytest.approx(LINER_RATIOS[0][0], abs=0.03)
    level = np.interp(HYDROGEN * 1.2, WAVELENGTH, plain[0])
    width = area(lines[has], NITROGEN, pixels=2) / level / 1.2
    assert np.median(width) == pytest.approx(3.0, rel=0.2)


def test_blue_galaxies_are_no_liners():
    assert np.array_equal(galaxies(replace(PLAIN, liner_share=0.5, liner_width=3.0)), galaxies(PLAIN))


def test_active_galaxies_all_have_the_lines_of_a_nucleus():
    variety = replace(PLAIN, seyfert_share=0.02, seyfert_width=20.0)
    lines = galaxies(variety, "active") - galaxies(PLAIN, "active", number=1)
    assert (area(lines, OXYGEN) > 0).all()


def test_starbursts_have_the_lines_of_a_burst():
    variety = replace(PLAIN, burst_width=25.0)
    lines = galaxies(variety, "starburst", number=2000) - galaxies(PLAIN, "starburst", number=1)
    level = np.interp(HYDROGEN * 1.2, WAVELENGTH, galaxies(PLAIN, "starburst", number=1)[0])
    assert (area(lines, HYDROGEN) / level / 1.2).mean() == pytest.approx(25.0, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(absolute=st.floats(-24, -5))
def test_ratios_of_any_luminosity_are_possible(absolute):
    ratios = star_forming_ratios(np.full(200, absolute), ObjectStreams(3, np.arange(200)).named("x"))
    assert np.isfinite(ratios).all()
    assert (ratios[:, 0] < 1.3).all()
    assert (ratios[:, 0] > -2.0).all()
    # log [N II] / H alpha
    assert (ratios[:, 1] - np.log10(2.86) < 0.5).all()
    assert (ratios[:, 1] - np.log10(2.86) > -3.0).all()


def test_faint_galaxies_have_more_oxygen_lines_and_less_nitrogen():
    """They follow the sequence of star formation: below the demarcation of Kauffmann et al. 2003."""
    drawn = ObjectStreams(3, np.arange(4000)).named("x")
    faint = star_forming_ratios(np.full(4000, -15.0), drawn)
    drawn = ObjectStreams(3, np.arange(4000)).named("x")
    bright = star_forming_ratios(np.full(4000, -20.5), drawn)
    assert np.median(faint[:, 0]) > np.median(bright[:, 0]) + 0.6
    assert np.median(faint[:, 1]) < np.median(bright[:, 1]) - 0.6
    for ratios in (faint, bright):
        nitrogen = ratios[:, 1] - np.log10(2.86)
        limit = np.where(nitrogen < 0, 0.61 / np.minimum(nitrogen - 0.05, -0.02) + 1.3, -9.0)
        assert (ratios[:, 0] < limit + 0.3).mean() > 0.9


@pytest.mark.parametrize("kind", ["red", "blue", "ELG", "starburst", "bulge and disc"])
@pytest.mark.parametrize("redshift", [0.05, 0.2])
def test_near_blue_galaxies_get_a_bulge(kind, redshift):
    plain, bulge = (galaxies(one, kind, redshift) for one in (PLAIN, replace(PLAIN, bulge_light=0.5)))
    changed = kind in BULGES and redshift < NEAR
    assert (bulge != plain).any() == changed
    if changed:
        blue, red = 200, 1400
        before, after = (flux[:, blue] / flux[:, red] for flux in (plain, bulge))
        assert (after <= before * 1.00001).all()
        # at most as much old light as young
        at = int(np.argmin(np.abs(WAVELENGTH - 5500 * (1 + redshift))))
        assert (bulge[:, at] < 2.3 * plain[:, at]).all()


def test_lines_of_near_galaxies_follow_their_luminosity_or_the_mixture():
    variety = replace(PLAIN, line_width_blue=10.0)
    near = galaxies(variety, redshift=0.05, number=1000, magnitude=20.0)
    lines = near - galaxies(PLAIN, redshift=0.05, number=1)
    ratio = np.log10(area(lines, OXYGEN, 0.05) / area(lines, HYDROGEN, 0.05))
    of_mixture = np.abs(ratio) < 0.02
    assert of_mixture.mean() == pytest.approx(0.5, abs=0.08)
    assert np.median(ratio[~of_mixture]) > 0.3
