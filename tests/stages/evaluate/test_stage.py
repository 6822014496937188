"""Evaluation through the real stage: scores of a committee on samples, as tables and as a page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.pages.figures import Report
from jpasbatch.pages.style import class_label
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.stages.evaluate.stage import (
    predictions_table,
    read_predictions,
    run_evaluate,
    signal_to_noise,
)
from jpasbatch.stages.pipeline import needed_stages, run_stage
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.stages.run.curves import read_curves
from jpasbatch.stages.run.records import required
from jpasbatch.stages.run.stage_facts import TrainFacts
from tests.page_rules import broken_links
from tests.stages.tiny_run import serial, workspace_of
from tests.storage.small_sets import publish_set, set_rows

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


@pytest.fixture(scope="module")
def evaluated(snapshots, survey, tmp_path_factory):
    """Return a copy of the tiny run whose committee was scored on a HATS set; tests must not change it."""
    folder = Path(shutil.copytree(snapshots / "trained", tmp_path_factory.mktemp("evaluate") / "run"))
    sample = publish_set(set_rows(survey, 300), folder / "labelled", "labelled").parent
    job = folder / "tiny.toml"
    job.write_text(job.read_text() + f'\n[samples.tests]\nlabelled = "{sample}"\n')
    workspace = workspace_of(folder, job)
    run_stage("train", workspace, serial())  # nothing but the options has changed
    return workspace, run_evaluate(workspace, serial()).content


def test_the_record_counts_and_scores(evaluated):
    workspace, record = evaluated
    assert record["rows"]["labelled"] > 200
    assert 0 <= record["weighted_f1"]["labelled"] <= 1
    assert "evaluate" in needed_stages(workspace)
    assert all((workspace.folder / path).is_file() for path in record["files"])


def test_tables_hold_every_score(evaluated):
    workspace, record = evaluated
    rows = pq.read_table(workspace.folder / "evaluation" / "scores.parquet").to_pylist()
    assert {row["sample"] for row in rows} == {"labelled"}
    calibration = 5 * len(CLASSES) + 3 + 3 + 2  # by class; their mean; of the confidence; of all together
    assert len(rows) == 4 * (3 * len(CLASSES) + 2 + calibration)
    (ece,) = (row for row in rows if (row["group"], row["class"], row["score"]) == ("all", "all", "ece"))
    (same,) = (
        row
        for row in rows
        if (row["group"], row["class"], row["score"]) == ("all", "classwise", "ece_equal_width")
    )
    assert same["value"] == pytest.approx(ece["value"], abs=1e-6)
    [weighted] = [row for row in rows if row["group"] == "all" and row["score"] == "weighted_f1"]
    assert weighted["value"] == pytest.approx(record["weighted_f1"]["labelled"])
    assert weighted["objects"] == record["rows"]["labelled"]
    text = (workspace.folder / "evaluation" / "scores.md").read_text()
    assert "## labelled" in text
    assert f"{weighted['value']:.3f} ± {weighted['error']:.3f}" in text


def test_predictions_are_kept_also_of_the_validation_sample(evaluated):
    workspace, record = evaluated
    for name in ("labelled", "validation"):
        predictions = read_predictions(
            workspace.folder / "evaluation" / f"predictions-{name}.parquet", CLASSES
        )
        assert predictions.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert "validation" not in record["rows"]


def test_the_page_shows_all_with_the_numbers_of_its_figures(evaluated):
    workspace, record = evaluated
    page = (workspace.folder / "evaluation" / "evaluation.html").read_text()
    for part in ("labelled-confusion", "labelled-reliability", "labelled-scores", "labelled-examples"):
        assert part in page
    assert "analytic toys" in page
    assert "Calibration of all objects" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    files = {name.removeprefix("evaluation/"): b"" for name in record["files"] if "/figures/" in name}
    assert broken_links(Report(page, files)) == []
    assert all((workspace.folder / "evaluation" / name).is_file() for name in files)
    assert "nan" not in page.lower().split("<main>")[1].replace("provenance", "")


def test_the_page_shows_how_the_committee_learnt(evaluated):
    workspace, _ = evaluated
    page = (workspace.folder / "evaluation" / "evaluation.html").read_text()
    assert page.count('id="training"') == 1
    assert "Losses and f1 of each member after its epochs" in page
    version = find_committee(workspace).version
    curves = read_curves(version)
    assert [curve.column("epoch").tolist() for curve in curves.members] == [[1, 2], [1, 2]]
    assert all(np.isfinite(curve.rows).all() for curve in curves.members)
    assert curves.machine_of == [0, 0]
    assert required(workspace, TrainFacts).facts.machines == tuple(curves.machines)
    assert curves.machines[0].threads >= 1
    assert (version / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_committee_without_curves_has_a_page_without_them(evaluated, tmp_path):
    workspace, record = evaluated
    older = workspace_of(Path(shutil.copytree(workspace.folder, tmp_path / "older")))
    (find_committee(older).version / "curves.ecsv").unlink()
    page = older.folder / "evaluation" / "evaluation.html"
    page.unlink()
    assert run_evaluate(older, serial()).content["rows"] == record["rows"]
    assert 'id="training"' not in page.read_text()


def test_a_second_run_does_nothing(evaluated):
    workspace, record = evaluated
    before = {path: (workspace.folder / path).stat().st_mtime_ns for path in record["files"]}
    assert run_evaluate(workspace, serial()).content == record
    assert {path: (workspace.folder / path).stat().st_mtime_ns for path in record["files"]} == before


def test_examples_are_wrong_and_of_their_kind(evaluated):
    workspace, _ = evaluated
    content = json.loads((workspace.folder / "evaluation" / "evaluation.json").read_text())["labelled"]
    assert content["examples"]
    for one in content["examples"]:
        true, wrong = one["kind"].split(" taken for ")
        assert class_label(one["true_class"]) == true
        assert class_label(CLASSES[int(np.argmax(one["probabilities"]))]) == wrong


def test_a_job_without_test_sample_says_what_to_add(trained_copy):
    workspace = workspace_of(trained_copy)
    with pytest.raises(InputError, match=r"names no test sample; add \[samples.tests\]"):
        run_evaluate(workspace, serial())
    assert "evaluate" not in needed_stages(workspace)


def test_predictions_survive_their_table(tmp_path):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 10)
    given = Predictions(
        rng.integers(4, size=10), probabilities, rng.uniform(17, 24, 10), rng.uniform(0, 9, 10)
    )
    pq.write_table(predictions_table(given, CLASSES), tmp_path / "p.parquet")
    found = read_predictions(tmp_path / "p.parquet", CLASSES)
    assert np.array_equal(found.probabilities, probabilities)
    assert np.array_equal(found.labels, given.labels)
    assert found.magnitude == pytest.approx(given.magnitude)


def test_signal_is_the_median_of_what_was_observed():
    flux = np.array([[1, 4, np.nan, 9], [np.nan] * 4], np.float32)
    error = np.array([[1, 2, np.nan, 3], [np.nan] * 4], np.float32)
    assert signal_to_noise(Photometry(flux, error)).tolist() == [2.0, 0.0]
