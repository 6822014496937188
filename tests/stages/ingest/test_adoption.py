"""A set of a mock becomes the catalogue: no byte is written again, and what is not there is named."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest
from hats.io.validation import is_valid_collection

from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.stages.ingest.adoption import adopt_set
from jpasbatch.stages.ingest.stage import run_ingest
from jpasbatch.stages.run.mock_facts import MockSet, MockSets
from jpasbatch.stages.run.records import required
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.catalogue.primary import catalogue_identity, published_partitions
from jpasbatch.storage.catalogue.validation import check_catalogue
from tests.stages.tiny_run import serial
from tests.storage.small_sets import publish_set, set_rows

JOB = """
name = "adopted"
survey = "jpas60"
[mock]
kind = "builtin"
tiles = 1
[catalogue]
{catalogue}
"""
ROWS = {"field": 300, "survey": 500}


def open_job(folder: Path, survey, catalogue: str = "") -> Workspace:
    """Return the workspace of a job with these keys in [catalogue]."""
    file = folder / "job.toml"
    file.write_text(JOB.format(catalogue=catalogue))
    return Workspace(load_job(file), survey, folder)


def record_mock(workspace: Workspace, sets: dict[str, int], **changes) -> None:
    """Record what a mock stage that made these sets would."""
    content = {
        "kind": "templates",
        "sets": {
            name: asdict(MockSet(f"mock/{name}", f"{name}-ab", "work/mock/ab", rows, 5, 5, 0.5))
            for name, rows in sets.items()
        },
        "catalogue": "survey",
        "rows": sets,
        "parents": {},
        "lacking": [],
        "realism": "",
    }
    workspace.finish("mock", "ab" * 32, 0.0, content | changes)


@pytest.fixture(scope="module")
def tables(survey):
    """Return the rows of two sets."""
    return {name: set_rows(survey, rows, seed) for seed, (name, rows) in enumerate(ROWS.items(), start=1)}


@pytest.fixture(scope="module")
def made(survey, tables, tmp_path_factory):
    """Return an output folder in which a mock made two sets; tests must not change it."""
    folder = tmp_path_factory.mktemp("made")
    workspace = open_job(folder, survey)
    with workspace.prepare():
        for name, table in tables.items():
            publish_set(table, folder / "mock" / name, name)
    return folder


@pytest.fixture
def run(made, survey, tmp_path):
    """Return the function that opens a copy of it: (keys of [catalogue]) -> workspace with a mock record."""
    folder = tmp_path / "run"
    shutil.copytree(made, folder)

    def open_run(catalogue: str = "") -> Workspace:
        workspace = open_job(folder, survey, catalogue)
        record_mock(workspace, ROWS)
        return workspace

    return open_run


def identifiers(catalogue) -> pa.ChunkedArray:
    parts = [
        read_partition(catalogue.partition_path(*pixel), ["mock_id", "object_id"])
        for pixel in catalogue.pixels
    ]
    return pa.concat_tables(parts)["object_id"]


def test_the_set_that_the_mock_names_is_adopted_without_writing_a_byte(run, tables):
    workspace = run()
    record = run_ingest(workspace, serial()).content
    catalogue = open_catalogue(workspace.sky)
    made = open_catalogue(workspace.folder / "mock" / "survey")
    assert record["catalogue"] == f"sky/{catalogue.name}"
    assert catalogue.name.startswith("photometry-")
    expected = {"rows_in": 500, "rows_out": 500, "quarantined": 0, "reasons": {}}
    expected |= {"partitions": len(made.pixels), "files": len(made.pixels)}
    assert {key: record[key] for key in expected} == expected
    assert record["cuts"]["flags"] == 0
    assert record["notes"] == [
        f"adopted from the mock set survey ({made.name}) as it was made: no cuts were applied"
    ]
    assert workspace.require("ingest") == record
    assert identifiers(catalogue).equals(tables["survey"]["object_id"])
    check_catalogue(catalogue.path, tables["survey"].schema, 500)
    assert is_valid_collection(workspace.sky, strict=True)
    assert (catalogue.pixels, catalogue.map_order) == (made.pixels, made.map_order)
    for pixel in made.pixels:
        assert catalogue.partition_path(*pixel).samefile(made.partition_path(*pixel))
    provenance = json.loads((catalogue.path / "provenance.json").read_text())
    assert provenance["provenance"] == {"mock_set": "survey", "catalogue": catalogue_identity(made)}
    assert not (workspace.folder / "quarantine").exists()


def test_a_job_may_name_another_set_and_change_its_mind(run, tables):
    survey = run_ingest(run(), serial())
    workspace = run('sample = "field"')
    field = run_ingest(workspace, serial())
    assert (survey.facts.rows_out, field.facts.rows_out) == (500, 300)
    assert identifiers(open_catalogue(workspace.sky)).equals(tables["field"]["object_id"])
    again = run_ingest(run('sample = "survey"'), serial())
    assert again.facts.catalogue == survey.facts.catalogue
    assert open_catalogue(workspace.sky).rows == 500


def test_a_rerun_is_up_to_date(run, monkeypatch):
    workspace = run()
    first = run_ingest(workspace, serial())
    pointer = (workspace.sky / "collection.properties").stat().st_mtime_ns

    def never(*_, **__):
        raise AssertionError("nothing is to be done")

    monkeypatch.setattr("jpasbatch.stages.ingest.adoption.publish_primary", never)
    assert run_ingest(workspace, serial()) == first
    assert (workspace.sky / "collection.properties").stat().st_mtime_ns == pointer


def test_a_collection_that_was_removed_is_published_again(run):
    workspace = run()
    first = run_ingest(workspace, serial())
    shutil.rmtree(workspace.sky)
    again = run_ingest(workspace, serial())
    assert again.facts.catalogue == first.facts.catalogue
    assert open_catalogue(workspace.sky).rows == 500


def test_a_set_made_anew_is_adopted_anew(run, survey):
    workspace = run()
    first = run_ingest(workspace, serial())
    publish_set(set_rows(survey, 400, seed=9), workspace.folder / "mock" / "survey", "survey")
    record_mock(workspace, ROWS | {"survey": 400})
    second = run_ingest(workspace, serial())
    assert second.facts.catalogue != first.facts.catalogue
    assert open_catalogue(workspace.sky).rows == 400


def test_a_crash_leaves_no_catalogue_and_running_again_finishes(run, monkeypatch):
    workspace = run()

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(catalogue_assembly, "place_version", crash)
        with pytest.raises(RuntimeError, match="crash"):
            run_ingest(workspace, serial())
    assert workspace.record("ingest") is None
    assert not (workspace.sky / "collection.properties").exists()
    run_ingest(workspace, serial())
    assert open_catalogue(workspace.sky).rows == 500


def test_a_set_that_was_not_made_is_refused_by_name(run):
    message = r"sample asks for the set 'held_out' of the mock, which made: field, survey\. Name one"
    with pytest.raises(InputError, match=message):
        run_ingest(run('sample = "held_out"'), serial())


def test_of_a_mock_that_writes_tables_a_part_can_be_the_catalogue(run):
    workspace = run('sample = "test"')
    record_mock(workspace, {}, kind="builtin", folder="work/mock/ab", rows={"survey": 9, "training": 9})
    message = r"sample asks for the part 'test' of the mock, which made: survey, training\. Name one"
    with pytest.raises(InputError, match=message):
        run_ingest(workspace, serial())
    record_mock(workspace, {}, kind="builtin", folder="work/mock/ab", rows={"test": 9})
    with pytest.raises(InputError, match=r"work/mock/ab/test.*no such file or folder"):
        run_ingest(workspace, serial())


def test_input_and_sample_exclude_each_other_and_names_are_checked(tmp_path, survey):
    with pytest.raises(InputError, match=r"catalogue: give input .* or sample .* not both"):
        open_job(tmp_path, survey, 'input = "tables"\nsample = "survey"')
    with pytest.raises(
        InputError, match=r"catalogue.sample: found 'surveys'; allowed: 'training', 'validation'"
    ):
        open_job(tmp_path, survey, 'sample = "surveys"')


def test_a_damaged_partition_of_a_set_is_refused(run):
    workspace = run()
    made = open_catalogue(workspace.folder / "mock" / "survey")
    path = made.partition_path(*made.pixels[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="changed after it was committed"):
        run_ingest(workspace, serial())
    assert not (workspace.sky / "collection.properties").exists()


def test_a_set_that_is_not_the_recorded_one_is_refused(run):
    workspace = run()
    record_mock(workspace, ROWS | {"survey": 501})
    with pytest.raises(InputError, match="holds 500 rows, but the mock recorded 501"):
        run_ingest(workspace, serial())
    shutil.rmtree(workspace.folder / "mock" / "survey")
    with pytest.raises(InputError, match="holds no HATS catalogue"):
        run_ingest(workspace, serial())


def test_a_set_of_other_columns_or_bands_is_refused(run, tables):
    workspace = run()
    folder = workspace.folder / "mock" / "survey"
    table = tables["survey"]
    publish_set(table.drop_columns(["class_star"]), folder, "narrow")
    with pytest.raises(InputError, match=r"no canonical photometry: it lacks class_star; it has _healpix_29"):
        run_ingest(workspace, serial())
    bands = table.schema.metadata[b"jpasbatch.bands"].decode().split(",")
    bands[:2] = bands[1::-1]
    other = table.schema.metadata | {b"jpasbatch.bands": ",".join(bands).encode()}
    publish_set(table.replace_schema_metadata(other), folder, "other")
    with pytest.raises(InputError, match="wrong band order"):
        run_ingest(workspace, serial())


def test_damaged_and_absent_provenance_is_named(run):
    workspace = run()
    made = open_catalogue(workspace.folder / "mock" / "survey")
    assert sum(record.rows for record in published_partitions(made)) == 500
    file = made.path / "provenance.json"
    for content in (b"{", b"{}", b'{"partitions": [1]}'):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"provenance.json is damaged"):
            published_partitions(made)
    file.unlink()
    with pytest.raises(InputError, match=r"has no provenance.json: it was not published"):
        adopt_set(workspace, required(workspace, MockSets))
