import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.samples import ClassDefinition, LabelledFeatures, label

FOUR = {
    "star": ClassDefinition(("star",)),
    "galaxy": ClassDefinition(("galaxy", "sfg")),
    "qso_low": ClassDefinition(("qso",), (0.0, 2.1)),
    "qso_high": ClassDefinition(("qso",), (2.1, float("inf"))),
}


def test_each_object_gets_its_class():
    true_class = ["star", "galaxy", "sfg", "qso", "qso", "qso", "qso", None, "white dwarf"]
    redshift = [np.nan, 0.3, np.nan, 0.0, 2.0999, 2.1, np.nan, 1.0, 0.0]
    labels = label(true_class, redshift, FOUR)
    assert labels.dtype == np.int16
    assert labels.tolist() == [0, 1, 1, 2, 2, 3, -1, -1, -1]


def test_missing_values_of_other_libraries_are_unknown():
    assert label(np.array([float("nan"), "star", None], dtype=object), np.zeros(3), FOUR).tolist() == [
        -1,
        0,
        -1,
    ]


def test_no_objects_give_no_labels():
    assert label([], [], FOUR).shape == (0,)


def test_overlapping_definitions_are_refused():
    definitions = FOUR | {"qso_low": ClassDefinition(("qso",), (0.0, 2.2))}
    with pytest.raises(
        InputError, match=r"'qso_low' and 'qso_high' both claim true_class 'qso' .* 2.1 to 2.2"
    ):
        label(["qso"], [1.0], definitions)


def test_a_range_overlaps_a_class_without_one():
    definitions = {"qso": ClassDefinition(("qso",)), "qso_high": ClassDefinition(("qso",), (2.1, 5.0))}
    with pytest.raises(InputError, match="both claim"):
        label(["qso"], [1.0], definitions)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="at least two"):
        label(["qso"], [1.0], {"qso": ClassDefinition(("qso",))})


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        label(["qso"], [1.0, 2.0], FOUR)


@pytest.mark.parametrize("redshift", [(2.0, 2.0), (3.0, 1.0), (float("nan"), 1.0)])
def test_empty_redshift_ranges_are_refused(redshift):
    with pytest.raises(ValueError, match=r"redshift: found .* low < high"):
        ClassDefinition(("qso",), redshift)


@pytest.mark.parametrize("truth", [(), ("",)])
def test_a_class_without_truth_is_refused(truth):
    with pytest.raises(ValueError, match="truth: found"):
        ClassDefinition(truth)


def test_rows_without_label_or_features_are_left_out():
    features = np.array([[1, 2], [np.nan, np.nan], [3, 4], [5, 6]], dtype=np.float64)
    kept = LabelledFeatures.from_rows(features, np.array([0, 1, -1, 1], np.int16), ("a", "b"))
    assert kept.features.tolist() == [[1, 2], [5, 6]]
    assert kept.features.dtype == np.float32
    assert kept.class_counts() == {"a": 1, "b": 1}
    assert len(kept) == kept.n_inputs == 2


def test_an_infinite_feature_is_refused():
    with pytest.raises(InputError, match=r"features of 1 rows are not finite \(first: row 1\)"):
        LabelledFeatures.from_rows(np.array([[0.0], [np.inf]]), np.array([0, 1], np.int16), ("a", "b"))


@pytest.mark.parametrize("wrong", [-1, 2])
def test_labels_outside_the_classes_are_refused(wrong):
    with pytest.raises(InputError, match=rf"labels: found {wrong}; allowed are 0 to 1 \(a, b\)"):
        LabelledFeatures(np.zeros((2, 3), np.float32), np.array([0, wrong], np.int16), ("a", "b"))


def test_lengths_must_match():
    with pytest.raises(InputError, match="do not match"):
        LabelledFeatures(np.zeros((2, 3), np.float32), np.zeros(3, np.int16), ("a", "b"))
