from typing import get_args

import numpy as np
import pytest

from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.populations.densities import (
    GALAXY_REDSHIFTS,
    GALAXY_TYPES,
    MAGNITUDES,
    QUASAR_REDSHIFTS,
    Purpose,
    draw_galaxies,
    draw_quasars,
    draw_star_magnitudes,
    galaxy_density,
    quasar_density,
)
from jpasbatch.mocks.spectra.cosmology import comoving_distance, distance_modulus, log_luminosity


def test_distances_agree_with_astropy():
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(H0=70, Om0=0.3)
    redshift = np.array([0.1, 1.0, 3.0])
    assert comoving_distance(redshift) == pytest.approx(cosmology.comoving_distance(redshift).value, rel=2e-3)
    assert distance_modulus(redshift) == pytest.approx(cosmology.distmod(redshift).value, abs=0.01)


def test_a_bright_quasar_has_a_quasars_luminosity():
    assert log_luminosity(np.array([18.5]), np.array([1.5]), 6250.0)[0] == pytest.approx(46.0, abs=0.15)


def test_quasar_counts_are_the_published_ones():
    # 417 per deg2 at 17 < r <= 23.6 from the table (Palanque-Delabrouille et al. 2016)
    assert quasar_density().sum() * 0.05 * 0.02 == pytest.approx(417, rel=0.03)


@pytest.mark.parametrize("purpose", get_args(Purpose))
@pytest.mark.parametrize("limits", [(0.1, 2.1), (2.1, 5.0)])
def test_quasars_keep_to_their_limits(rng, purpose, limits):
    magnitude, redshift = draw_quasars(4000, rng, limits, purpose)
    assert (magnitude > 17).all()
    assert (magnitude <= 23.6).all()
    assert (redshift >= limits[0]).all()
    assert (redshift < limits[1]).all()
    counts = np.histogram(magnitude, bins=np.linspace(17, 23.6, 5))[0]
    assert (counts.max() < 1.3 * counts.min()) == (purpose != "sky")


def test_quasar_mix_has_a_third_at_high_redshift(rng):
    _, redshift = draw_quasars(20000, rng)
    assert 0.22 < (redshift >= 2.1).mean() < 0.38


def test_galaxies_grow_fainter_and_farther(rng):
    magnitude, redshift, kind = draw_galaxies(20000, rng)
    assert (magnitude <= 23.6).all()
    assert 0.0 < redshift.min() < redshift.max() < 1.3
    bright, faint = magnitude < 20, magnitude > 22.5
    assert np.median(redshift[bright]) < np.median(redshift[faint])
    assert faint.sum() > bright.sum()
    assert set(np.unique(kind)) == {0, 1, 2, 3}
    assert galaxy_density("red").shape == galaxy_density("blue").shape


def test_star_magnitudes(rng):
    natural, flat = (draw_star_magnitudes(20000, rng, flat) for flat in (False, True))
    for magnitude in (natural, flat):
        assert (magnitude > 17).all()
        assert (magnitude <= 23.6).all()
    assert (natural > 20.3).mean() > 0.55
    assert (flat > 20.3).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"kind": "x"}, "kind"), ({"tiles": 0}, "tiles"), ({"area_deg2": 0.0}, "area_deg2"), ({"dec": 90.0}, "dec"),
     ({"training_per_class": 0}, "training_per_class"), ({"incomplete_share": 0.5}, "incomplete_bands"),
     ({"flagged_share": float("nan")}, "flagged_share")],
)  # fmt: skip
def test_a_wrong_option_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        MockSky(**wrong)


def test_at_each_magnitude_objects_that_validate_are_those_of_the_sky(rng):
    magnitude, redshift, kind = draw_galaxies(60_000, rng, "validation")
    learnt = draw_galaxies(60_000, rng, "training")
    rows, quasars = quasar_density(), draw_quasars(60_000, rng, (0.1, 2.1), "validation")
    for low in (18.0, 20.0, 22.0, 23.0):
        grid = (low <= MAGNITUDES) & (low + 0.5 > MAGNITUDES)
        red, blue = (galaxy_density(colour)[grid] for colour in ("red", "blue"))
        both = red + blue
        weight = 1 / both.sum(axis=1, keepdims=True)  # objects are even in magnitude
        quiescent = GALAXY_TYPES["red"][0] * (red * weight).sum() / (both * weight).sum()
        here = (low <= magnitude) & (magnitude < low + 0.5)
        assert (kind[here] == 0).mean() == pytest.approx(quiescent, abs=0.03)
        mean = ((both * weight) @ GALAXY_REDSHIFTS).sum() / (both * weight).sum()
        assert redshift[here].mean() == pytest.approx(mean, abs=0.02)
        near = QUASAR_REDSHIFTS < 2.1
        mean = np.average(rows[grid][:, near] @ QUASAR_REDSHIFTS[near] / rows[grid][:, near].sum(axis=1))
        assert quasars[1][(low <= quasars[0]) & (quasars[0] < low + 0.5)].mean() == pytest.approx(
            mean, abs=0.05
        )
    assert (learnt[2][learnt[0] > 23] == 0).mean() == pytest.approx(0.45 * GALAXY_TYPES["red"][0], abs=0.02)
    assert (kind[magnitude > 23] == 0).mean() < 0.3
