"""The sets of a mock that descends from a template pack, through the real stage."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import InputError
from jpasbatch.mocks.options.table import required_mock
from jpasbatch.mocks.parents.parents import split_of
from jpasbatch.mocks.stages.mock import run_mock
from jpasbatch.mocks.stages.sets import ask_sets, set_runs
from jpasbatch.priors.validation import Validation
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.artefacts import load_validation
from jpasbatch.storage.stores.files import sha256_file
from tests.blank_figures import leave_figures_blank
from tests.mocks.small_pack import write_pack
from tests.stages.tiny_run import serial, workspace_of

JOB = """
name   = "small-mock"
survey = "jpas60"

[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[mock]
kind           = "templates"
templates      = "{pack}"
seed           = {seed}
partition_rows = 400
compared       = 30

[mock.samples]
training   = 120
validation = 40
test       = 40

[mock.field]
star   = 60
galaxy = 90
qso    = 30

[mock.survey]
area_deg2      = 0.5
star_per_deg2  = 300
galaxy_per_deg2 = 500
qso_per_deg2   = 100
library        = {library}

[model]
hidden = [8]

[training]
epochs     = 1
batch_size = 64

[committee]
members = 1

[counts]
classes       = ["qso_low", "qso_high"]
band_role     = "r"
brighter_than = 23.6
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("pack"))


def workspace_at(folder, pack, seed=1, library=0, extra=""):
    folder.mkdir(exist_ok=True)
    job = folder / "job.toml"
    job.write_text(JOB.format(pack=pack, seed=seed, library=library) + extra)
    return workspace_of(folder / "output", job)


@pytest.fixture(scope="module")
def made(tmp_path_factory, pack):
    """Return a workspace with all sets, made in this process."""
    workspace = workspace_at(tmp_path_factory.mktemp("made"), pack)
    workspace.prepare()
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_blank(patch)
        return workspace, run_mock(workspace, serial()).content


@pytest.fixture(autouse=True)
def _no_drawing(blank_figures):
    """Leave the figures of the report to its own tests."""


def test_an_option_that_came_later_decides_nothing_at_its_default(pack, tmp_path):
    """An upgrade makes no set again."""
    workspace = workspace_at(tmp_path / "small", pack)
    options = required_mock(workspace.job)
    asked, before = ask_sets(workspace, options), asdict(options)
    del before["samples"]["near_reach"]
    assert asked["options"] == before
    further = replace(options, samples=replace(options.samples, near_reach=0.25))
    assert ask_sets(workspace, further)["options"] == asdict(further)
    runs = [set_runs(workspace, one) for one in (options, further)]
    moved = {name for name in runs[0] if runs[0][name] != runs[1][name]}
    assert moved == {"training", "validation", "test"}


def files_of(workspace, record):
    """Return the hashes of the partitions of all sets."""
    found = {}
    for name, part in record["sets"].items():
        catalogue = open_catalogue(workspace.folder / part["path"])
        for pixel in catalogue.pixels:
            path = catalogue.partition_path(*pixel)
            found[f"{name}/{path.relative_to(catalogue.path)}"] = sha256_file(path)
    return found


def rows_of(workspace, record, name, columns):
    catalogue = open_catalogue(workspace.folder / record["sets"][name]["path"])
    return pq.read_table([catalogue.partition_path(*pixel) for pixel in catalogue.pixels], columns=columns)


def test_every_set_has_its_rows(made):
    workspace, record = made
    rows = {name: part["rows"] for name, part in record["sets"].items()}
    assert (rows["training"], rows["validation"], rows["test"], rows["field"]) == (360, 120, 120, 180)
    assert abs(rows["survey"] - 450) < 5 * np.sqrt(450)
    classes = rows_of(workspace, record, "field", ["true_class"])["true_class"].to_numpy()
    counts = dict(zip(*np.unique(classes.astype(str), return_counts=True), strict=True))
    assert counts == {"star": 60, "galaxy": 90, "qso": 30}
    assert all(part["partitions"] > 1 for part in record["sets"].values())


def test_no_parent_crosses_between_the_sets(made):
    workspace, record = made
    parents = {}
    for name, split in (("training",) * 2, ("validation",) * 2, ("test",) * 2, ("survey", "test")):
        table = rows_of(workspace, record, name, ["parent_id", "split"])
        ids = table["parent_id"].to_numpy().astype(str)
        assert set(table["split"].to_pylist()) == {split}
        assert (split_of(np.unique(ids)) == split).all()
        parents.setdefault(split, set()).update(ids)
    assert not parents["training"] & parents["validation"]
    assert not parents["training"] & parents["test"]
    assert not parents["validation"] & parents["test"]


def test_noiseless_fluxes_are_kept_where_something_is_learnt(made):
    workspace, record = made
    table = rows_of(workspace, record, "training", ["noiseless_flux", "true_magnitude"])
    reference = np.stack(table["noiseless_flux"].to_numpy())[:, workspace.survey.reference_index]
    np.testing.assert_allclose(23.9 - 2.5 * np.log10(reference), table["true_magnitude"], atol=1e-4)
    assert "noiseless_flux" not in open_catalogue(workspace.folder / "mock" / "test").schema.names


@pytest.mark.slow
def test_workers_and_partitions_do_not_matter(made, tmp_path, pack):
    workspace, record = made
    again = workspace_at(tmp_path, pack)
    again.prepare()
    with open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor:
        other = run_mock(again, executor).content
    assert files_of(again, other) == files_of(workspace, record)


def test_only_what_changed_is_made_again(made, tmp_path, pack):
    workspace, record = made
    shutil.copytree(workspace.folder, tmp_path / "output", symlinks=True)
    copy = workspace_at(tmp_path, pack)
    assert run_mock(copy, serial()).content == record
    text = (tmp_path / "job.toml").read_text().replace("test       = 40", "test       = 44")
    (tmp_path / "job.toml").write_text(text)
    changed = run_mock(workspace_of(tmp_path / "output", tmp_path / "job.toml"), serial()).content
    assert {name for name, part in changed["sets"].items() if part["recomputed"]} == {"test"}
    assert changed["sets"]["test"]["rows"] == 132
    assert changed["sets"]["training"]["catalogue"] == record["sets"]["training"]["catalogue"]


def test_another_seed_is_another_sky_and_a_library_is_observed_again_and_again(made, tmp_path, pack):
    workspace = workspace_at(tmp_path, pack, seed=2, library=10)
    workspace.prepare()
    record = run_mock(workspace, serial()).content
    assert set(files_of(workspace, record).values()).isdisjoint(files_of(*made).values())
    table = rows_of(workspace, record, "survey", ["parent_id", "true_class", "flux", "mock_id"])
    assert len(set(table["parent_id"].to_pylist())) <= 30
    assert len(set(table["mock_id"].to_pylist())) == table.num_rows
    assert len({tuple(row) for row in table["flux"].to_pylist()}) == table.num_rows


def test_the_report_counts_what_was_made(made):
    workspace, record = made
    page = (workspace.folder / record["realism"]).read_text()
    assert "</html>" in page
    content = json.loads((workspace.folder / "mock" / "realism.json").read_text())
    assert {name: part["rows"] for name, part in content["sets"].items()} == record["rows"]
    assert set(content["lacking"]) == set(record["lacking"]) >= {"bal-troughs", "desi-lrg"}


def test_a_set_becomes_the_catalogue_and_teaches(made, tmp_path, pack):
    workspace, _ = made
    shutil.copytree(workspace.folder, tmp_path / "output", symlinks=True)
    copy = workspace_at(tmp_path, pack, extra='\n[catalogue]\nsample = "test"\n')
    assert run_stage("mock", copy, serial())["rows"]["test"] == 120
    assert run_stage("ingest", copy, serial())["rows_out"] == 120
    trained = run_stage("train", copy, serial())
    assert trained["rows"]["training"] <= 360
    validation, _ = load_validation(copy.folder / trained["committee"])
    assert Validation.from_bytes(validation, tuple(copy.job.classes)).sample.is_weighted
    assert run_stage("infer", copy, serial())["rows_out"] <= 120


def test_a_pack_without_a_class_is_refused_with_what_it_lacks(tmp_path, pack):
    shutil.copytree(pack, tmp_path / "pack")
    shutil.rmtree(tmp_path / "pack" / "galaxy_kcorrect")
    workspace = workspace_at(tmp_path, tmp_path / "pack")
    workspace.prepare()
    with pytest.raises(InputError, match=r"'galaxy'.*templates check"):
        run_mock(workspace, serial())


DRIVER = """
import sys
from pathlib import Path
from jpasbatch.stages.pipeline import run_verb
from jpasbatch.stages.request import Request

if __name__ == "__main__":
    sys.exit(run_verb(Request("mock", Path(sys.argv[1]), output=Path(sys.argv[2]))))
"""


@pytest.mark.slow
def test_a_killed_mock_goes_on_to_the_same_bytes(made, tmp_path, pack):
    workspace, record = made
    killed = workspace_at(tmp_path, pack)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    command = [sys.executable, str(script), str(tmp_path / "job.toml"), str(killed.folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(killed.folder.glob("work/mock/*/ledger/[0-9]*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(killed.folder.glob("work/mock/*/ledger/[0-9]*.json"))
    assert killed.record("mock") is None
    killed.prepare()
    assert files_of(killed, run_mock(killed, serial()).content) == files_of(workspace, record)
