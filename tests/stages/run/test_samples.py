"""Samples to learn from: HATS catalogues as they are, tables by the door of ingest."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.job.job import load_job
from jpasbatch.learning.augmentation import Augmentation
from jpasbatch.learning.classifiers.trees import RandomForest
from jpasbatch.photometry.table import matrix_of
from jpasbatch.stages.run import samples
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.stages.run.samples import (
    identify_sample,
    list_sample,
    read_catalogue,
    read_sample,
    sample_path,
    sky_weights_of,
    stellarity_of,
)
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.train import stage as train_stage
from jpasbatch.stages.train.prepared import prepare_sample, read_prepared
from jpasbatch.stages.train.stage import grown, run_train
from jpasbatch.storage.catalogue.collection import open_catalogue
from tests.stages.tiny_run import serial, workspace_of
from tests.storage.small_sets import publish_set, set_rows

JOB = """
name = "learner"
survey = "jpas60"
[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}
[mock]
kind = "builtin"
tiles = 1
[model]
hidden = [8]
[training]
epochs = 1
[committee]
members = 1
{more}
"""
ROWS = {"training": 240, "validation": 120}


def with_flags(table: pa.Table) -> pa.Table:
    """Return rows of which the first ten are flagged, and the first twenty masked (bit 4)."""
    for name, flagged in (("flags", 10), ("mask_flags", 20)):
        values = np.where(np.arange(table.num_rows) < flagged, 4, 0).astype(np.int32)
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(index), pa.array(values))
    return table


@pytest.fixture(scope="module")
def tables(survey):
    """Return the rows of both samples."""
    return {
        part: with_flags(set_rows(survey, rows, seed))
        for seed, (part, rows) in enumerate(ROWS.items(), start=1)
    }


@pytest.fixture(scope="module")
def made(tables, tmp_path_factory):
    """Return a folder in which a mock made both sets; tests must not change it."""
    folder = tmp_path_factory.mktemp("samples")
    for part, table in tables.items():
        publish_set(table, folder / "mock" / part, part)
    return folder


@pytest.fixture
def workspace(made, survey, tmp_path) -> Workspace:
    """Return an output folder with the record of a mock that made both sets."""
    folder = Path(shutil.copytree(made, tmp_path / "run"))
    workspace = open_job(folder, survey)
    sets = {part: {"path": f"mock/{part}", "rows": rows} for part, rows in ROWS.items()}
    with workspace.prepare():
        content = {"kind": "templates", "sets": sets, "catalogue": "training"}
        workspace.finish("mock", "ab" * 32, 0.0, content)
    return workspace


def open_job(folder: Path, survey, more: str = "") -> Workspace:
    file = folder / "job.toml"
    file.write_text(JOB.format(more=more))
    return Workspace(load_job(file), survey, folder)


def test_the_sets_of_a_mock_are_the_samples(workspace):
    for part in ROWS:
        folder = sample_path(workspace, part)
        assert folder == workspace.folder / "mock" / part
        assert list_sample(folder) == [open_catalogue(folder).path]


def test_rows_are_read_in_order_and_the_cuts_count_what_they_refuse(workspace, survey, tables):
    files = list_sample(sample_path(workspace, "training"))
    accepted, rejected = read_sample(files, survey, workspace.job)
    assert rejected == Counter({"flags": 10, "mask_flags": 10})  # the first reason counts
    assert set(accepted.column_names) == {*samples.LEARNT, samples.PARENT, samples.STELLARITY}
    expected = tables["training"].slice(20)
    assert accepted["true_class"].to_pylist() == expected["true_class"].to_pylist()
    for name in ("flux", "flux_err"):
        found, true = (matrix_of(table, name, 60) for table in (accepted, expected))
        assert np.array_equal(found, true, equal_nan=True)


def test_cuts_that_allow_a_bit_keep_its_rows(workspace, survey):
    lenient = open_job(workspace.folder, survey, "[catalogue.cuts]\nflags = 4\nmask_flags = 4")
    files = list_sample(sample_path(workspace, "training"))
    accepted, rejected = read_sample(files, survey, lenient.job)
    assert (accepted.num_rows, rejected) == (240, Counter())
    half = open_job(workspace.folder, survey, "[catalogue.cuts]\nflags = 4")
    assert read_sample(files, survey, half.job)[1] == Counter({"mask_flags": 20})


def test_a_partition_is_read_at_a_time_and_only_what_is_learnt(workspace, monkeypatch):
    asked = []

    def read(path, columns):
        asked.append(tuple(columns))
        return read_partition(path, columns)

    read_partition = samples.read_partition
    monkeypatch.setattr(samples, "read_partition", read)
    folder = open_catalogue(workspace.folder / "mock" / "training").path
    read_catalogue(folder, workspace.job.catalogue.cuts)
    assert len(asked) == len(open_catalogue(folder).pixels)
    learnt = (
        "flux",
        "flux_err",
        "true_class",
        "true_redshift",
        "parent_id",
        "class_star",
        "flags",
        "mask_flags",
    )
    assert {tuple(name for name in columns if name != "object_id") for columns in asked} == {learnt}


def test_the_identity_follows_the_contents_and_reads_no_partition(workspace, survey):
    folder = workspace.folder / "mock" / "training"
    before = identify_sample(list_sample(folder))
    [[name, digest]] = before
    assert (name, len(digest)) == (open_catalogue(folder).name, 64)
    for path in folder.rglob("Npix=*.parquet"):
        path.unlink()
    assert identify_sample(list_sample(folder)) == before
    publish_set(set_rows(survey, 90, seed=5), folder, "training")
    assert identify_sample(list_sample(folder)) != before


def test_an_imported_catalogue_is_a_sample_too(trained_copy, survey):
    workspace = workspace_of(trained_copy)
    files = list_sample(workspace.sky)
    [[name, _]] = identify_sample(files)
    assert name == open_catalogue(workspace.sky).name
    accepted, rejected = read_sample(files, survey, workspace.job)
    assert accepted.num_rows == open_catalogue(workspace.sky).rows
    assert rejected == Counter()


def test_a_set_that_the_mock_did_not_make_is_named(workspace):
    content = {"kind": "templates", "sets": {"survey": {"path": "mock/survey", "rows": 1}}}
    workspace.finish("mock", "cd" * 32, 0.0, content)
    with pytest.raises(InputError, match=r"asks for the set 'training' of the mock, which made: survey"):
        run_train(workspace, serial())


def test_a_catalogue_without_truth_is_refused(workspace, tables):
    folder = workspace.folder / "mock" / "training"
    publish_set(tables["training"].drop_columns(["true_class", "flags"]), folder, "narrow")
    with pytest.raises(
        InputError, match=r"no labelled sample .* it lacks true_class, flags; it has _healpix"
    ):
        read_catalogue(open_catalogue(folder).path, workspace.job.catalogue.cuts)


def test_a_damaged_partition_is_refused(workspace):
    catalogue = open_catalogue(workspace.folder / "mock" / "training")
    path = catalogue.partition_path(*catalogue.pixels[0])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or damaged"):
        read_catalogue(catalogue.path, workspace.job.catalogue.cuts)


def test_weights_of_the_sky_go_with_their_rows(workspace, survey, tmp_path):
    table = set_rows(survey, 120, seed=9)
    weights = pa.array(np.linspace(0.5, 2.0, table.num_rows), pa.float32())
    folder = publish_set(table.append_column("sky_weight", weights), tmp_path / "weighted", "weighted")
    made = prepare_sample(workspace.job, str(tmp_path), "validation", [str(folder)], None)
    prepared = read_prepared(tmp_path, "validation")
    assert made.rows == len(prepared.labels) == len(prepared.weight)
    assert np.isin(prepared.weight, weights.to_numpy()).all()
    assert np.array_equal(prepared.take(np.array([5, 3])).weight, prepared.weight[[5, 3]])
    assert not (workspace.folder / "validation-weight.npy").exists()


def test_stellarity_goes_with_the_rows_of_a_validation_sample(workspace, survey, tmp_path):
    table = set_rows(survey, 120, seed=9)
    stellarity = np.linspace(0.0, 1.0, table.num_rows, dtype=np.float32)
    stellarity[::5] = np.nan
    place = table.schema.get_field_index("class_star")
    table = table.set_column(place, table.schema.field(place), pa.array(stellarity))
    folder = publish_set(table, tmp_path / "known", "known")
    rows, _ = read_sample([folder], survey, workspace.job)
    assert np.array_equal(np.sort(stellarity_of(rows)), np.sort(stellarity), equal_nan=True)
    for part in ("training", "validation"):
        made = prepare_sample(workspace.job, str(tmp_path), part, [str(folder)], None)
        prepared = read_prepared(tmp_path, part)
        if part == "training":
            assert prepared.class_star is None
            continue
        assert made.rows == len(prepared.class_star)
        some = np.array([5, 3])
        assert np.array_equal(prepared.take(some).class_star, prepared.class_star[some], equal_nan=True)


@pytest.mark.parametrize("values", [None, [np.nan, np.inf]])
def test_a_stellarity_that_no_row_has_is_none(values):
    columns = {"object_id": ["a", "b"]}
    table = pa.table(columns if values is None else columns | {"class_star": pa.array(values, pa.float32())})
    assert stellarity_of(table) is None


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf, None])
def test_weights_that_are_none_are_refused(wrong):
    table = pa.table({"sky_weight": pa.array([1.0, 2.0, wrong], pa.float32())})
    with pytest.raises(InputError, match="column sky_weight of the sample: 1 of 3 rows"):
        sky_weights_of(table)
    assert sky_weights_of(table.drop_columns(["sky_weight"])) is None


def test_another_survey_is_refused(workspace, tables, tmp_path):
    table = tables["training"]
    metadata = table.schema.metadata | {b"jpasbatch.bands": b"u,g,r"}
    folder = publish_set(table.replace_schema_metadata(metadata), tmp_path / "other", "other")
    with pytest.raises(InputError, match="another survey"):
        prepare_sample(workspace.job, str(tmp_path), "training", [str(folder)], None)


@pytest.mark.parametrize(("part", "share"), [("training", 0.0), ("validation", 0.5)])
def test_a_validation_sample_has_as_many_gaps_as_the_training_will_see(workspace, tmp_path, part, share):
    files = [str(path) for path in list_sample(workspace.folder / "mock" / part)]
    missing = {}
    for gaps in (0.0, 0.5):
        folder = tmp_path / str(gaps)
        folder.mkdir()
        job = workspace.job.model_copy(update={"augmentation": Augmentation(gaps=gaps)})
        prepare_sample(job, str(folder), part, files, None)
        missing[gaps] = read_prepared(folder, part).photometry.missing
    assert (missing[0.5] > missing[0.0]).mean() == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("explicit", [False, True])
def test_a_committee_learns_from_hats_samples(workspace, survey, explicit):
    if explicit:
        paths = {part: workspace.folder / "mock" / part for part in ROWS}
        paths["validation"] = open_catalogue(paths["validation"]).path  # a catalogue does as well
        lines = "\n".join(f'{part} = "{path}"' for part, path in paths.items())
        workspace = open_job(workspace.folder, survey, f"[samples]\n{lines}")
    record = run_train(workspace, serial()).content
    assert record["quarantined"]["training"]["flags"] == 10
    assert record["quarantined"]["training"]["mask_flags"] == 10
    unused = record["quarantined"]["training"].get("no class of the job, or no features", 0)
    assert record["rows"]["training"] + unused == 220
    [folder] = (workspace.folder / "work" / "train").iterdir()
    assert len(read_prepared(folder, "training").labels) == record["rows"]["training"]
    assert run_train(workspace, serial()).content == record


MORE = '[model]\nkind = "random_forest"\ntrees = 3\n'


def test_trees_go_the_same_way(workspace, survey):
    text = JOB.replace("[model]\nhidden = [8]\n", MORE)
    (workspace.folder / "job.toml").write_text(text.format(more=""))
    forest = Workspace(load_job(workspace.folder / "job.toml"), survey, workspace.folder)
    record = run_train(forest, serial()).content
    assert record["epochs"] == [1]
    assert 0 < record["validation"]["weighted_f1"] <= 1


def test_hybrids_and_calibration_are_recorded(workspace, survey, monkeypatch):
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    more = '[augmentation]\nhybrid_factor = 2\nhybrid_bin_rows = 100\n[calibration]\nkind = "temperature"'
    mixed = open_job(workspace.folder, survey, more)
    run_train(mixed, serial())
    manifest, _, _ = find_committee(mixed)
    assert manifest.calibration.kind == "temperature"
    assert manifest.calibration.state["temperature"] > 0
    assert manifest.options["augmentation"]["hybrid_factor"] == 2


def test_fresh_noise_needs_a_sample_with_true_fluxes(workspace, survey):
    fresh = open_job(workspace.folder, survey, '[augmentation]\nnoise = "fresh"')
    with pytest.raises(InputError, match=r"noise = 'fresh' needs a training sample with true fluxes"):
        run_train(fresh, serial())


@pytest.mark.parametrize(
    ("scores", "size"),
    [
        ([0.5], None),
        ([0.5, 0.6], None),
        ([0.5, 0.6, 0.7], None),
        ([0.5, 0.6, 0.6], 2),
        ([0.5, 0.4, 0.6, 0.55], 3),
    ],
)
def test_a_committee_grows_until_nothing_improves(scores, size):
    assert grown(scores) == size


@pytest.mark.slow
def test_a_growing_committee_is_the_same_however_many_train_at_once(workspace, survey):
    def train(folder, executor):
        growing = open_job(folder, survey)
        committee = growing.job.committee.model_copy(update={"members": 6, "grow": True})
        # forests train in no time; how a committee grows does not depend on what its members are
        job = growing.job.model_copy(update={"committee": committee, "model": RandomForest(trees=3)})
        growing = Workspace(job, survey, folder)
        record = run_train(growing, executor).content
        return record, find_committee(growing)[1]

    other = Path(shutil.copytree(workspace.folder, workspace.folder.parent / "other"))
    record, graph = train(workspace.folder, serial())
    with open_cluster(LocalCluster(workers=2)) as executor:
        again, same = train(other, executor)
    assert (
        record["members"]
        == again["members"]
        == len(record["weighted_f1_by_members"]) - (record["members"] < 6)
    )
    assert same == graph
    assert record["weighted_f1_by_members"] == again["weighted_f1_by_members"]


def test_a_killed_training_goes_on_after_its_last_epoch(workspace, survey, monkeypatch):
    def three_epochs(folder):
        opened = open_job(folder, survey)
        plan = replace(opened.job.training, epochs=3)
        return Workspace(opened.job.model_copy(update={"training": plan}), survey, folder)

    whole = Path(shutil.copytree(workspace.folder, workspace.folder.parent / "whole"))
    run_train(three_epochs(whole), serial())
    written = []

    def write(path, arrays):
        if path.name.endswith("state.npz") and len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        return write_arrays(path, arrays)

    write_arrays = train_stage._write_arrays
    cut = three_epochs(workspace.folder)
    monkeypatch.setattr(train_stage, "_write_arrays", write)
    with pytest.raises(TryAgainError):
        run_train(cut, serial())
    assert written == ["member-00.state.npz"] * 2
    monkeypatch.setattr(train_stage, "_write_arrays", write_arrays)
    run_train(cut, serial())
    assert find_committee(cut)[1] == find_committee(three_epochs(whole))[1]
    assert not list(workspace.folder.rglob("*.state.npz"))


def test_another_calibration_or_a_smaller_committee_trains_nothing(workspace, survey, monkeypatch):
    monkeypatch.setattr("jpasbatch.learning.calibration.FEWEST", 5)
    text = JOB.replace("members = 1", "members = 2")
    (workspace.folder / "job.toml").write_text(text.format(more=""))
    both = Workspace(load_job(workspace.folder / "job.toml"), survey, workspace.folder)
    first = run_train(both, serial()).content
    monkeypatch.setattr(train_stage, "train_one_member", lambda *_: pytest.fail("trained again"))
    calibrated = open_job(workspace.folder, survey, '[calibration]\nkind = "temperature"')  # and one member
    second = run_train(calibrated, serial()).content
    assert second["members"] == 1
    assert second["committee"] != first["committee"]
    assert find_committee(calibrated).manifest.calibration.kind == "temperature"
