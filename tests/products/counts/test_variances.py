"""The part of an error that redraws of the validation sample give: of most of them, whatever a few do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.priors.calibrations.log_linear import LogLinearCalibration
from jpasbatch.priors.calibrations.protocol import TERMS, Reach
from jpasbatch.priors.prior import Prior
from jpasbatch.priors.strata import Strata
from jpasbatch.products.counts.variances import calibration_variance

SUMS = np.array([[50.0]])
"""Of the objects of one class of two, in one stratum: all that are there."""


def error_of(moves):
    """Return the error of a count of 50 that redraws move so far."""
    shares, nothing = np.array([[0.5, 0.5]]), np.zeros((0, 1, 2))
    redrawn = np.stack([-np.asarray(moves), moves], axis=-1)[:, None, :]
    calibration = LogLinearCalibration(
        "temperature", Reach(18.0, 23.0, 0.0), np.ones(1), np.zeros((2, TERMS))
    )
    prior = Prior(
        ("star", "quasar"),
        Strata(()),
        shares,
        shares,
        np.array([100]),
        np.zeros((1, 2, 2)),
        redrawn,
        (),
        nothing,
        calibration,
    )
    return np.sqrt(calibration_variance(SUMS, [1], prior))


def test_normal_moves_have_their_standard_deviation():
    moves = np.random.default_rng(3).normal(0.0, 4.0, 4000)
    assert error_of(moves) == pytest.approx(4.0, rel=0.05)


def test_a_few_redraws_far_off_change_little():
    """As where no quasar of a bin validated: 36 redraws move nothing to speak of, 4 of 40 take stars for quasars."""
    moves = np.random.default_rng(3).normal(0.0, 0.1, 40)
    moves[:4] = [25.0, 40.0, 60.0, 15.0]
    assert np.sqrt(np.mean(moves**2)) > 10.0
    assert error_of(moves) < 0.3


@given(st.lists(st.integers(-(10**4), 10**4), min_size=1, max_size=60), st.floats(1e-3, 1e3), st.randoms())
def test_moves_count_in_any_order_and_unit(moves, factor, random):
    error, shuffled = error_of(moves), random.sample(moves, len(moves))
    assert error_of(shuffled) == pytest.approx(error)
    assert error_of(np.array(moves) * factor) == pytest.approx(error * factor)
    assert np.abs(moves).min() * (1 - 1e-9) <= error <= np.sqrt(np.mean(np.square(moves))) * (1 + 1e-9)


def test_without_redraws_nothing_is_known():
    assert np.isnan(error_of(np.zeros(0)))
