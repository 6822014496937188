"""Stresses: what each spoils, what none may spoil, and that every committee is shown the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.photometry.gaps import GapPattern
from jpasbatch.photometry.noise import observe_shallower
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import load_survey, survey_names
from jpasbatch.scoring.stress import (
    FEWEST_LEFT,
    NEIGHBOURS,
    PATTERN,
    RANDOM,
    TRIPLE,
    UNSPOILT,
    MisjudgedErrors,
    spoil_sample,
    survey_stresses,
)

SURVEYS = {name: load_survey(name) for name in survey_names()}
JPAS = SURVEYS["jpas60"]
ROWS = 60


def photometry_of(survey, rows=ROWS, seed=3):
    """Return objects of which a few lack a band."""
    rng = np.random.default_rng(seed)
    flux = (10 ** rng.uniform(0, 3, (rows, 1)) * rng.uniform(0.5, 2, (rows, len(survey.bands)))).astype(
        np.float32
    )
    error = np.float32(0.05) * flux
    error[::7, 1] = flux[::7, 1] = np.nan
    return Photometry(flux, error)


@pytest.mark.parametrize("name", SURVEYS)
def test_no_stress_takes_the_reference_or_changes_the_sample(name):
    survey = SURVEYS[name]
    given_photometry = photometry_of(survey)
    before = given_photometry.flux.tobytes(), given_photometry.flux_err.tobytes()
    seen = set()
    for stress in survey_stresses(survey):
        found = spoil_sample(given_photometry, stress, survey)
        assert found.observed[:, survey.reference_index].all(), stress.title
        assert (found.observed.sum(axis=1) >= FEWEST_LEFT - 1).all(), stress.title
        assert not (found.observed & ~given_photometry.observed).any(), stress.title
        assert np.array_equal(np.isnan(found.flux), np.isnan(found.flux_err)), stress.title
        assert (given_photometry.flux.tobytes(), given_photometry.flux_err.tobytes()) == before
        seen.add((stress.name, stress.level))
    assert len(seen) == len(survey_stresses(survey))
    assert survey_stresses(survey)[0].name == UNSPOILT


@pytest.mark.parametrize("name", SURVEYS)
def test_every_stress_but_the_first_changes_something(name):
    survey = SURVEYS[name]
    photometry = photometry_of(survey)
    hundred = np.float32(100)  # so that some saturate
    bright = Photometry(photometry.flux * hundred, photometry.flux_err * hundred)
    for stress in survey_stresses(survey)[1:]:
        found = spoil_sample(bright, stress, survey)
        same = all(
            np.array_equal(*pair, equal_nan=True)
            for pair in ((found.flux, bright.flux), (found.flux_err, bright.flux_err))
        )
        assert not same, stress.title


def test_as_many_bands_are_missing_as_the_level_says():
    photometry = photometry_of(JPAS)
    whole = Photometry(np.nan_to_num(photometry.flux, nan=1.0), np.nan_to_num(photometry.flux_err, nan=0.1))
    counted = {}
    for stress in survey_stresses(JPAS):
        if stress.bands:
            assert (spoil_sample(whole, stress, JPAS).missing == stress.bands).all(), stress.title
            counted.setdefault(stress.name, set()).add(stress.bands)
    assert counted == {RANDOM: {1, 3, 5, 10}, NEIGHBOURS: {3, 7, 11}, TRIPLE: {3}}


def test_every_three_neighbours_are_tried_once():
    tried = [stress for stress in survey_stresses(JPAS) if stress.name == TRIPLE]
    names = [JPAS.band_names[place] for place in JPAS.layout.side_by_side]
    assert [stress.level for stress in tried] == [", ".join(names[n : n + 3]) for n in range(len(names) - 2)]
    assert JPAS.reference_band not in names
    assert all(np.diff([stress.wavelength for stress in tried]) > 0)


def test_each_pattern_of_the_survey_is_tried_by_its_name():
    tried = {stress.level for stress in survey_stresses(JPAS) if stress.name == PATTERN}
    assert tried == {pattern.name for pattern in JPAS.gaps} != set()
    other = SURVEYS["nepw14"]
    assert {stress.level for stress in survey_stresses(other) if stress.name == PATTERN} == {
        pattern.name for pattern in other.gaps
    }


def test_what_would_leave_too_few_bands_is_left_out():
    few = SURVEYS["nepw14"]
    levels = [stress.bands for stress in survey_stresses(few) if stress.name == RANDOM]
    assert max(levels) + FEWEST_LEFT <= len(few.bands)
    assert [stress.bands for stress in survey_stresses(few) if stress.name == NEIGHBOURS] == [3, 7]


@given(st.integers(0, len(survey_stresses(JPAS)) - 1))
def test_a_stress_draws_the_same_whatever_else_is_tried(number):
    stress = survey_stresses(JPAS)[number]
    photometry = photometry_of(JPAS, 20)
    first, second = (spoil_sample(photometry, stress, JPAS) for _ in range(2))
    assert first.flux.tobytes() == second.flux.tobytes()
    assert first.flux_err.tobytes() == second.flux_err.tobytes()


def test_two_levels_draw_apart():
    random = [stress for stress in survey_stresses(JPAS) if stress.name == RANDOM]
    photometry = photometry_of(JPAS)
    one, three = (spoil_sample(photometry, stress, JPAS).observed for stress in random[:2])
    assert (one & ~three).any()
    assert (~one & three).any()  # more than the same bands and two others


def test_misjudged_errors_are_wrong_by_their_factor_and_fluxes_stay():
    photometry = photometry_of(JPAS)
    for stress in survey_stresses(JPAS):
        if isinstance(stress.cause, MisjudgedErrors):
            found = spoil_sample(photometry, stress, JPAS)
            assert found.flux is photometry.flux
            ratio = (photometry.flux_err / found.flux_err)[photometry.observed]
            assert ratio == pytest.approx(stress.cause.noise, rel=1e-5)


def test_a_shallower_observation_has_the_noise_that_its_errors_say():
    rng = np.random.default_rng(2)
    true, sky, floor = 50.0, 2.0, np.float32(0.4 * np.log(10) * 0.04)
    flux = (true + sky * rng.standard_normal((4000, 5))).astype(np.float32)
    error = np.hypot(np.float32(sky), floor * flux).astype(np.float32)
    flux[:10, 0], error[:10, 0] = 0.0, np.nan  # not detected: no error, no noise
    noisier, larger = observe_shallower(flux, error, 0.3, 0.04, rng)
    assert (noisier[:10, 0] == 0).all()
    assert np.isnan(larger[:10, 0]).all()
    assert np.std(noisier[:, 1:]) == pytest.approx(sky * 10**0.12, rel=0.02)
    expected = np.hypot(sky * 10**0.12, floor * flux[:, 1:])
    assert larger[:, 1:] == pytest.approx(expected, rel=1e-3)


def test_patterns_that_take_the_reference_do_not_take_it():
    stress = survey_stresses(JPAS)[1]
    pattern = GapPattern("all", "groups", groups=(JPAS.band_names,))
    found = spoil_sample(photometry_of(JPAS), type(stress)("given", "all", pattern), JPAS)
    assert (found.observed.sum(axis=1) == 1).all()
