"""Redshifts from probabilities of ranges: what holds of any probabilities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jpasbatch.errors import InputError
from jpasbatch.learning.manifest import Manifest
from jpasbatch.learning.redshifts import CENTRAL, RedshiftOptions, RedshiftRanges, Redshifts
from jpasbatch.learning.samples import ClassDefinition
from tests.manifests import manifest_with

RANGES = RedshiftRanges((0.0, 0.5, 1.2, 2.1, 3.0, 5.0))
K = len(RANGES)


def normalised(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=1, keepdims=True)


# the first call imports scipy
LATE_IMPORT = settings(deadline=None)
WEIGHTS = arrays(np.float64, (3, K), elements=st.sampled_from([0.0, 1e-7, 0.3, 1.0, 5.0]))
PROBABILITIES = WEIGHTS.filter(lambda one: (one.sum(axis=1) > 0.1).all()).map(normalised)


@LATE_IMPORT
@given(PROBABILITIES, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantiles_rise_and_lie_within_the_limits(probabilities, one, other):
    low, high = RANGES.quantile(probabilities, min(one, other), max(one, other))
    assert (low <= high).all()
    assert (low >= 0.0).all()
    assert (high <= 5.0).all()


@LATE_IMPORT
@given(PROBABILITIES, st.floats(0.001, 0.999))
def test_below_a_quantile_lies_its_share(probabilities, share):
    for row, redshift in enumerate(RANGES.quantile(probabilities, share)[0]):
        below = RANGES.within(probabilities[row : row + 1], 0.0, float(redshift)).sum()
        assert below == pytest.approx(share, abs=1e-6)


@LATE_IMPORT
@given(PROBABILITIES)
def test_the_interval_holds_its_probability(probabilities):
    low, high = RANGES.interval(probabilities)
    for row in range(len(probabilities)):
        held = RANGES.within(probabilities[row : row + 1], float(low[row]), float(high[row])).sum()
        assert held == pytest.approx(CENTRAL, abs=1e-6)


@LATE_IMPORT
@given(PROBABILITIES)
def test_the_point_value_is_beside_the_highest_density(probabilities):
    # no neighbourhood reaches into a second range here, so that the place is that of the highest density
    places = np.log1p(RANGES.limits)
    density = probabilities / np.diff(places)
    middles = 0.5 * (places[1:] + places[:-1])
    point = np.log1p(RANGES.point(probabilities))[:, None]
    highest = density >= density.max(axis=1, keepdims=True) * (1 - 1e-9)
    lowest, uppermost = middles[np.maximum(np.arange(K) - 1, 0)], middles[np.minimum(np.arange(K) + 1, K - 1)]
    assert (highest & (point >= lowest - 1e-9) & (point <= uppermost + 1e-9)).any(axis=1).all()


def test_numbers_by_hand():
    sure = np.eye(K)[[2]]
    middle = np.sqrt(2.2 * 3.1) - 1
    assert RANGES.point(sure)[0] == pytest.approx(middle)
    assert RANGES.quantile(sure, 0.5)[0, 0] == pytest.approx(middle)
    low, high = RANGES.interval(sure)
    # alone in its range the cumulative is 3 t^2 - 2 t^3
    at = 0.2533
    assert 3 * at**2 - 2 * at**3 == pytest.approx(0.16, abs=1e-3)
    limits = [2.2 * (3.1 / 2.2) ** part - 1 for part in (at, 1 - at)]
    assert (low[0], high[0]) == pytest.approx(limits, abs=2e-3)
    two_peaks = np.array([[0.45, 0.0, 0.0, 0.55, 0.0]])
    assert RANGES.point(two_peaks)[0] == pytest.approx(np.sqrt(3.1 * 4.0) - 1)
    assert RANGES.within(two_peaks, 2.1, np.inf).sum() == pytest.approx(0.55)
    assert RANGES.within(two_peaks, 0.0, 2.1).tolist() == [[0.45, 0.0, 0.0, 0.0, 0.0]]


def test_a_broad_peak_of_more_probability_is_preferred():
    fine = RedshiftRanges(tuple(np.expm1(np.linspace(0.0, 1.8, 121)).tolist()))
    probabilities = np.zeros((1, len(fine)))
    probabilities[0, 10], probabilities[0, 80:83] = 0.3, (0.2, 0.28, 0.22)
    assert fine.position(fine.point(probabilities)).tolist() == [81]
    probabilities[0, 80:83] = 0.09, 0.1, 0.09
    assert fine.position(fine.point(probabilities / probabilities.sum())).tolist() == [10]


@LATE_IMPORT
@given(PROBABILITIES, st.floats(0.0, 6.0), st.floats(0.0, 6.0))
def test_probability_is_additive(probabilities, one, other):
    low, high = min(one, other), max(one, other)
    parts = (RANGES.within(probabilities, *limits) for limits in ((0.0, low), (low, high), (high, np.inf)))
    assert sum(parts) == pytest.approx(probabilities)


def test_no_objects():
    none = np.zeros((0, K))
    assert [len(one) for one in (RANGES.point(none), *RANGES.interval(none))] == [0, 0, 0]
    found = Redshifts.of(RANGES, none, np.zeros(4, dtype=bool))
    assert np.isnan(found.probabilities).all()
    assert found.probabilities.shape == (4, K)


def test_others_have_no_redshift():
    found = Redshifts.of(RANGES, np.eye(K)[[0, 3]], np.array([True, False, True]))
    assert np.isnan(found.point).tolist() == np.isnan(found.low).tolist() == [False, True, False]
    assert found.low[2] <= found.point[2] <= found.high[2]


@pytest.mark.parametrize(
    "limits", [(0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 1.0, np.inf), (-1.0, 0.0, 1.0), (0, np.nan, 1)]
)
def test_limits_are_checked(limits):
    with pytest.raises(InputError, match="finite limits of 0 or more that rise"):
        RedshiftRanges(limits)


def manifest(*classes) -> Manifest:
    return manifest_with({f"z_{number}": ClassDefinition(*one) for number, one in enumerate(classes)})


def test_ranges_of_a_committee():
    found = RedshiftRanges.of(
        manifest((("qso",), (0.0, 1.0)), (("qso",), (1.0, 2.0)), (("qso",), (2.0, 5.0)))
    )
    assert found == RedshiftRanges((0.0, 1.0, 2.0, 5.0), ("qso",))


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ((("qso",), None), "'z_2'.*every class must be a range"),
        ((("agn",), (2.0, 5.0)), "'z_2'.*the same objects"),
        ((("qso",), (2.1, 5.0)), "'z_2'.*it must begin at 2"),
        ((("qso",), (2.0, np.inf)), "finite limits"),
    ],
)
def test_a_committee_of_other_classes_is_refused(last, message):
    with pytest.raises(InputError, match=message):
        RedshiftRanges.of(manifest((("qso",), (0.0, 1.0)), (("qso",), (1.0, 2.0)), last))


def test_options_are_checked():
    options = RedshiftOptions("somewhere")
    for wrong in ({"artefact": ""}, {"minimum_probability": 1.0}, {"minimum_probability": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(options, **wrong)
