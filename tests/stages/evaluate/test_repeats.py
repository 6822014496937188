"""A comparison with other seeds: the same jobs again, in folders of their own, and what their differences are worth."""

import json

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.evaluate.repeats import repeated_workspace
from jpasbatch.stages.pipeline import compare_jobs, open_workspace
from tests.blank_figures import leave_figures_blank
from tests.stages.evaluate.test_cross_validation import ROWS, predictions, run, write_job

COMPARISON = """
name      = "repeats"
title     = "Repeats"
jobs      = ["one.toml", "two.toml"]
sample    = "folds"
reference = "one"
[detection]
of = "agn"
[[chosen]]
name = "Chosen"
of   = ["one", "two"]
by   = "roc_auc"
[repeats]
seeds = [11, 12]
"""


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Return the folder of two jobs, and what comparing them with two more seeds stored."""
    folder = tmp_path_factory.mktemp("repeats")
    patch = pytest.MonkeyPatch()
    leave_figures_blank(patch)
    patch.chdir(folder)
    for name, features in (("one", "neighbour_colours"), ("two", "magnitudes_and_errors")):
        write_job(folder, name, members=1, features=features)
    (folder / "comparison.toml").write_text(COMPARISON)
    assert compare_jobs(folder / "comparison.toml", folder / "out", serial=True, train=True) == 0
    patch.undo()
    return folder, json.loads((folder / "out" / "comparison.json").read_bytes())


def test_every_score_has_a_value_of_each_seed(repeated):
    _, stored = repeated
    found = stored["repeats"]
    assert (found["seeds"], found["folds"]) == ([11, 12], True)
    assert set(found["classifiers"]) == {"one", "two", "Chosen"}
    assert set(found["differences"]) == {"two", "Chosen"}
    for name in ("folds", "pooled", "equal", "weighted_f1"):
        one, two, less = (
            np.array(found[key][title][name]["values"])
            for key, title in (("classifiers", "one"), ("classifiers", "two"), ("differences", "two"))
        )
        assert len(one) == 2
        np.testing.assert_allclose(less, one - two)
        assert found["differences"]["two"][name]["error"] > 0
    assert sum(stored["choices"]["Chosen"].values()) == 4
    assert sum(found["choices"]["Chosen"].values()) == 8


def test_a_repeat_is_the_job_with_that_seed(repeated, tmp_path):
    folder, _ = repeated
    text = (folder / "one.toml").read_text()
    assert "folds    = 4\n" in text
    (tmp_path / "one.toml").write_text(
        text.replace("folds    = 4\n", "folds    = 4\nfold_seed = 11\n").replace(
            'survey = "nepw14"', 'survey = "nepw14"\nseed = 11'
        )
    )
    workspace, _, _ = run(tmp_path / "one.toml", tmp_path / "run")
    again = folder / "out" / "repeats" / "one" / "seed-11"
    assert (again / "evaluation" / "predictions-folds.parquet").read_bytes() == (
        workspace.folder / "evaluation" / "predictions-folds.parquet"
    ).read_bytes()


def test_folds_are_dealt_anew_only_where_that_is_asked_for(repeated):
    folder, _ = repeated
    workspace = open_workspace(folder / "one.toml", folder / "elsewhere", None)
    anew = repeated_workspace(workspace, 3, True, folder)
    same = repeated_workspace(workspace, 3, False, folder)
    assert (anew.job.seed, anew.job.samples.fold_seed) == (3, 3)
    assert (same.job.seed, same.job.samples.fold_seed) == (3, workspace.job.samples.fold_seed)
    first, second = (
        predictions(open_workspace(folder / "one.toml", folder / "out" / "repeats" / "one" / name, None))
        for name in ("seed-11", "seed-12")
    )
    assert first["object_id"] == second["object_id"]
    assert first["fold"] != second["fold"]
    assert first.num_rows == ROWS


def test_page_and_table_show_it(repeated):
    folder, _ = repeated
    for name in ("comparison.html", "comparison.md"):
        text = (folder / "out" / name).read_text()
        assert "Over 2 seeds, folds dealt anew with each" in text
        assert "one less each of the others" in text
        assert "the same in all repeats" in text


def test_a_second_time_nothing_is_trained(repeated, monkeypatch):
    folder, stored = repeated
    monkeypatch.chdir(folder)
    monkeypatch.setattr("jpasbatch.stages.train.stage.train_one_member", lambda *_: pytest.fail("trained"))
    assert compare_jobs(folder / "comparison.toml", folder / "out", serial=True, train=True) == 0
    again = json.loads((folder / "out" / "comparison.json").read_bytes())
    assert again["repeats"] == stored["repeats"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('[detection]\nof = "agn"\n', ""), "needs .detection., which says what is sought"),
        (("seeds = [11, 12]", 'seeds = [11, 12]\nof = ["three"]'), "no job has the title 'three'"),
        (('of   = ["one", "two"]', 'of   = ["one", "none"]'), "no job has the title 'none'"),
        (('of = "agn"', 'of = "nobody"'), "is no class of the jobs"),
    ],
)
def test_what_does_not_fit_is_named(repeated, tmp_path, monkeypatch, change, message):
    folder, _ = repeated
    monkeypatch.chdir(folder)
    file = folder / "wrong.toml"
    assert change[0] in COMPARISON
    file.write_text(COMPARISON.replace(*change))
    with pytest.raises(InputError, match=message):
        compare_jobs(file, tmp_path / "out", serial=True)


def test_a_repeat_that_is_not_trained_is_named(repeated, tmp_path, monkeypatch):
    folder, _ = repeated
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=r"'one' is not trained with seed 11.*--train, or leave"):
        compare_jobs(folder / "comparison.toml", tmp_path / "out", serial=True)
