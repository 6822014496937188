"""Mock tables: the same bytes for the same options, whoever writes them and how often."""

import shutil

import pytest

from jpasbatch.compute.cluster import LocalCluster, open_cluster
from jpasbatch.errors import InputError
from jpasbatch.mocks.populations import MockSky
from jpasbatch.stages.mock import run_mock, write_mock_table
from jpasbatch.storage.files import sha256_file
from tests.stages.tiny_run import serial, workspace_of, write_job

OPTIONS = MockSky(seed=3, tiles=2, area_deg2=0.02, training_per_class=10, validation_per_class=5)


@pytest.fixture
def workspace(tmp_path):
    job = workspace_of(tmp_path, write_job(tmp_path / "tiny.toml"))
    small = job.job.model_copy(update={"mock": OPTIONS})
    return type(job)(small, job.survey, job.folder)


def hashes(workspace, record):
    return {path: sha256_file(workspace.folder / path) for path in record["tables"]}


@pytest.mark.parametrize(("part", "index"), [("survey", 1), ("training", 0), ("validation", 0)])
def test_a_table_is_the_same_twice(tmp_path, part, index):
    paths = []
    for copy in ("one", "other"):
        found = write_mock_table(OPTIONS, "jpas60", part, index, str(tmp_path / copy))
        assert found["part"] == part
        assert found["rows"] > 0
        paths.append(found["path"])
    assert paths[0] != paths[1]
    assert sha256_file(tmp_path / paths[0]) == sha256_file(tmp_path / paths[1])
    assert [path.name for path in (tmp_path / "one" / part).iterdir()] == [f"{part}_{index:04d}.fits"]


def test_workers_write_the_same_bytes(workspace):
    first = run_mock(workspace, serial())
    before = hashes(workspace, first)
    assert len(before) == 4
    assert run_mock(workspace, serial()) == first
    shutil.rmtree(workspace.folder / "work")
    with open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor:
        second = run_mock(workspace, executor)
    assert second["rows"] == first["rows"]
    assert hashes(workspace, second) == before


def test_a_missing_table_is_written_again(workspace):
    first = run_mock(workspace, serial())
    before = hashes(workspace, first)
    (workspace.folder / first["tables"][0]).unlink()
    assert hashes(workspace, run_mock(workspace, serial())) == before


def test_a_job_without_a_mock_says_so(workspace):
    other = type(workspace)(
        workspace.job.model_copy(update={"mock": None}), workspace.survey, workspace.folder
    )
    with pytest.raises(InputError, match=r"no \[mock\] table"):
        run_mock(other, serial())
