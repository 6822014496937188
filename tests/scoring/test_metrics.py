import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.scoring.metrics import ConfusionTally, ReliabilityTally, scores

N_CLASSES = 4


def sample(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, N_CLASSES, rows)
    probabilities = rng.dirichlet(np.ones(N_CLASSES), rows)
    probabilities[np.arange(rows), true] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return true, probabilities, rng.integers(-1, 3, rows)


def tally(true, probabilities, group):
    return ConfusionTally.create(N_CLASSES, 3).add(true, probabilities.argmax(axis=1), group)


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    true, probabilities, group = sample()
    predicted = probabilities.argmax(axis=1)
    counted = tally(true, probabilities, group)
    assert np.array_equal(counted.total(), confusion_matrix(true, predicted).T)
    for number, matrix in enumerate(counted.extract()):
        rows = group == number
        found = scores(matrix)
        purity, completeness, f1, support = precision_recall_fscore_support(true[rows], predicted[rows])
        np.testing.assert_allclose(found.purity, purity)
        np.testing.assert_allclose(found.completeness, completeness)
        np.testing.assert_allclose(found.f1, f1)
        assert np.array_equal(found.n_true, support)
        assert found.weighted_f1 == pytest.approx(f1_score(true[rows], predicted[rows], average="weighted"))


def test_a_worked_example():
    # Predicted in rows: 8 stars right, 2 galaxies taken for stars; 4 stars taken for galaxies, 6 right.
    found = scores(np.array([[8, 2], [4, 6]]))
    np.testing.assert_allclose(found.purity, [8 / 10, 6 / 10])
    np.testing.assert_allclose(found.completeness, [8 / 12, 6 / 8])
    assert found.n_true.tolist() == [12, 8]
    assert found.n_predicted.tolist() == [10, 10]


def test_what_is_not_defined_is_nan():
    found = scores(np.array([[3, 0, 1], [0, 0, 1], [0, 0, 0]]))
    assert np.isnan(found.completeness).tolist() == [False, True, False]
    assert np.isnan(found.purity).tolist() == [False, False, True]
    assert np.isnan(found.f1).tolist() == [False, True, False]
    assert found.f1[2] == 0.0
    assert found.weighted_f1 == pytest.approx((3 * 6 / 7 + 2 * 0) / 5)
    assert np.isnan(scores(np.zeros((2, 2), int)).weighted_f1)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.randoms())
def test_partitions_in_any_order_give_the_same_bytes(cuts, random):
    true, probabilities, group = sample(200)
    edges = sorted({0, 200, *cuts})
    parts = [slice(low, high) for low, high in pairwise(edges)]
    random.shuffle(parts)
    confusion, reliability = ConfusionTally.create(N_CLASSES, 3), ReliabilityTally.create(N_CLASSES)
    for part in parts:
        piece = tally(true[part], probabilities[part], group[part])
        confusion.merge(ConfusionTally.from_dict(json.loads(json.dumps(piece.to_dict()))))
        piece = ReliabilityTally.create(N_CLASSES).add(true[part], probabilities[part])
        reliability.merge(ReliabilityTally.from_dict(json.loads(json.dumps(piece.to_dict()))))
    assert confusion.to_dict() == tally(true, probabilities, group).to_dict()
    assert reliability.to_dict() == ReliabilityTally.create(N_CLASSES).add(true, probabilities).to_dict()


def test_unknown_classes_are_not_counted_and_other_groups_only_in_the_total():
    counted = ConfusionTally.create(2, 1).add(np.array([0, 1, -1]), np.array([0, 0, 0]), np.array([0, -1, 0]))
    assert counted.extract().tolist() == [[[1, 0], [0, 0]]]
    assert counted.total().tolist() == [[1, 1], [0, 0]]
    reliability = ReliabilityTally.create(2).add(np.array([-1]), np.array([[0.5, 0.5]]))
    assert reliability.count.sum() == 0


@pytest.mark.parametrize(
    ("true", "predicted", "group", "name"),
    [(2, 0, 0, "true"), (0, -1, 0, "predicted"), (0, 0, 1, "group"), (-2, 0, 0, "true"), (0, 0, -2, "group")],
)
def test_values_out_of_range_are_refused(true, predicted, group, name):
    with pytest.raises(ValueError, match=f"{name}: found"):
        ConfusionTally.create(2, 1).add(np.array([true]), np.array([predicted]), np.array([group]))


def test_tallies_of_other_shapes_do_not_merge():
    with pytest.raises(ValueError, match="cannot merge"):
        ConfusionTally.create(2, 1).merge(ConfusionTally.create(2, 2))
    with pytest.raises(ValueError, match="cannot merge"):
        ReliabilityTally.create(2, 5).merge(ReliabilityTally.create(2, 10))


def test_reliability_against_a_plain_calculation():
    true, probabilities, _ = sample()
    found = ReliabilityTally.create(N_CLASSES, 10).add(true, probabilities).extract()
    expected = []
    for j in range(N_CLASSES):
        error = 0.0
        for low in range(10):
            rows = np.floor(probabilities[:, j] * 10).clip(max=9) == low
            if rows.any():
                accuracy, confidence = (true[rows] == j).mean(), probabilities[rows, j].mean()
                assert found.accuracy[j, low] == pytest.approx(accuracy)
                assert found.confidence[j, low] == pytest.approx(confidence, abs=1e-9)
                error += rows.mean() * abs(accuracy - confidence)
        expected.append(error)
    np.testing.assert_allclose(found.ece_by_class, expected, atol=1e-9)
    assert found.ece == pytest.approx(np.mean(expected), abs=1e-9)


def test_curves_are_those_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    true, probabilities, _ = sample()
    found = ReliabilityTally.create(N_CLASSES, 10).add(true, probabilities).extract()
    accuracy, confidence = calibration_curve(true == 1, probabilities[:, 1], n_bins=10)
    filled = found.count[1] > 0
    np.testing.assert_allclose(found.accuracy[1, filled], accuracy)
    np.testing.assert_allclose(found.confidence[1, filled], confidence, atol=1e-9)


def test_certain_and_right_is_calibrated_certain_and_wrong_is_not():
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert ReliabilityTally.create(2).add(np.array([0, 1]), certain).extract().ece == 0.0
    wrong = ReliabilityTally.create(2).add(np.array([1, 0]), certain).extract()
    assert wrong.ece == 1.0
    assert wrong.count.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]] * 2
    assert np.isnan(wrong.accuracy[0, 5])
    assert np.isnan(ReliabilityTally.create(2).extract().ece)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_numbers_that_are_no_probabilities_are_refused(value):
    with pytest.raises(ValueError, match="within 0 to 1"):
        ReliabilityTally.create(2).add(np.array([0]), np.array([[value, 0.5]]))
