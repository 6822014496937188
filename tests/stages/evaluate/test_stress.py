"""The stress table through the real stage: asked for or not, what is written, and what a rerun does."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.command_line import build_parser
from jpasbatch.errors import InputError
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.scoring.stress import survey_stresses
from jpasbatch.stages.evaluate import stress as stage
from jpasbatch.stages.evaluate.stage import run_evaluate
from jpasbatch.stages.pipeline import run_stage
from tests.blank_figures import leave_figures_blank
from tests.scoring.stressed import few_stresses
from tests.stages.evaluate.test_cross_validation import run as run_folds
from tests.stages.evaluate.test_cross_validation import write_job as folds_job
from tests.stages.evaluate.test_cross_validation import write_table
from tests.stages.tiny_run import serial, workspace_of
from tests.storage.small_sets import publish_set, set_rows

ROWS = 150
TABLES = ("stress.ecsv", "stress.parquet", "stress_called.ecsv", "stress_called.parquet")


@pytest.fixture(autouse=True)
def _few(monkeypatch, survey):
    monkeypatch.setattr(stage, "survey_stresses", few_stresses)


@pytest.fixture(scope="module")
def prepared(snapshots, survey, tmp_path_factory):
    """Return a trained tiny run with a labelled set as its test sample; tests copy it."""
    folder = Path(shutil.copytree(snapshots / "trained", tmp_path_factory.mktemp("stress") / "run"))
    sample = publish_set(set_rows(survey, 300), folder / "labelled", "labelled").parent
    job = folder / "tiny.toml"
    text = job.read_text() + f'\n[samples.tests]\nlabelled = "{sample}"\n'
    job.write_text(text + f"\n[evaluation.stress]\nrows = {ROWS}\n")
    run_stage("train", workspace_of(folder, job), serial())  # nothing but the options has changed
    return folder


@pytest.fixture(scope="module")
def stressed(prepared, tmp_path_factory, survey):
    """Return the workspace and the record of an evaluation with ``--stress``; tests must not change it."""
    patch = pytest.MonkeyPatch()
    leave_figures_blank(patch)
    patch.setattr(stage, "survey_stresses", few_stresses)
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("stressed") / "run"))
    workspace = replace(workspace_of(folder), stress=True)
    record = run_evaluate(workspace, serial()).content
    patch.undo()
    return workspace, record


def table_of(workspace, name="stress"):
    return pq.read_table(workspace.folder / "evaluation" / f"{name}.parquet").to_pylist()


def test_nobody_is_stressed_who_did_not_ask(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    record = run_evaluate(workspace_of(folder), serial()).content
    assert record["stress"] is None
    assert not [name for name in TABLES if (folder / "evaluation" / name).exists()]
    assert "jpasbatch evaluate --stress" in (folder / "evaluation" / "evaluation.html").read_text()
    assert "Not tried" in (folder / "evaluation" / "card.md").read_text()


def test_tables_page_and_card_hold_every_stress(stressed, survey):
    workspace, record = stressed
    folder = workspace.folder / "evaluation"
    assert {f"evaluation/{name}" for name in (*TABLES, "card.md")} <= set(record["files"])
    rows = table_of(workspace)
    tried = {(row["stress"], row["level"]) for row in rows}
    assert tried == {(one.name, one.level) for one in few_stresses(survey)}
    assert {row["group"] for row in rows} >= {"all", "rSDSS ≤ 20", "library template"}
    assert all(row["objects"] == ROWS for row in rows if row["group"] == "all")
    assert len(Table.read(folder / "stress.ecsv")) == len(rows)
    assert Table.read(folder / "stress.ecsv").meta["committee"] == record["committee"]
    page, card = (folder / "evaluation.html").read_text(), (folder / "card.md").read_text()
    for one in few_stresses(survey)[:-3]:
        assert one.name in page
        assert one.name in card
    stored = json.loads((folder / "evaluation.json").read_text())["labelled"]["stress"]
    assert stored["objects"] == ROWS
    worst = min((row for row in rows if row["group"] == "all"), key=lambda row: row["weighted_f1"])
    assert record["worst_stress"]["labelled"].startswith(f"{worst['stress']}, {worst['level']}: f1 ")


def test_the_unspoilt_row_is_the_score_of_these_objects(stressed):
    workspace, _ = stressed
    folder = workspace.folder / "evaluation"
    [unspoilt] = [row for row in table_of(workspace) if (row["stress"], row["group"]) == ("unspoilt", "all")]
    assert unspoilt["change"] == 0
    predictions = pq.read_table(folder / "predictions-labelled.parquet")
    right = predictions["label"].to_numpy() == predictions["decided"].to_numpy()
    # another half of the same sample: equal within three errors of a share of so many
    assert unspoilt["right"] == pytest.approx(right.mean(), abs=3 * np.sqrt(0.25 / ROWS))


def test_a_rerun_computes_nothing_whether_it_asks_again_or_not(stressed, monkeypatch):
    workspace, record = stressed
    monkeypatch.setattr(stage, "run_stress", lambda *_: pytest.fail("stressed again"))
    assert run_evaluate(workspace, serial()).content == record
    assert run_evaluate(replace(workspace, stress=False), serial()).content == record


@pytest.mark.slow
def test_an_interrupted_table_goes_on_where_it_stopped(prepared, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    workspace = replace(workspace_of(folder), stress=True)
    first = run_evaluate(workspace, serial()).content
    before = {name: (folder / "evaluation" / name).read_bytes() for name in TABLES}
    (folder / "work" / "evaluate.json").unlink()
    [lost] = folder.glob("work/evaluate/*/ledger/labelled-003.json")
    lost.unlink()
    again, spoilt = stage.spoil_sample, []
    monkeypatch.setattr(stage, "spoil_sample", lambda *given: spoilt.append(given) or again(*given))
    assert run_evaluate(workspace, serial()).content["files"] == first["files"]
    assert len(spoilt) == 1
    assert {name: (folder / "evaluation" / name).read_bytes() for name in TABLES} == before


def test_a_table_of_other_rows_does_not_stay(stressed, tmp_path):
    folder = Path(shutil.copytree(stressed[0].folder, tmp_path / "run"))
    job = folder / "tiny.toml"
    job.write_text(job.read_text().replace(f"rows = {ROWS}", "rows = 100"))
    record = run_evaluate(workspace_of(folder), serial()).content
    assert record["stress"] is None
    assert not [name for name in TABLES if (folder / "evaluation" / name).exists()]


def test_the_job_file_asks_and_its_names_must_exist(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    job = folder / "tiny.toml"
    text = job.read_text()
    job.write_text(text + 'enabled = true\ntests = ["labeled"]\n')
    with pytest.raises(InputError, match=r"no test sample 'labeled' to stress; allowed are labelled"):
        run_evaluate(workspace_of(folder), serial())
    job.write_text(text + 'enabled = true\ntests = ["labelled"]\n')
    record = run_evaluate(workspace_of(folder), serial()).content
    assert record["stress"]["samples"] == ["labelled"]
    assert run_evaluate(workspace_of(folder), serial()).content == record


def test_a_job_of_folds_alone_is_refused(prepared):
    workspace = replace(workspace_of(prepared), stress=True)
    with pytest.raises(InputError, match=r"this job has 'folds' alone.*\[samples.tests\]"):
        stage.plan_stress(workspace, {}, "base")
    assert stage.plan_stress(workspace_of(prepared), {}, "base") is None


@pytest.mark.slow
def test_another_survey_with_folds_is_stressed_on_its_test_sample(tmp_path):
    path = folds_job(tmp_path)
    text = path.read_text() + "\n[evaluation.stress]\nenabled = true\n"
    path.write_text(text)
    with pytest.raises(InputError, match="whose objects are judged by the members of their fold"):
        run_folds(path, tmp_path / "run")
    path.write_text(f'{text}\n[samples.tests]\nothers = "{write_table(tmp_path / "others.csv", 200)}"\n')
    workspace, _, record = run_folds(path, tmp_path / "run")
    assert record["stress"]["samples"] == ["others"]
    rows = table_of(workspace)
    assert {row["sample"] for row in rows} == {"others"}
    assert {row["stress"] for row in rows} >= {"missing at random", "neighbours missing", "shallower"}
    page = (workspace.folder / "evaluation" / "evaluation.html").read_text()
    assert "each object is judged by the members of its fold" in page


def test_objects_with_few_bands_are_counted_and_warned_of(prepared, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    monkeypatch.setattr(Ordinary, "judge", _all_have_few_bands)
    record = run_evaluate(workspace_of(folder), serial()).content
    rows = record["rows"]["labelled"]
    assert record["few_bands"] == {"labelled": rows}
    assert any(text.startswith(f"labelled: {rows} of {rows} objects have") for text in record["warnings"])
    assert f"{rows} have fewer bands" in (folder / "evaluation" / "evaluation.html").read_text()


def _all_have_few_bands(ordinary, photometry, *_):
    return replace(Novelty.unknown(len(photometry)), few_bands=np.ones(len(photometry), dtype=bool))


def test_the_flag_is_of_evaluate_alone():
    assert build_parser().parse_args(["evaluate", "job.toml", "--stress"]).stress
    assert not build_parser().parse_args(["evaluate", "job.toml"]).stress
    with pytest.raises(SystemExit):
        build_parser().parse_args(["infer", "job.toml", "--stress"])


def test_tasks_are_those_of_the_survey(survey, monkeypatch, prepared):
    monkeypatch.undo()
    workspace = replace(workspace_of(prepared), stress=True)
    plan = stage.plan_stress(workspace, {"labelled": [prepared / "labelled"]}, "base")
    assert plan.stresses == survey_stresses(survey)
    other = stage.plan_stress(workspace, {"labelled": [prepared / "labelled"]}, "other committee")
    assert plan.identity != other.identity
