"""CLASS_STAR fades as SExtractor's does: measured ratios of points, in the sky's mix of classes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.mocks.observation.stellarity import (
    StellarityCurve,
    draw_stellarity,
    point_ratios,
    sky_counts,
    stellarity_curve,
)
from jpasbatch.mocks.options.stellarity import STELLARITY_EDGES, Stellarity
from jpasbatch.mocks.populations.draws import draw_galaxies, draw_quasars, draw_stars
from jpasbatch.photometry.streams import ObjectStreams

TIMES = 20
"""Square degrees that are drawn."""

PER_DEG2 = {"star": 2190, "galaxy": 6410, "qso": 415}


@pytest.fixture(scope="module")
def sky() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return r and CLASS_STAR of the objects of some square degrees, by class."""
    result = {}
    for number, (name, count) in enumerate(PER_DEG2.items()):
        streams = ObjectStreams(5, 10**9 * number + np.arange(TIMES * count))
        if name == "star":
            magnitude, redshift = draw_stars(streams, False), np.zeros(len(streams))
        elif name == "galaxy":
            magnitude, redshift, _ = draw_galaxies(streams, False)
        else:
            magnitude, redshift = draw_quasars(streams, "all", False)
        drawn = streams.named("appearance")
        result[name] = magnitude, draw_stellarity(name, magnitude, redshift, drawn, Stellarity())
    return result


def _within(magnitude: np.ndarray, low: float, high: float) -> np.ndarray:
    return (magnitude > low) & (magnitude <= high)


@pytest.mark.parametrize(
    ("low", "high", "measured"),
    [(17.0, 20.0, 0.93), (20.0, 22.5, 0.72), (22.5, 23.6, 0.18)],
)
def test_points_are_as_many_as_in_minijpas(sky, low, high, measured):
    """Objects with CLASS_STAR > 0.5 for each star or quasar: R_point of paper A."""
    called = sum((_within(r, low, high) & (value > 0.5)).sum() for r, value in sky.values())
    points = sum(_within(sky[name][0], low, high).sum() for name in ("star", "qso"))
    assert called / points == pytest.approx(measured, abs=4 * np.sqrt(measured / points) + 0.005)


def test_points_look_less_and_less_like_points(sky):
    magnitude, value = (np.concatenate(parts) for parts in zip(sky["star"], sky["qso"], strict=True))
    edges = np.arange(19.0, 23.6, 0.75)
    shares, medians = [], []
    for low, high in pairwise(edges):
        inside = value[_within(magnitude, low, high)]
        shares.append((inside > 0.5).mean())
        medians.append(np.median(inside))
    assert (np.diff(shares) < 0).all()
    assert shares[0] > 0.85
    assert shares[-1] < 0.2
    assert (np.diff(medians) < 0.01).all()


def test_galaxies_are_called_points_ever_less(sky):
    magnitude, value = sky["galaxy"]
    shares = [(value[_within(magnitude, low, high)] > 0.5).mean() for low, high in pairwise(STELLARITY_EDGES)]
    assert shares[0] == pytest.approx(Stellarity().compact_share, abs=0.01)
    assert shares[0] > shares[1] > shares[2]


def test_bright_objects_are_clear_and_faint_ones_are_not(sky):
    star, galaxy = (sky[name][1][sky[name][0] < 19.5] for name in ("star", "galaxy"))
    assert np.median(star) > 0.97
    assert np.median(galaxy) < 0.03
    faint = sky["galaxy"][1][sky["galaxy"][0] > 23.3]
    assert np.quantile(faint, 0.9) - np.quantile(faint, 0.1) > 0.3


def test_near_quasars_may_look_extended():
    number = 4000
    magnitude, redshift = np.full(number, 18.0), np.repeat([0.3, 0.7], number // 2)
    drawn = ObjectStreams(1, np.arange(number)).named("appearance")
    value = draw_stellarity("qso", magnitude, redshift, drawn, Stellarity(host_share=0.4))
    near, far = (value[redshift == z] < 0.5 for z in (0.3, 0.7))
    assert near.mean() - far.mean() == pytest.approx(0.4, abs=0.06)


@settings(deadline=None, max_examples=25)
@given(
    points=st.floats(0.7, 0.99),
    middle=st.floats(21.5, 22.8),
    width=st.floats(0.3, 0.9),
    galaxies=st.floats(0, 0.02),
)
def test_a_curve_is_found_again_by_its_ratios(points, middle, width, galaxies):
    counts = sky_counts()
    wanted = point_ratios(StellarityCurve(points, galaxies, middle, width), *counts)
    found = stellarity_curve(Stellarity(point_ratio=tuple(wanted.tolist()), compact_share=galaxies))
    assert point_ratios(found, *counts) == pytest.approx(wanted, abs=0.002)


@settings(deadline=None)
@given(
    true_class=st.sampled_from(["star", "galaxy", "qso"]),
    magnitude=st.floats(10, 30),
    redshift=st.floats(0, 5),
)
def test_values_are_shares(true_class, magnitude, redshift):
    drawn = ObjectStreams(1, np.arange(50)).named("appearance")
    value = draw_stellarity(true_class, np.full(50, magnitude), np.full(50, redshift), drawn, Stellarity())
    assert value.dtype == np.float32
    assert ((value >= 0) & (value <= 1)).all()
    assert (value != 0.5).all()


def test_ratios_that_no_curve_gives_are_named():
    wrong = Stellarity(point_ratio=(0.9, 0.3, 0.29))
    with pytest.raises(InputError, match=r"point_ratio = \[0\.9, 0\.3, 0\.29\].*nearest that can be made"):
        stellarity_curve(wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"point_ratio": (0.9, 0.95, 0.2)}, "must fall from bin to bin"),
        ({"point_ratio": (0.9, 0.5)}, "point_ratio"),
        ({"point_ratio": (1.2, 0.5, 0.1)}, "point_ratio"),
        ({"compact_share": 0.6}, "compact_share"),
        ({"host_share": -0.1}, "host_share"),
    ],
)
def test_wrong_options_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        Stellarity(**wrong)


def test_half_of_the_share_is_left_at_the_middle():
    curve = StellarityCurve(0.9, 0.1, 22.0, 0.5)
    assert curve.clarity(np.array([22.0])) == pytest.approx([0.5])
    assert curve.clarity(np.array([17.0])) == pytest.approx([1.0], abs=1e-4)
