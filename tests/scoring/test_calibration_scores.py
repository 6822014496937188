"""Numbers of calibration: those of scikit-learn and of a direct calculation, and the same of any partitions."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jpasbatch.scoring.calibration_scores import (
    CONFIDENCE,
    calibration_curve,
    calibration_scores,
    mass_bins,
    score_columns,
    wide_bins,
)
from jpasbatch.scoring.calibration_tally import EDGES, CalibrationTally
from jpasbatch.scoring.metrics import ReliabilityTally

CLASSES = ("star", "galaxy", "quasar")
GROUPS = ("bright", "faint")


def sample(rows=4000, seed=0, sharpened=1.6):
    """Return labels, probabilities that are too sure, and groups of which -1 is none."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet([0.5, 0.9, 0.3], rows)
    labels = (rng.random(rows)[:, None] > honest.cumsum(axis=1)).sum(axis=1).clip(max=2)
    said = honest**sharpened
    return labels, said / said.sum(axis=1, keepdims=True), rng.integers(-1, 2, rows)


def tally_of(labels, probabilities, group) -> CalibrationTally:
    return CalibrationTally.create(3, 2).add(labels, probabilities, group)


@pytest.fixture(scope="module")
def scores():
    found = calibration_scores(tally_of(*sample()), GROUPS, CLASSES)
    return {(one.group, one.class_name, one.score): one for one in found}


def test_brier_score_and_loss_are_those_of_scikit_learn(scores):
    from sklearn.metrics import brier_score_loss, log_loss

    labels, probabilities, group = sample()
    for name, rows in (("bright", group == 0), ("faint", group == 1), ("all", group > -2)):
        true, said = labels[rows], probabilities[rows]
        assert scores[name, "all", "brier"].objects == rows.sum()
        for number, one in enumerate(CLASSES):
            brier = brier_score_loss(true == number, said[:, number])
            assert scores[name, one, "brier"].value == pytest.approx(brier, abs=1e-8)
            loss = log_loss(true == number, said[:, number])
            assert scores[name, one, "log_loss"].value == pytest.approx(loss, abs=1e-6)
        both = sum(brier_score_loss(true == number, said[:, number]) for number in range(3))
        assert scores[name, "all", "brier"].value == pytest.approx(both, abs=1e-8)
        assert scores[name, "all", "log_loss"].value == pytest.approx(log_loss(true, said), abs=1e-6)


def direct_ece(said, comes_true, bins=10):
    """Return ECE and MCE in bins of equal width, object by object."""
    ece, mce = 0.0, 0.0
    for number in range(bins):
        rows = (said >= number / bins) & ((said < (number + 1) / bins) | (number == bins - 1))
        if rows.any():
            gap = abs(comes_true[rows].mean() - said[rows].mean())
            ece, mce = ece + rows.mean() * gap, max(mce, gap)
    return ece, mce


def test_calibration_errors_are_those_of_a_direct_calculation(scores):
    labels, probabilities, group = sample()
    for name, rows in (("faint", group == 1), ("all", group > -2)):
        by_class = []
        for number, one in enumerate(CLASSES):
            ece, mce = direct_ece(probabilities[rows, number], labels[rows] == number)
            assert scores[name, one, "ece_equal_width"].value == pytest.approx(ece, abs=1e-9)
            assert scores[name, one, "mce"].value == pytest.approx(mce, abs=1e-9)
            by_class.append(ece)
        best = probabilities[rows].argmax(axis=1)
        ece, mce = direct_ece(probabilities[rows].max(axis=1), best == labels[rows])
        assert scores[name, CONFIDENCE, "ece_equal_width"].value == pytest.approx(ece, abs=1e-9)
        assert scores[name, CONFIDENCE, "mce"].value == pytest.approx(mce, abs=1e-9)
        assert scores[name, "classwise", "ece_equal_width"].value == pytest.approx(
            np.mean(by_class), abs=1e-9
        )
    old = ReliabilityTally.create(3).add(labels, probabilities).extract()
    assert scores["all", "classwise", "ece_equal_width"].value == pytest.approx(old.ece, abs=1e-9)


def test_equal_mass_is_near_that_of_sorted_objects(scores):
    labels, probabilities, _ = sample()
    for number, one in enumerate(CLASSES):
        order = np.argsort(probabilities[:, number])
        expected = sum(
            len(rows) / 4000 * abs((labels[rows] == number).mean() - probabilities[rows, number].mean())
            for rows in np.array_split(order, 15)
        )
        assert scores["all", one, "ece_equal_mass"].value == pytest.approx(expected, rel=0.25)


def test_bins_of_equal_mass_hold_about_as_many():
    labels, probabilities, group = sample(20_000)
    count = tally_of(labels, probabilities, group).with_all().count[-1, 0]
    bins = mass_bins(count)
    assert (np.diff(bins) >= 0).all()
    held = np.bincount(bins, count, 15)
    assert held.max() <= 20_000 / 15 + count.max()
    assert len(wide_bins()) == len(EDGES) - 1 == len(bins)


def test_errors_are_those_of_samples_that_are_drawn_again():
    drawn = {"ece_equal_width": [], "ece_equal_mass": [], "brier": [], "log_loss": []}
    told = {name: [] for name in drawn}
    for seed in range(40):
        found = calibration_scores(tally_of(*sample(3000, seed)), GROUPS, CLASSES, seed)
        for one in found:
            if one.group == "all" and one.class_name == "galaxy" and one.score in drawn:
                drawn[one.score].append(one.value)
                told[one.score].append(one.error)
    for name, values in drawn.items():
        assert np.mean(told[name]) == pytest.approx(np.std(values), rel=0.4), name


def test_a_perfect_committee_has_the_error_of_a_perfect_one():
    values, ideal = [], []
    for seed in range(20):
        found = calibration_scores(tally_of(*sample(1500, seed, sharpened=1.0)), GROUPS, CLASSES, seed)
        (one,) = (
            one
            for one in found
            if (one.group, one.class_name, one.score) == ("all", CONFIDENCE, "ece_equal_width")
        )
        values.append(one.value)
        ideal.append(one.if_perfect)
    assert np.mean(values) == pytest.approx(np.mean(ideal), rel=0.25)
    assert np.mean(ideal) > 0.005


def test_an_unsure_committee_is_seen(scores):
    one = scores["all", "galaxy", "ece_equal_width"]
    assert one.value - one.if_perfect > 3 * one.error > 0


@pytest.mark.parametrize("parts", [2, 40])
def test_any_partitions_give_the_same_numbers(parts):
    labels, probabilities, group = sample()
    labels[:50] = -1
    owner = np.random.default_rng(6).integers(0, parts, len(labels))
    total = CalibrationTally.create(3, 2)
    for part in range(parts):
        rows = owner == part
        piece = tally_of(labels[rows], probabilities[rows], group[rows])
        total = CalibrationTally.from_dict(json.loads(json.dumps(piece.to_dict()))).merge(total)
    whole = tally_of(labels, probabilities, group)
    assert total.to_dict() == whole.to_dict()
    one, other = (score_columns(calibration_scores(part, GROUPS, CLASSES)) for part in (total, whole))
    assert repr(one) == repr(other)  # NaN is not equal to itself
    assert whole.with_all().count[-1, 0].sum() == 3950


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=32)),
    st.lists(st.integers(-1, 2), min_size=7, max_size=7),
)
def test_any_probabilities_give_finite_numbers_or_none(probabilities, labels):
    found = calibration_scores(
        tally_of(np.array(labels), probabilities, np.zeros(7, dtype=int)), GROUPS, CLASSES
    )
    known = sum(label >= 0 for label in labels)
    for one in found:
        if one.group == "faint" or not known:
            assert one.objects == 0
            assert np.isnan(one.value)
        else:
            assert one.objects == known
            assert one.value >= 0
            assert one.error >= 0


def test_a_curve_is_that_of_the_reliability_diagram():
    labels, probabilities, group = sample()
    old = ReliabilityTally.create(3).add(labels, probabilities).extract()
    for column in range(3):
        curve = calibration_curve(tally_of(labels, probabilities, group), -1, column)
        assert curve.count.tolist() == old.count[column].tolist()
        np.testing.assert_allclose(curve.fraction, old.accuracy[column])
        np.testing.assert_allclose(curve.mean_probability, old.confidence[column], atol=1e-9)
        assert (curve.lower <= curve.fraction).all()
        assert (curve.fraction <= curve.upper).all()
    empty = calibration_curve(CalibrationTally.create(3, 2), 0, 0)
    assert np.isnan(empty.fraction).all()
    assert np.isnan(empty.lower).all()


def test_intervals_of_a_curve_hold_two_thirds_of_the_time():
    rng, held = np.random.default_rng(8), []
    for _ in range(400):
        said = np.full((40, 2), [0.83, 0.17])
        labels = (rng.random(40) > 0.83).astype(int)
        tally = CalibrationTally.create(2, 1).add(labels, said, np.zeros(40, dtype=int))
        curve = calibration_curve(tally, -1, 0)
        held.append(curve.lower[8] <= 0.83 <= curve.upper[8])
    assert 0.58 < np.mean(held) < 0.80


@pytest.mark.parametrize(
    ("labels", "probabilities", "group", "words"),
    [
        ([3], [[0.2, 0.3, 0.5]], [0], "labels"),
        ([0], [[0.2, 0.3, 0.5]], [2], "group"),
        ([0], [[0.2, 0.3, 1.5]], [0], "within 0 to 1"),
        ([0], [[0.2, 0.3, np.nan]], [0], "within 0 to 1"),
        ([0], [[0.5, 0.5]], [0], "must be"),
    ],
)
def test_what_cannot_be_counted_is_refused(labels, probabilities, group, words):
    with pytest.raises(ValueError, match=words):
        tally_of(np.array(labels), np.array(probabilities), np.array(group))
    with pytest.raises(ValueError, match="cannot merge"):
        CalibrationTally.create(3, 2).merge(CalibrationTally.create(3, 1))
