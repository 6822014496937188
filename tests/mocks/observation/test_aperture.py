"""What an aperture catches: all relative to a point source, and to the band that magnitudes are given in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.mocks.observation.aperture import APERTURE_RADIUS, aperture_factors, galaxy_sizes

SEEING = st.lists(st.floats(0.5, 3.0), min_size=4, max_size=4)
SIZE = st.floats(0.05, 2.0)


@settings(deadline=None)
@given(seeing=SEEING)
def test_a_point_source_keeps_its_colours(seeing):
    factors = aperture_factors(np.zeros(1), np.array([seeing], dtype=np.float32), 2)
    assert factors == pytest.approx(np.ones((1, 4)), abs=1e-5)


@settings(deadline=None)
@given(seeing=SEEING, size=SIZE)
def test_the_reference_band_keeps_its_flux(seeing, size):
    factors = aperture_factors(np.array([size]), np.array([seeing], dtype=np.float32), 2)
    assert factors[0, 2] == 1.0


@settings(deadline=None)
@given(size=SIZE)
def test_equal_seeing_changes_no_colour(size):
    factors = aperture_factors(np.array([size]), np.full((1, 4), 1.2, dtype=np.float32), 0)
    assert factors == pytest.approx(np.ones((1, 4)), abs=1e-6)


def test_the_share_of_light_is_that_of_gaussians():
    seeing = np.array([[0.8, 1.6]], dtype=np.float32)
    factors = aperture_factors(np.array([0.7]), seeing, 0)
    point = (seeing[0].astype(np.float64) / 2.355) ** 2
    share = [1 - np.exp(-(APERTURE_RADIUS**2) / (2 * width)) for width in (point + 0.49, point)]
    lost = share[0] / share[1]
    assert factors[0, 1] == pytest.approx(lost[1] / lost[0], rel=1e-5)


def test_a_larger_object_loses_more_in_worse_seeing():
    seeing = np.tile(np.array([[0.8, 1.6]], dtype=np.float32), (4, 1))
    factor = aperture_factors(np.array([0.05, 0.2, 0.35, 0.5]), seeing, 0)[:, 1]
    assert (factor < 1).all()
    assert (np.diff(factor) < 0).all()


@settings(deadline=None)
@given(magnitude=st.floats(15.0, 25.0), scatter=st.floats(-6.0, 6.0))
def test_sizes_stay_within_their_limits(magnitude, scatter):
    size = galaxy_sizes(np.array([magnitude]), np.array([scatter]))
    assert 0.05 <= size[0] <= 2.0


def test_sizes_follow_their_law():
    assert galaxy_sizes(np.array([20.0]), np.zeros(1)) == pytest.approx([0.5])
    ratio = galaxy_sizes(np.array([21.0]), np.zeros(1)) / galaxy_sizes(np.array([20.0]), np.zeros(1))
    assert np.log10(ratio) == pytest.approx([-0.06])
    scattered = galaxy_sizes(np.full(2, 20.0), np.array([1.0, 0.0]))
    assert np.log10(scattered[0] / scattered[1]) == pytest.approx(0.2)
