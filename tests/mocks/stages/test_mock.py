"""Mock tables: the same bytes for the same options, whoever writes them and how often."""

import shutil

import pyarrow.parquet as pq
import pytest

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import InputError
from jpasbatch.mocks.options.broadband import LabelledSets
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.options.table import mock_options, mock_table
from jpasbatch.mocks.stages.mock import run_mock, write_mock_table
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.pipeline import needed_stages, run_stage
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.tables.per_band import ORIGIN_KEY
from tests.mocks.small_survey import small_mock
from tests.stages.tiny_run import serial, workspace_of, write_job

OPTIONS = MockSky(seed=3, tiles=2, area_deg2=0.02, training_per_class=10, validation_per_class=5)
MOCKS = {
    # options, survey, tables
    "builtin": (OPTIONS, "jpas60", 4),
    "broadband": (small_mock(coverage=(), table_rows=300), "nepw44", 6),
}
"""Every kind of mock that is written as tables and needs no data joins here."""


@pytest.fixture(scope="module")
def local():
    """Return two workers, which both kinds of mocks share."""
    with open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor:
        yield executor


@pytest.fixture(params=MOCKS)
def workspace(tmp_path, request):
    options, survey, _ = MOCKS[request.param]
    job = workspace_of(tmp_path, write_job(tmp_path / "tiny.toml"))
    small = job.job.model_copy(update={"mock": mock_table(options), "survey": survey})
    return type(job)(small, load_survey(survey), job.folder)


def expected_tables(workspace):
    return next(tables for options, _, tables in MOCKS.values() if options == mock_options(workspace.job))


def hashes(workspace, record):
    return {path: sha256_file(workspace.folder / path) for path in record["tables"]}


VECTORS = {
    "broadband of vectors": (small_mock(coverage=(), labelled=LabelledSets(training=120)), "jpas60", 3)
}


@pytest.mark.parametrize("kind", [*MOCKS, *VECTORS])
@pytest.mark.parametrize(("part", "index"), [("survey", 1), ("training", 0), ("validation", 0)])
def test_a_table_is_the_same_twice(tmp_path, kind, part, index):
    options, survey, _ = (MOCKS | VECTORS)[kind]
    if kind == "broadband of vectors" and part == "validation":
        pytest.skip("this mock makes no validation sample")
    paths = []
    for copy in ("one", "other"):
        found = write_mock_table(options, survey, part, index, str(tmp_path / copy))
        assert found.part == part
        assert found.rows > 0
        paths.append(found.path)
    assert paths[0] != paths[1]
    if paths[0].endswith(".parquet"):
        assert b"mock" in pq.read_schema(paths[0]).metadata[ORIGIN_KEY]
    assert sha256_file(tmp_path / paths[0]) == sha256_file(tmp_path / paths[1])
    ending = ".parquet" if survey == "nepw44" else ".fits"
    assert [path.name for path in (tmp_path / "one" / part).iterdir()] == [f"{part}_{index:04d}{ending}"]


def test_workers_write_the_same_bytes(workspace, local):
    first = run_mock(workspace, serial()).content
    before = hashes(workspace, first)
    assert len(before) == expected_tables(workspace)
    assert run_mock(workspace, serial()).content == first
    shutil.rmtree(workspace.folder / "work")
    second = run_mock(workspace, local).content
    assert second["rows"] == first["rows"]
    assert hashes(workspace, second) == before


def test_a_missing_table_is_written_again(workspace):
    first = run_mock(workspace, serial()).content
    before = hashes(workspace, first)
    (workspace.folder / first["tables"][0]).unlink()
    assert hashes(workspace, run_mock(workspace, serial()).content) == before


def test_a_job_without_a_mock_says_so(workspace):
    other = type(workspace)(
        workspace.job.model_copy(update={"mock": None}), workspace.survey, workspace.folder
    )
    with pytest.raises(InputError, match=r"no \[mock\] table"):
        run_mock(other, serial())


JOB = """
name   = "small-broadband"
survey = "nepw44"

[classes]
sfg = {{ truth = ["sfg"] }}
agn = {{ truth = ["agn"] }}

[mock]
kind    = "broadband"
parents = 300

[mock.labelled]
training   = 300
validation = 160
test       = {test}
agn_share  = 0.4

[mock.field]
sources = 200

[[mock.coverage]]
bands     = ["Herschel/SPIRE"]
area_deg2 = 2.0

# the faintest objects of the field are not seen in the reference band
[catalogue.cuts]
maximum_rejected_fraction = 0.2

[catalogue.partitions]
pixel_threshold = 600
highest_order   = 8

[features]
kind = "magnitudes_and_errors"

[model]
kind  = "random_forest"
trees = 20

[committee]
members = 1

[counts]
classes       = ["agn"]
band_role     = "i"
brighter_than = 24.0
"""


def test_a_broadband_mock_teaches_and_is_classified(tmp_path, blank_figures):
    job = tmp_path / "job.toml"
    job.write_text(JOB.format(test=100))
    workspace = workspace_of(tmp_path / "output", job)
    assert needed_stages(workspace) == (
        "mock",
        "ingest",
        "train",
        "evaluate",
        "infer",
        "correct",
        "summarise",
    )
    with workspace.prepare():
        rows = {stage: run_stage(stage, workspace, serial()) for stage in needed_stages(workspace)}
    assert rows["mock"]["rows"] == {"training": 300, "validation": 160, "test": 100, "survey": 200}
    assert rows["ingest"]["rows_in"] == 200
    assert rows["ingest"]["rows_out"] + rows["ingest"]["quarantined"] == 200
    assert set(rows["ingest"]["reasons"]) <= {"reference band not observed"}
    assert rows["evaluate"]["weighted_f1"]["test"] > 0.75
    table = open_catalogue(workspace.sky)
    assert table.rows == rows["infer"]["rows_out"] == rows["ingest"]["rows_out"]
    page = (workspace.folder / "report.html").read_text()
    assert "Mock of modelled galaxies and active nuclei" in page


def test_a_part_that_a_mock_does_not_make_is_refused_by_name(tmp_path):
    job = tmp_path / "job.toml"
    job.write_text(JOB.format(test=0).replace("validation = 160", "validation = 0"))
    workspace = workspace_of(tmp_path / "output", job)
    assert "evaluate" not in needed_stages(workspace)
    with workspace.prepare():
        run_mock(workspace, serial())
        with pytest.raises(
            InputError, match=r"the part 'validation' of the mock, which made: survey, training"
        ):
            run_stage("train", workspace, serial())
