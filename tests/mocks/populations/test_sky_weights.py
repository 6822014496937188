"""Weights of balanced sets: with them a set has what the sky has, in its shares."""

import numpy as np
import pytest

from jpasbatch.mocks.populations.draws import draw_galaxies, draw_quasars
from jpasbatch.mocks.populations.sky_weights import galaxy_weights, kind_weights, quasar_weights
from jpasbatch.photometry.streams import ObjectStreams

SET, SKY = (ObjectStreams(seed, np.arange(20_000)) for seed in (3, 4))
REDSHIFTS = np.array([0.0025, 0.03, 0.06, 0.09, 0.105, 0.3, 0.6, 1.4])


@pytest.mark.parametrize(
    ("flat", "faintest", "reach"), [(False, 23.6, 0.105), (True, 22.0, 0.105), (True, 23.6, 0.4)]
)
def test_weighted_galaxies_are_those_of_the_sky(flat, faintest, reach):
    magnitude, redshift, red = draw_galaxies(SET, flat, 0.3, faintest, reach)
    weights = galaxy_weights(magnitude, redshift, red, 0.3, flat, faintest, reach)
    true_magnitude, true_redshift, true_red = draw_galaxies(SKY, flat, 0.0, faintest)
    assert weights.mean() == pytest.approx(1, abs=0.02)
    edges = (np.linspace(17, faintest, 4), REDSHIFTS)
    for colour in (False, True):
        found, _, _ = np.histogram2d(
            magnitude[red == colour], redshift[red == colour], edges, weights=weights[red == colour]
        )
        true, _, _ = np.histogram2d(
            true_magnitude[true_red == colour], true_redshift[true_red == colour], edges
        )
        spread = np.sqrt(
            np.histogram2d(magnitude[red == colour], redshift[red == colour], edges)[0] + true + 1
        )
        assert (np.abs(found - true) < 4.5 * 1.5 * spread).all()
    plain = (redshift < 0.105).mean()
    assert plain > 0.1  # what the weights mend
    share = np.average(redshift < 0.105, weights=weights)
    assert share == pytest.approx((true_redshift < 0.105).mean(), abs=0.01)


def test_a_set_without_further_near_galaxies_needs_no_weights():
    places = draw_galaxies(SET, False)
    assert galaxy_weights(*places, 0.0, False) == pytest.approx(np.ones(len(SET)))


def test_galaxies_that_the_set_alone_has_count_little():
    """All galaxies of a set may be near ones; a bright dwarf at its edge is on no sky."""
    places = draw_galaxies(SET, False, 1.0)
    weights = galaxy_weights(*places, 1.0, False)
    assert np.isfinite(weights).all()
    assert weights.mean() == pytest.approx((draw_galaxies(SKY, False)[1] < 0.105).mean(), abs=0.01)


@pytest.mark.parametrize("flat", [False, True])
def test_weighted_halves_of_the_quasars_are_those_of_the_sky(flat):
    halves = [
        draw_quasars(SET[rows], half, flat)
        for half, rows in (("low", slice(0, 10_000)), ("high", slice(10_000, None)))
    ]
    magnitude, redshift = (np.concatenate(one) for one in zip(*halves, strict=True))
    weights = quasar_weights(magnitude, redshift, flat)
    true_magnitude, true_redshift = draw_quasars(SKY, "all", flat)
    for low, high in ((17, 20.5), (20.5, 22.5), (22.5, 23.6)):
        chosen, true = (
            (magnitude > low) & (magnitude <= high),
            (true_magnitude > low) & (true_magnitude <= high),
        )
        found = np.average(redshift[chosen] >= 2.1, weights=weights[chosen])
        assert found == pytest.approx((true_redshift[true] >= 2.1).mean(), abs=0.03)


def test_kinds_count_as_often_as_the_sky_has_them():
    kind = np.array(["burst", "active", "", "other"])
    weights = kind_weights({"burst": 0.01, "ring": 0.1}, {"burst": 0.1, "active": 0.2}, kind)
    assert weights == pytest.approx([0.1, 0.0, 0.89 / 0.7, 0.89 / 0.7])
