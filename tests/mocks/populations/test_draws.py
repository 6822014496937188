"""Magnitudes and redshifts: those of the tables behind, within their limits, object by object."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from jpasbatch.mocks.populations.densities import (
    HIGH_REDSHIFT,
    MAGNITUDE_LIMITS,
    MAGNITUDES,
    STAR_SLOPE,
)
from jpasbatch.mocks.populations.draws import (
    draw_galaxies,
    draw_quasars,
    draw_stars,
    expected_quasars,
    quasars_per_deg2,
)
from jpasbatch.mocks.populations.nearby import (
    NEAR_LIMIT,
    NEAR_REDSHIFTS,
    NEAR_STEP,
    RED_SHARE_LEARNT,
    draw_evenly,
    far_density,
    near_density,
    sky_density,
)
from jpasbatch.photometry.streams import ObjectStreams

STREAMS = ObjectStreams(7, np.arange(100_000))
BRIGHT, FAINT = MAGNITUDE_LIMITS
MAGNITUDE_BINS = ((17.0, 20.0), (20.0, 22.5), (22.5, 23.6))
REDSHIFT_BINS = ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0))

DRAWS = {
    "quasars": lambda streams, flat: draw_quasars(streams, "all", flat),
    "near quasars": lambda streams, flat: draw_quasars(streams, "low", flat),
    "far quasars": lambda streams, flat: draw_quasars(streams, "high", flat),
    "galaxies": draw_galaxies,
    "stars": lambda streams, flat: (draw_stars(streams, flat),),
}


@pytest.fixture(params=DRAWS.values(), ids=DRAWS.keys())
def draw(request):
    return request.param


@pytest.mark.parametrize("flat", [False, True])
def test_magnitudes_keep_to_their_limits(draw, flat):
    magnitude = draw(STREAMS, flat)[0]
    assert (magnitude > BRIGHT).all()
    assert (magnitude <= FAINT).all()


@pytest.mark.parametrize("flat", [False, True])
def test_an_object_draws_the_same_beside_any_others(draw, flat):
    rows = np.array([99_999, 5, 5, 70_000])
    for part, whole in zip(draw(STREAMS[rows], flat), draw(STREAMS, flat), strict=True):
        assert np.array_equal(part, whole[rows])


def test_flat_magnitudes_are_flat(draw):
    magnitude = draw(STREAMS, True)[0]
    assert kstest((magnitude - BRIGHT) / (FAINT - BRIGHT), "uniform").pvalue > 1e-3


def test_natural_magnitudes_are_not_flat(draw):
    magnitude = draw(STREAMS, False)[0]
    assert (magnitude > 20.3).mean() > 0.55


def test_the_table_has_415_quasars():
    assert quasars_per_deg2() == pytest.approx(414.6, abs=0.1)
    assert expected_quasars(((17.0, 23.6),), ((0.0, 5.0),)) == pytest.approx(quasars_per_deg2())


def test_bins_of_the_table_sum_to_the_whole():
    assert expected_quasars(MAGNITUDE_BINS, REDSHIFT_BINS).sum() == pytest.approx(quasars_per_deg2())


def test_quasars_agree_with_the_table_in_bins():
    magnitude, redshift = draw_quasars(STREAMS, "all", False)
    expected = expected_quasars(MAGNITUDE_BINS, REDSHIFT_BINS)
    expected *= magnitude.size / expected.sum()
    edges = [17.0, 20.0, 22.5, 23.6], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    counts = np.histogram2d(magnitude, redshift, edges)[0]
    assert expected.min() > 5
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()
    assert chi2.sf(((counts - expected) ** 2 / expected).sum(), 14) > 1e-3


@pytest.mark.parametrize("half", ["low", "high"])
def test_a_half_of_the_quasars_agrees_with_the_table(half):
    """In magnitude: the halves have their own distributions, and join at z = 2.1."""
    magnitude, _ = draw_quasars(STREAMS, half, False)
    limits = {"low": (0.0, HIGH_REDSHIFT), "high": (HIGH_REDSHIFT, 5.0)}[half]
    bins = tuple((low, low + 0.6) for low in np.arange(17.0, 23.5, 0.6))
    expected = expected_quasars(bins, (limits,))[:, 0]
    expected *= magnitude.size / expected.sum()
    counts = np.histogram(magnitude, [*(low for low, _ in bins), 23.6])[0]
    assert chi2.sf(((counts - expected) ** 2 / expected).sum(), 10) > 1e-3


@pytest.mark.parametrize(
    ("half", "low", "high"), [("low", 0.1, HIGH_REDSHIFT), ("high", HIGH_REDSHIFT, 5.0), ("all", 0.1, 5.0)]
)
@pytest.mark.parametrize("flat", [False, True])
def test_quasars_keep_to_their_half(half, low, high, flat):
    _, redshift = draw_quasars(STREAMS, half, flat)
    assert (redshift >= low).all()
    assert (redshift < high).all()
    assert np.histogram(redshift, [low, low + 0.1])[0][0] > 0
    assert np.histogram(redshift, [high - 0.1, high])[0][0] > 0


def test_as_many_galaxies_are_near_as_in_the_sky():
    """About 600 per deg2 nearer than z = 0.105, by the luminosity functions of GAMA."""
    parts = sky_density()
    assert sum(part.number for part in parts) == pytest.approx(6410)
    near = sum(part.number for part in parts[:2])
    assert near == pytest.approx(600, rel=0.25)
    _, redshift, _ = draw_galaxies(STREAMS, False)
    spread = np.sqrt(near / 6410 / redshift.size)
    assert (redshift < NEAR_LIMIT).mean() == pytest.approx(near / 6410, abs=4 * spread)


def test_bright_galaxies_are_near_whatever_the_distribution_of_magnitudes():
    for flat in (False, True):
        magnitude, redshift, _ = draw_galaxies(STREAMS, flat)
        bright = magnitude < 18
        share = sum(part.density[MAGNITUDES < 18].sum() * part.step for part in sky_density()[:2])
        share /= sum(part.density[MAGNITUDES < 18].sum() * part.step for part in sky_density())
        if flat:
            assert (redshift < NEAR_LIMIT)[bright].mean() > 0.8 * share
        else:
            assert (redshift < NEAR_LIMIT)[bright].mean() == pytest.approx(share, abs=0.06)
    assert share > 0.2


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_balanced_sets_have_the_wanted_share_of_further_near_galaxies(share, flat):
    sky, drawn = draw_galaxies(STREAMS, flat), draw_galaxies(STREAMS, flat, share)
    further = sky[1] != drawn[1]
    assert further.mean() == pytest.approx(share, abs=0.01)
    if share:
        magnitude, redshift, red = (values[further] for values in drawn)
        for values, low, high in ((magnitude, BRIGHT, FAINT), (redshift, 0.0025, NEAR_LIMIT)):
            assert kstest(values, "uniform", (low, high - low)).pvalue > 1e-3
        assert red.mean() == pytest.approx(RED_SHARE_LEARNT, abs=0.03)


@pytest.mark.parametrize("reach", [0.105, 0.25, 0.5])
def test_further_near_galaxies_may_thin_out_beyond(reach):
    _, redshift, _ = draw_evenly(STREAMS, FAINT, reach)
    even, slope = NEAR_LIMIT - 0.0025, reach - NEAR_LIMIT

    def cumulative(values):
        beyond = np.clip(values - NEAR_LIMIT, 0.0, slope)
        falling = beyond - beyond**2 / (2 * slope) if slope else 0.0
        return (np.minimum(values, NEAR_LIMIT) - 0.0025 + falling) / (even + slope / 2)

    assert kstest(redshift, cumulative).pvalue > 1e-3
    assert redshift.min() > 0.0025
    assert redshift.max() < reach


def test_by_default_further_near_galaxies_are_what_they_were():
    drawn = STREAMS.named("near galaxy")
    drawn.uniform()
    before = drawn.uniform(NEAR_REDSHIFTS[0] - NEAR_STEP / 2, NEAR_LIMIT)
    assert np.array_equal(draw_evenly(STREAMS, FAINT)[1], before)


def test_further_near_galaxies_leave_the_others_alone():
    one, other = (draw_galaxies(STREAMS, False, share) for share in (0.0, 0.3))
    same = one[1] == other[1]
    assert same.mean() == pytest.approx(0.7, abs=0.01)
    for before, after in zip(one, other, strict=True):
        assert np.array_equal(before[same], after[same])


def test_galaxies_keep_to_their_redshifts():
    _, redshift, _ = draw_galaxies(STREAMS, False)
    assert redshift.min() > 0
    assert 1.0 < redshift.max() < 1.3


@pytest.mark.parametrize("red", [True, False])
@pytest.mark.parametrize(("near", "density_of"), [(False, far_density), (True, near_density)])
def test_galaxies_follow_the_luminosity_function_of_their_colour(near, density_of, red):
    drawn = draw_galaxies(STREAMS, False)
    magnitude, redshift, colour = (values[(drawn[1] < NEAR_LIMIT) == near] for values in drawn)
    redshifts = density_of("red").redshift
    density = {name: density_of("red" if name else "blue").density for name in (True, False)}
    total = sum(part.sum() for part in density.values())
    wanted, chosen = density[red] / total * magnitude.size, colour == red
    for values, grid, axis in ((magnitude, MAGNITUDES, 1), (redshift, redshifts, 0)):
        step = grid[1] - grid[0]
        edges = np.append(grid - step / 2, grid[-1] + step / 2)
        both = np.histogram(values[chosen], edges)[0], wanted.sum(axis=axis)
        counts, expected = (np.add.reduceat(part, np.arange(0, part.size, 6)) for part in both)
        used = expected > 10
        assert chi2.sf(((counts - expected)[used] ** 2 / expected[used]).sum(), used.sum()) > 1e-3


def test_stars_follow_their_slope():
    magnitude = draw_stars(STREAMS, False)
    growth = 10 ** (STAR_SLOPE * (FAINT - BRIGHT)) - 1

    def cumulative(values):
        return (10 ** (STAR_SLOPE * (values - BRIGHT)) - 1) / growth

    assert kstest(magnitude, cumulative).pvalue > 1e-3


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("faintest", [21.0, 22.03])
def test_a_shallow_survey_has_the_objects_that_it_sees(faintest, flat):
    for name, draw in {
        "quasars": lambda: draw_quasars(STREAMS, "all", flat, faintest),
        "galaxies": lambda: draw_galaxies(STREAMS, flat, 0.1, faintest),
        "stars": lambda: (draw_stars(STREAMS, flat, faintest),),
    }.items():
        magnitude = draw()[0]
        assert ((magnitude > BRIGHT) & (magnitude <= faintest)).all(), name
        assert (magnitude > faintest - 0.2).any(), name
        if flat:
            assert np.median(magnitude) == pytest.approx((BRIGHT + faintest) / 2, abs=0.1), name


def test_a_limit_changes_no_ratio_of_quasars_within_it():
    magnitude, redshift = draw_quasars(STREAMS, "all", False, 21.0)
    expected = expected_quasars(((17.0, 20.0), (20.0, 21.0)), ((0.0, 2.1), (2.1, 5.0)))
    rows, columns = (magnitude > 20.0).astype(int), (redshift >= 2.1).astype(int)
    found = np.zeros((2, 2))
    np.add.at(found, (rows, columns), 1)
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), atol=0.02)
    assert quasars_per_deg2(21.0) == pytest.approx(expected.sum(), rel=1e-6)
