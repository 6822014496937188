"""The best of several classifiers in each fold: chosen by what validates, and by nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison
from jpasbatch.job.job import load_job
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.stages.evaluate.derivation import derive
from tests.stages.evaluate.test_cross_validation import write_job

ROWS = 120
LABELS = np.arange(ROWS) % 3 // 2
FOLD = np.arange(ROWS) % 4


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return load_job(write_job(tmp_path_factory.mktemp("chosen")))


def comparison(by: str = "roc_auc", **more) -> Comparison:
    chosen = [{"name": "Chosen", "of": ["one", "two"], "by": by}]
    content = {"jobs": ["one.toml", "two.toml"], "sample": "folds", "reference": "one", "chosen": chosen}
    return Comparison(name="c", title="C", detection={"of": "agn"}, **content | more)


def predictions(quality: np.ndarray, fold: np.ndarray, rows: np.ndarray, labels=LABELS) -> Predictions:
    """Return what a classifier says that is as good as is said, object by object."""
    noise = np.random.default_rng(3).random(ROWS)
    active = (np.where(quality, 0.2 + 0.6 * labels, 0.5) + 0.1 * noise)[rows]
    nothing = np.zeros(len(rows))
    names = np.char.add("object ", rows.astype(str))
    return Predictions(
        labels[rows], np.stack([1 - active, active], axis=1), nothing, nothing, fold, object_id=names
    )


def both(labels=LABELS):
    """Return two classifiers: one is good on what validates the even folds, two on what validates the odd ones."""
    rows = np.arange(ROWS)
    validates = (FOLD + 1) % 4  # the fold of the members that an object validates
    known = {
        "one": predictions(validates % 2 == 0, validates, rows),
        "two": predictions(validates % 2 == 1, validates, rows),
    }
    found = {
        "one": predictions(np.zeros(ROWS, bool), FOLD, rows, labels),
        "two": predictions(np.ones(ROWS, bool), FOLD, rows, labels),
    }
    return known, found


@pytest.mark.parametrize("by", ["roc_auc", "log_loss"])
def test_each_fold_takes_what_is_best_where_it_validates(job, by):
    known, found = both()
    made, picked = derive(comparison(by), known, found, job)
    assert picked == {"Chosen": {"one": 2, "two": 2}}
    chosen = made["Chosen"].probabilities
    for fold in range(4):
        expected = found["one" if fold % 2 == 0 else "two"].probabilities
        np.testing.assert_array_equal(chosen[fold == FOLD], expected[fold == FOLD])


def test_tested_objects_have_no_say(job):
    known, found = both()
    _, picked = derive(comparison(), known, found, job)
    _, same = derive(comparison(), known, both(1 - LABELS)[1], job)
    assert picked == same


def test_more_members_are_compared_on_common_objects(job):
    known, found = both()
    # two members of each fold: the second ones are validated by another fold, on which nobody is good
    more = predictions(np.zeros(ROWS, bool), (FOLD + 2) % 4, np.arange(ROWS))
    known["two"] = Predictions.joined([more, known["two"]])
    _, picked = derive(comparison(), known, found, job)
    assert picked == {"Chosen": {"one": 2, "two": 2}}


def test_a_choice_without_common_objects_is_refused(job):
    known, found = both()
    known["two"] = predictions(np.ones(ROWS, bool), (FOLD + 2) % 4, np.arange(ROWS))
    with pytest.raises(InputError, match="no object validates all of one, two"):
        derive(comparison(), known, found, job)
    known["two"] = replace(known["two"], object_id=None)
    with pytest.raises(InputError, match="needs object ids"):
        derive(comparison(), known, found, job)


def test_a_choice_by_objects_of_one_side_is_refused(job):
    known, found = both()
    alone = known["one"].labels == 0
    known = {title: one.take(alone) for title, one in known.items()}
    with pytest.raises(InputError, match="objects of one side"):
        derive(comparison(), known, found, job)
    derive(comparison("log_loss"), known, found, job)  # which needs no two sides


def test_what_is_made_of_others_is_left_out(job):
    known, found = both()
    more = {"combined": [{"name": "Both", "of": ["one", "three"]}], "chosen": []}
    assert derive(comparison(**more), known, found, job) == ({}, {})


def test_repeats_need_different_seeds():
    with pytest.raises(ValueError, match="same seed twice"):
        comparison(repeats={"seeds": [1, 2, 1]})
    assert comparison(repeats={"seeds": [1, 2]}).repeats.folds
