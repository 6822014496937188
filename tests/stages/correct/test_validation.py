"""Labelled objects that a job names in place of the committee's validation sample."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.priors.validation import Validation
from jpasbatch.stages.correct import stage
from jpasbatch.stages.correct.plan import plan_correct
from jpasbatch.stages.correct.validation import TASK, TITLE, ask_validation
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run.committees import find_committee, open_committee
from jpasbatch.stages.run.provenance import provenance
from jpasbatch.stages.run.samples import labels_of, list_sample, read_sample, sample_path
from jpasbatch.stages.run.workspace import Workspace
from tests.stages.correct.test_stage import CLASSES, with_prior
from tests.stages.tiny_run import serial, workspace_of


def judged_file(workspace: Workspace) -> bytes:
    """Return what the committee says of the objects that a job names, as it was written."""
    [path] = (workspace.folder / "work" / "correct").glob("*/validation.npz")
    return path.read_bytes()


def test_the_committee_judges_the_objects_as_it_judges_the_sky(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    record = run_stage("correct", workspace, serial())
    found = Validation.from_bytes(judged_file(workspace), CLASSES)
    assert not found.variants
    files, survey = list_sample(sample_path(workspace, "validation")), workspace.survey
    rows, rejected = read_sample(files, survey, workspace.job)
    photometry = photometry_from_table(rows, survey)
    expected = open_committee(str(find_committee(workspace).version), survey).judge(photometry)
    assert found.sample.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert np.array_equal(found.sample.labels, labels_of(rows, workspace.job))
    assert found.sample.magnitude == pytest.approx(ab_magnitude(photometry.flux[:, survey.reference_index]))
    assert found.sample.class_star == pytest.approx(rows["class_star"].to_numpy(), nan_ok=True)
    assert not found.sample.is_weighted
    told = record["validation"]
    assert told.pop("tables") == {files[0].name: hashlib.sha256(files[0].read_bytes()).hexdigest()}
    assert told == {"objects": rows.num_rows, "rejected": dict(rejected), "unlabelled": 0, "unusable": 0}
    assert told["objects"] + sum(rejected.values()) == 240
    assert sum(rejected.values()) > 0


def test_the_sample_of_the_training_named_again_changes_no_number(finished_copy):
    own = workspace_of(finished_copy).require("correct")
    record = run_stage("correct", with_prior(finished_copy, redraws=3, validation="mock"), serial())
    assert record["numbers"] == pytest.approx(own["numbers"])
    assert "validation" not in own


def test_it_decides_the_shares_and_is_judged_once(finished_copy, monkeypatch):
    own = workspace_of(finished_copy).require("correct")
    learnt = str(sample_path(workspace_of(finished_copy), "training"))
    record = run_stage("correct", with_prior(finished_copy, validation=learnt), serial())
    assert record["numbers"] != own["numbers"]
    monkeypatch.setattr(stage, "judge_sample", lambda *_: pytest.fail("it is judged already"))
    again = run_stage("correct", with_prior(finished_copy, validation=learnt, method="unfolding"), serial())
    assert again["posteriors"] != record["posteriors"]


def test_a_path_says_the_same_as_the_mock_that_made_it(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    record = run_stage("correct", workspace, serial())
    named = with_prior(finished_copy, validation=str(sample_path(workspace, "validation")))
    other = run_stage("correct", named, serial())
    assert other["numbers"] == record["numbers"]
    assert judged_file(workspace) == judged_file(named)  # it was not judged again


def test_the_plan_says_that_the_objects_are_to_be_judged(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    plan = plan_correct(workspace, {})
    assert not plan.exact
    assert (plan.work[0].title, plan.work[0].keys) == (TITLE, (TASK,))
    assert plan.work[-1].keys
    run_stage("correct", workspace, serial())
    assert not plan_correct(workspace, {}).runs
    another = plan_correct(with_prior(finished_copy, validation="mock", method="unfolding"), {})
    assert another.exact
    assert another.work[0].tasks == 0
    assert another.work[1].tasks == 0  # counted already
    assert another.work[2].tasks == 1


def test_an_object_without_a_class_is_counted_and_left_out(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    classes = {name: one for name, one in workspace.job.classes.items() if name != "qso_high"}
    with pytest.raises(InputError, match="classes"):  # the committee has four
        ask_validation(with_classes(workspace, classes), find_committee(workspace))
    run_stage("correct", workspace, serial())
    folder = finished_copy / "unknown"
    folder.mkdir()
    [file] = list_sample(sample_path(workspace, "validation"))
    unlabel(file, folder / file.name, 17)
    record = run_stage("correct", with_prior(finished_copy, validation=str(folder)), serial())
    assert record["validation"]["unlabelled"] == 17
    everything = (record["validation"]["objects"], 17, *record["validation"]["rejected"].values())
    assert sum(everything) == 240


def unlabel(file: Path, copy: Path, number: int) -> None:
    """Copy a table and take the class of some of its rows that no cut rejects."""
    with fits.open(file) as units:
        data = units[1].data
        flagged = [np.asarray(data[name]).any(axis=1) for name in data.names if "FLAGS" in name]
        clean = np.flatnonzero(~np.any(flagged, axis=0))
        [column] = [name for name in data.names if name.lower() == "true_class"]
        data[column][clean[:number]] = ""
        units.writeto(copy, checksum=True)


def with_classes(workspace: Workspace, classes: dict) -> Workspace:
    return Workspace(
        workspace.job.model_copy(update={"classes": classes}), workspace.survey, workspace.folder
    )


@pytest.mark.parametrize(
    ("named", "says"),
    [("nowhere", "nowhere"), ("empty", "empty"), ("mock", r"\[prior\] validation.*has no \[mock\]")],
)
def test_objects_that_are_not_there_are_named(finished_copy, named, says):
    (finished_copy / "empty").mkdir()
    workspace = with_prior(finished_copy, validation=named if named == "mock" else str(finished_copy / named))
    job = workspace.job.model_copy(update={"mock": None})
    with pytest.raises(InputError, match=says):
        ask_validation(Workspace(job, workspace.survey, finished_copy), find_committee(workspace))


def test_a_damaged_file_of_the_run_is_made_again(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    record = run_stage("correct", workspace, serial())
    data = judged_file(workspace)
    [path] = (finished_copy / "work" / "correct").glob("*/validation.npz")
    path.write_bytes(data[: len(data) // 2])
    again = run_stage("correct", with_prior(finished_copy, validation="mock", method="unfolding"), serial())
    assert set(again["numbers"]) == set(record["numbers"])
    assert np.load(io.BytesIO(judged_file(workspace)))["labels"].size == record["validation"]["objects"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('validation = ""', "a path is missing"),
        ('kind = "none"\nvalidation = "mock"', "nothing is corrected"),
    ],
)
def test_a_job_file_with_half_an_answer_is_refused(finished_copy, lines, says):
    job = finished_copy / "tiny.toml"
    job.write_text(job.read_text().replace("[prior]\nredraws = 3", f"[prior]\n{lines}"))
    with pytest.raises(InputError, match=says):
        load_job(job)


def test_paths_are_absolute_and_the_word_stays(finished_copy):
    job = finished_copy / "tiny.toml"
    text = job.read_text()
    for word, path in (("mock", False), ("./mock", True), ("labelled", True)):
        job.write_text(text.replace("[prior]", f'[prior]\nvalidation = "{word}"'))
        assert load_job(job).prior.validation.startswith("/") == path


def test_the_provenance_has_the_tables(finished_copy):
    workspace = with_prior(finished_copy, validation="mock")
    records = {"correct": run_stage("correct", workspace, serial())}
    assert set(records["correct"]["validation"]) == {
        "objects",
        "rejected",
        "unlabelled",
        "unusable",
        "tables",
    }
    document = json.dumps(provenance("tiny", records, {}))
    [name] = records["correct"]["validation"]["tables"]
    assert f"labelled objects {name}" in document
