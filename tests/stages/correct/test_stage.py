"""The stage correct: posteriors are published beside predictions, whole, once, and from these alone."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog

from jpasbatch.errors import InputError
from jpasbatch.priors.options import PriorOptions
from jpasbatch.stages.correct import stage
from jpasbatch.stages.pipeline import needed_stages, run_stage
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.stores.artefacts import load_committee, load_validation, save_committee
from tests.stages.tiny_run import serial, workspace_of

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


def table_of(folder: Path, name: str):
    catalogue = open_catalogue(current_extension(folder / "sky", name))
    tables = [pq.read_table(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    return catalogue, tables


def with_prior(folder: Path, **options) -> Workspace:
    workspace = workspace_of(folder)
    prior = PriorOptions(**{"redraws": 2, **options})
    return Workspace(workspace.job.model_copy(update={"prior": prior}), workspace.survey, folder)


def test_posteriors_are_of_the_same_objects_and_add_up_to_the_shares(finished):
    predictions, raw = table_of(finished, "predictions")
    posteriors, corrected = table_of(finished, "posteriors")
    assert is_valid_catalog(posteriors.path, strict=True)
    assert posteriors.pixels == predictions.pixels
    sums = np.zeros(4)
    for one, other in zip(raw, corrected, strict=True):
        assert one["object_id"].equals(other["object_id"])
        assert one["_healpix_29"].equals(other["_healpix_29"])
        values = np.column_stack([other[f"posterior_{name}"].to_numpy() for name in CLASSES])
        assert values.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
        decided = [CLASSES[number] for number in values.argmax(axis=1)]
        assert other["posterior_class"].to_pylist() == decided
        sums += values.sum(axis=0, dtype=np.float64)
    record = workspace_of(finished).require("correct")
    assert sums == pytest.approx([record["numbers"][name] for name in CLASSES], rel=0.02, abs=1.0)
    assert record["rows_out"] == predictions.rows == posteriors.rows


def test_predictions_stay_as_the_committee_gave_them(finished, trained_copy):
    run_stage("infer", workspace_of(trained_copy), serial())
    before = [
        path.read_bytes()
        for path in sorted((trained_copy / "sky").glob("predictions-*/dataset/**/*.parquet"))
    ]
    run_stage("correct", workspace_of(trained_copy), serial())
    after = [
        path.read_bytes()
        for path in sorted((trained_copy / "sky").glob("predictions-*/dataset/**/*.parquet"))
    ]
    assert before == after
    one, other = (table_of(folder, "posteriors")[1] for folder in (finished, trained_copy))
    assert all(left.equals(right) for left, right in zip(one, other, strict=True))


def test_a_second_run_does_nothing(finished_copy, monkeypatch):
    before = workspace_of(finished_copy).require("correct")
    for name in ("count_partition", "find_shares", "move_shares", "complete_prior", "correct_partition"):
        monkeypatch.setattr(stage, name, lambda *_: pytest.fail("nothing is to be computed"))
    assert run_stage("correct", workspace_of(finished_copy), serial()) == before


def test_another_prior_counts_nothing_again_and_reads_no_photometry(finished_copy, monkeypatch):
    """What is counted does not depend on how shares are found of it."""
    monkeypatch.setattr(stage, "count_partition", lambda *_: pytest.fail("cells are counted already"))
    for path in (finished_copy / "sky").glob("photometry-????????????/dataset/Norder=*/*/*.parquet"):
        path.unlink()
    before = workspace_of(finished_copy).require("correct")
    record = run_stage("correct", with_prior(finished_copy, method="unfolding"), serial())
    assert record["posteriors"] != before["posteriors"]
    assert record["numbers"] != before["numbers"]


def test_shares_of_a_table_are_taken_as_they_are(finished_copy):
    file = finished_copy / "shares.csv"
    file.write_text("brightest,faintest,star,galaxy,qso_low,qso_high\n10,30,1,0,0,0\n")
    record = run_stage("correct", with_prior(finished_copy, kind="table", table=str(file)), serial())
    assert record["numbers"]["star"] == record["rows_out"]
    assert record["numbers"]["galaxy"] == 0
    _, tables = table_of(finished_copy, "posteriors")
    assert {name for table in tables for name in table["posterior_class"].to_pylist()} == {"star"}
    file.write_text("brightest,faintest,star,galaxy,qso_low,qso_high\n10,30,0,1,0,0\n")
    again = run_stage("correct", with_prior(finished_copy, kind="table", table=str(file)), serial())
    assert again["numbers"]["galaxy"] == record["rows_out"]


def test_a_job_without_prior_has_no_such_stage(finished_copy):
    workspace = with_prior(finished_copy, kind="none")
    assert "correct" not in needed_stages(workspace)
    with pytest.raises(InputError, match="asks for no correction"):
        run_stage("correct", workspace, serial())
    run_stage("summarise", workspace, serial())
    counts = json.loads((finished_copy / "summary.json").read_text())["counts"]
    assert counts["corrected_for_class_mix"] is False
    assert "calibration" not in counts["summed_probability"]


def test_posteriors_of_other_predictions_are_not_summarised(finished_copy):
    record = finished_copy / "work" / "correct.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"predictions": "predictions-0123456789ab"}))
    with pytest.raises(InputError, match="are of other predictions"):
        run_stage("summarise", workspace_of(finished_copy), serial())


def test_a_committee_without_validation_sample_says_what_to_do(finished_copy):
    manifest, graph = load_committee(finished_copy / "committee")
    with pytest.raises(InputError, match=r"without its validation sample.*\[prior\] kind"):
        load_validation(save_committee(finished_copy / "bare", manifest, graph))


def test_a_damaged_validation_sample_is_seen(finished_copy):
    [file] = (finished_copy / "committee").glob("*/validation.npz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match="is not the validation sample that its manifest describes"):
        load_validation(finished_copy / "committee")


def test_a_damaged_prior_is_named(finished_copy):
    from jpasbatch.stages.run.priors import read_prior

    key = workspace_of(finished_copy).require("correct")["prior"]
    (finished_copy / key).write_text("{}")
    with pytest.raises(InputError, match=r"prior\.json: the class shares are damaged"):
        read_prior(str(finished_copy), key)


def test_a_survey_that_hides_its_reference_magnitude_is_refused(finished_copy):
    from dataclasses import replace

    workspace = workspace_of(finished_copy)
    survey = replace(workspace.survey, reported_bands={"g": "gSDSS"})
    with pytest.raises(InputError, match="does not report the magnitude of its reference band 'rSDSS'"):
        run_stage("correct", replace(workspace, survey=survey), serial())
