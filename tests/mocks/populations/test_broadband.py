"""Densities and draws of broad-band mocks: luminosity functions by hand values, selections that hold."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.mocks.options.broadband import Selection
from jpasbatch.mocks.parents.broadband.parents import make_parents
from jpasbatch.mocks.populations.broadband import (
    REDSHIFT_EDGES,
    draw,
    galaxy_luminosity_function,
    main_sequence,
    make_population,
    nucleus_luminosity_function,
    type1_share,
)
from jpasbatch.mocks.spectra.distributions import band_matrix
from jpasbatch.photometry.streams import ObjectStreams
from tests.mocks.small_survey import small_survey

SURVEY = small_survey()


def population(true_class="sfg", band="i", parents=300, **selection):
    column = band_matrix(SURVEY)[:, SURVEY.index(band)]
    return make_population(make_parents(true_class, parents, "training"), Selection(**selection), column)


def drawn(of, number=4000, seed=1):
    return draw(of, ObjectStreams(seed, np.arange(number)).named("what"))


def test_the_galaxies_luminosity_function_has_its_published_knee():
    # at the knee: 0.4 ln 10 phi* / e
    assert galaxy_luminosity_function(np.array([-22.26]), 0.0)[0] == pytest.approx(
        0.4 * np.log(10) * 3.5e-3 / np.e
    )
    later = galaxy_luminosity_function(np.array([-22.26 - (1.0 / 1.78) ** 0.47]), 1.0)[0]
    assert later == pytest.approx(0.4 * np.log(10) * 3.5e-3 * np.exp(-((1 / 1.7) ** 1.47)) / np.e)


def test_the_nuclei_luminosity_function_has_its_published_knee_and_slopes():
    knee = nucleus_luminosity_function(np.array([31.92, 33.92, 34.92, 29.92, 28.92]), 2.5)
    assert knee[0] == pytest.approx(10**-4.75 / 2)
    assert np.log10(knee[1] / knee[2]) == pytest.approx(2.48, abs=0.01)
    assert np.log10(knee[4] / knee[3]) == pytest.approx(1.07, abs=0.01)


def test_star_formation_rises_and_bright_nuclei_are_of_type_1():
    assert main_sequence(1.0) == pytest.approx(0.72, abs=0.01)
    assert main_sequence(3.5) == main_sequence(2.5)
    faint, bright = type1_share(np.array([28.0, 33.0]))
    assert faint == pytest.approx(0.2, abs=0.02)
    assert bright == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("true_class", ["sfg", "agn"])
def test_draws_follow_the_density(true_class):
    of = population(true_class, faintest=22.0)
    objects = drawn(of)
    counted = np.histogram(objects.redshift, REDSHIFT_EDGES[::10])[0]
    share = np.diff(of.by_redshift, axis=1, prepend=0.0).sum(axis=0).reshape(-1, 10).sum(axis=1)
    expected = share / share.sum() * len(objects.redshift)
    used = expected > 10
    chi2 = ((counted - expected) ** 2 / expected)[used].sum()
    assert chi2 < used.sum() + 5 * np.sqrt(2 * used.sum())
    heavy = np.bincount(objects.parent, minlength=len(of.parents)) / len(objects.parent)
    weight = np.diff(of.cumulative, prepend=0.0) / of.cumulative[-1]
    assert np.abs(heavy - weight).max() < 5 * np.sqrt(weight.max() / len(objects.parent))


def test_a_selection_holds_and_deeper_is_farther():
    deep, shallow = (drawn(population(faintest=limit)) for limit in (22.0, 18.0))
    for objects, limit in ((deep, 22.0), (shallow, 18.0)):
        assert objects.magnitude.max() <= limit
        assert objects.magnitude.min() >= 14.0
    # Euclidean or flatter: 0.3 to 0.6 dex a magnitude
    bright, faint = np.sum(deep.magnitude < 20.0), np.sum(deep.magnitude < 21.0)
    assert 0.25 < np.log10(faint / bright) < 0.6
    assert np.median(shallow.redshift) < 0.5 * np.median(deep.redshift)


def test_spectroscopy_fades_and_recognises_what_it_can():
    chosen = drawn(population(faintest=22.0, half=19.0, softness=0.3))
    assert np.mean(chosen.magnitude > 20.5) < 0.01
    for true_class, kind, key in (("agn", "type 2", "type2_share"), ("sfg", "quiescent", "quiescent_share")):
        shares = []
        for share in (1.0, 0.3, 0.0):
            of = population(true_class, faintest=21.0, **{key: share})
            shares.append(np.mean(of.parents.kind[drawn(of).parent] == kind))
        odds = [value / (1 - value) for value in shares]
        assert odds[1] == pytest.approx(0.3 * odds[0], rel=0.2)
        assert odds[2] == 0


def test_an_object_is_the_same_beside_others():
    of = population("agn", faintest=22.0)
    streams = ObjectStreams(3, np.arange(500))
    every, some = draw(of, streams.named("what")), draw(of, streams[100:130].named("what"))
    for key in ("parent", "redshift", "magnitude"):
        np.testing.assert_array_equal(getattr(every, key)[100:130], getattr(some, key))


def test_galaxies_of_the_field_form_stars_as_their_epoch_does():
    of = population("sfg", faintest=23.0)
    objects = drawn(of, 8000)
    activity = of.parents.activity[objects.parent]
    forming = np.isfinite(activity)
    near, far = forming & (objects.redshift < 0.3), forming & (objects.redshift > 1.0)
    assert abs(np.median(activity[near]) - main_sequence(0.2)) < 0.2
    assert np.median(activity[far]) - np.median(activity[near]) > 0.4


def test_options_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="faintest"):
        Selection(brightest=20.0, faintest=20.2)
    with pytest.raises(ValueError, match="softness"):
        replace(Selection(), softness=0.0)
