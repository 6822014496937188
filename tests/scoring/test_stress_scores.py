"""Scores under stress: against scikit-learn, against the comparison of classifiers, and what is said in words."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from jpasbatch.scoring.comparison_tables import stress_comparison
from jpasbatch.scoring.evaluation import Predictions, compare, evaluate
from jpasbatch.scoring.evaluation_record import ScoredSample, score_parts
from jpasbatch.scoring.stress_findings import (
    WORST,
    bin_names,
    group_of,
    stress_summary,
    worst_confusion,
    worst_stress,
    worst_triple,
)
from jpasbatch.scoring.stress_scores import (
    LIBRARY,
    MOST_LIBRARIES,
    count_stress,
    library_groups,
    magnitude_groups,
    stress_scores,
)
from jpasbatch.scoring.stress_tables import called_table, share_error, stress_table
from tests.scoring.stressed import CLASSES, content_of, judgement_of, sample_of


@pytest.fixture(scope="module")
def content(survey):
    return content_of(survey, 300)


def scored_sample(survey):
    """Return what is said of a few objects, not stressed."""
    labels = np.arange(40) % 4
    said = Predictions(labels, judgement_of(labels, 4.0).probabilities, np.full(40, 21.0), np.ones(40))
    parts = score_parts(evaluate(said, survey.magnitude_bins, draws=2), survey, CLASSES)
    return ScoredSample(name="mocks", rows=40, **parts)


def scored(sample, judgement):
    return {one.group: stress_scores(one) for one in count_stress(sample, judgement, CLASSES)}


def test_scores_are_those_of_scikit_learn(survey):
    sample = sample_of(survey)
    judgement = judgement_of(sample.labels, 2.0, 9)
    for name, group in scored(sample, judgement).items():
        true, guess = sample.labels[sample.groups[name]], judgement.decided[sample.groups[name]]
        assert group["weighted_f1"][0] == pytest.approx(
            f1_score(true, guess, average="weighted", labels=np.unique(true))
        )
        assert group["f1"][0] == pytest.approx(f1_score(true, guess, average=None, labels=range(4)))
        assert group["right"] == pytest.approx(accuracy_score(true, guess))


def test_an_unspoilt_sample_does_not_change_at_all(survey):
    sample = sample_of(survey)
    for group in scored(sample, judgement_of(sample.labels, 4.0)).values():
        assert group["change"] == [0.0, 0.0]
        assert group["confusion"] == group["unspoilt"]


def test_changes_and_their_errors_are_those_of_two_classifiers_on_the_same_objects(survey):
    sample = sample_of(survey, 2000)
    judgement = judgement_of(sample.labels, 3.0, 9)
    nothing = np.zeros(2000)
    now, before = (
        Predictions(sample.labels, judgement.probabilities, nothing, nothing, decided=one)
        for one in (judgement.decided, sample.decided)
    )
    other = compare(now, before)
    found = scored(sample, judgement)["all"]
    assert found["change"][0] == pytest.approx(other.weighted_f1[0])
    assert found["change"][1] == pytest.approx(other.weighted_f1[1], rel=0.25)
    assert found["f1_change"][0] == pytest.approx(other.f1[0])
    assert found["f1_change"][1] == pytest.approx(other.f1[1], rel=0.25)


def test_what_cannot_be_classified_is_counted_and_scored_nowhere(survey):
    sample = sample_of(survey)
    found = scored(sample, judgement_of(sample.labels, 3.0, refused=50))
    assert found["all"]["unclassified"] == 50
    assert np.sum(found["all"]["confusion"]) == 550
    assert found["all"]["objects"] == 600
    lower = [name for name in found if "<" in name]
    inside = sum(found[name]["unclassified"] for name in lower)
    assert inside == sum(int(sample.groups[name][:50].sum()) for name in lower)


def test_marks_of_the_committee_are_counted_or_said_not_to_be_known(survey):
    sample = sample_of(survey)
    marked = scored(sample, judgement_of(sample.labels, 3.0))["all"]
    assert marked["few_bands"] == marked["not_safe"] == 60
    unknown = scored(sample, judgement_of(sample.labels, 3.0, known=False))["all"]
    assert unknown["few_bands"] is None
    assert unknown["not_safe"] is None


def test_an_empty_group_has_no_scores(survey):
    sample = sample_of(survey)
    sample.groups["nobody"] = np.zeros(600, dtype=bool)
    group = scored(sample, judgement_of(sample.labels, 3.0))["nobody"]
    assert np.isnan([*group["weighted_f1"], *group["change"], group["right"], *group["ece"]]).all()
    assert group["objects"] == 0


def test_calibration_is_measured_by_magnitude_and_of_no_single_library(survey):
    found = scored(sample_of(survey), judgement_of(sample_of(survey).labels, 3.0))
    for name, group in found.items():
        assert np.isnan(group["ece"][0]) == name.startswith(LIBRARY)
        assert np.isnan(group["confidence_ece"][0]) == name.startswith(LIBRARY)


def test_groups_are_open_below_and_closed_above():
    magnitude = np.array([16.0, 17.0, 17.01, 20.0, 20.01, 22.5, 23.6, 23.7, np.nan])
    groups = magnitude_groups(magnitude, ((17.0, 20.0), (20.0, 22.5), (22.5, 23.6)), "r")
    assert {name: int(mask.sum()) for name, mask in groups.items()} == {
        "all": 9,
        "r ≤ 20": 4,
        "r ≤ 22.5": 6,
        "17 < r ≤ 20": 2,
        "20 < r ≤ 22.5": 2,
        "22.5 < r ≤ 23.6": 1,
    }
    assert list(magnitude_groups(magnitude, ((17.0, 20.0),), "r")) == ["all", "17 < r ≤ 20"]


def test_libraries_are_what_stands_before_the_last_hyphen():
    groups = library_groups(np.array(["star-M-01", "star-M-02", "boss-7", ""]))
    assert {name: mask.tolist() for name, mask in groups.items()} == {
        "library boss": [False, False, True, False],
        "library star-M": [True, True, False, False],
    }


@pytest.mark.parametrize(
    "parents",
    [
        None,
        np.array(["3655-55240-12", "3655-55240-13"]),  # plate, date and fibre of a spectrum
        np.array([f"star{number}-1" for number in range(MOST_LIBRARIES + 1)]),
        np.array(["", ""]),
    ],
)
def test_other_names_of_parents_tell_no_library(parents):
    assert library_groups(parents) == {}


@given(st.lists(st.text(max_size=8), min_size=1, max_size=30))
def test_no_object_is_of_two_libraries(parents):
    groups = library_groups(np.array(parents, dtype=str))
    if groups:
        assert np.sum(list(groups.values()), axis=0).max() <= 1
        assert all(mask.any() for mask in groups.values())


def test_the_confusion_that_grows_most_is_named():
    unspoilt = [[90, 0], [10, 50]]
    group = {"unspoilt": unspoilt, "confusion": [[80, 1], [20, 49]]}  # predicted by true class
    found = worst_confusion(group, ("star", "qso"))
    assert found == ("star", "qso", pytest.approx(0.2), pytest.approx(0.1))
    assert worst_confusion({"unspoilt": unspoilt, "confusion": unspoilt}, ("star", "qso")) is None


def test_the_worst_are_the_worst(content):
    scores = {
        f"{one['stress']}, {one['level']}": group_of(one, "all")["weighted_f1"][0]
        for one in content["stresses"][1:]
    }
    assert worst_stress(content).startswith(min(scores, key=scores.get))
    triples = [one for one in content["stresses"] if "given" in one["stress"]]
    least = min(group_of(one, "all")["change"][0] for one in triples)
    assert group_of(worst_triple(content), "all")["change"][0] == least
    assert worst_triple({"stresses": content["stresses"][:3]}) is None


def test_the_table_has_a_row_for_each_stress_and_group(content, survey):
    table = stress_table({"one": content}, CLASSES)
    groups = len(content["stresses"][0]["groups"])
    assert table.num_rows == len(content["stresses"]) * groups
    assert len(bin_names(content)) == len(survey.magnitude_bins)
    first = table.to_pylist()[0]
    assert (first["sample"], first["stress"], first["group"], first["change"]) == (
        "one",
        "unspoilt",
        "all",
        0,
    )
    assert first["f1_star"] == content["stresses"][0]["groups"][0]["f1"][0][0]
    assert not any(column.null_count for column in table.columns)


def test_shares_of_a_class_sum_to_one_and_are_never_certain(content):
    rows = called_table({"one": content}, CLASSES).to_pylist()
    summed, changes = {}, {}
    for row in rows:
        key = (row["stress"], row["level"], row["group"], row["true_class"])
        summed[key] = summed.get(key, 0.0) + row["share"]
        changes[key] = changes.get(key, 0.0) + row["change"]
        assert row["error"] > 0
    assert list(summed.values()) == pytest.approx([1.0] * len(summed))
    assert list(changes.values()) == pytest.approx([0.0] * len(changes), abs=1e-9)
    assert share_error(0.5, 10_000) == pytest.approx(0.005, rel=1e-3)


def test_a_comparison_keeps_one_row_of_each_stress_and_the_worst_triple(content, survey):
    kept = stress_summary(content)
    shown = [one for one in content["stresses"] if not one["stress"].startswith("three given")]
    assert len(kept["scores"]) == len(shown) + 1
    assert kept["scores"][WORST][1] == group_of(worst_triple(content), "all")["change"][0]
    untried = scored_sample(survey)
    tried = replace(untried, stress=kept)
    fewer = {"objects": 7, "scores": {"unspoilt": [0.9, 0.0], WORST: [None, None]}}
    parts = {"One": tried, "Other": untried, "Third": replace(untried, stress=fewer)}
    header, *rows = stress_comparison(parts)
    assert header == ["", "One (300 objects)", "Third (7 objects)"]
    assert rows[0][0] == "unspoilt"
    assert rows[0][2] == "0.900 (+0.000)"
    assert {row[2] for row in rows[1:]} == {"–"}
    assert stress_comparison({"Other": untried}) == []
