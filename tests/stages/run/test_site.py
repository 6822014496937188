"""A survey whose collection lies in an object store: the same bytes as on disk, and workers need the store alone."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from upath import UPath

from jpasbatch import cli
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import InputError
from jpasbatch.learning.inference import has_bfloat16
from jpasbatch.products.report import Report
from jpasbatch.stages.infer import stage as infer
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.storage.catalogue import stored as catalogue_stored
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary, published_partitions
from jpasbatch.storage.stores.artefacts import load_committee, save_committee
from jpasbatch.storage.stores.objects import ObjectStore
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store
from tests.stages.infer.test_redshifts import write_committee
from tests.stages.summarise.test_area import positions_of, with_tables, write_box
from tests.stages.tiny_run import serial

PARTITIONS = 8
CHANGES = ("put_object", "copy_object", "delete_object", "delete_objects", "complete_multipart_upload")


@pytest.fixture(scope="module")
def local(object_store_url) -> Executor:
    """Return two worker processes, which inherit the credentials of the store."""
    with open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor:
        yield executor


@pytest.fixture(autouse=True)
def _plain_report(monkeypatch):
    """Leave the figures out, which take most of the time of summarise."""
    monkeypatch.setattr(
        "jpasbatch.stages.summarise.publishing.make_report", lambda content: Report("<!doctype html>", {})
    )


@pytest.fixture
def location(trained_copy, object_store_url) -> str:
    """Return where the verb ``replicate`` put the catalogue; the driver's folder keeps none."""
    location = f"s3://survey/{uuid4().hex}/sky"
    assert (
        cli.main(["replicate", str(trained_copy / "tiny.toml"), location, "--output", str(trained_copy)]) == 0
    )
    shutil.rmtree(trained_copy / "sky")
    return location


def command(verb: str, folder: Path, location: str, *options: str) -> int:
    given = [verb, str(folder / "tiny.toml"), "--output", str(folder), "--sky", location, *options]
    return cli.main(given if "--cluster" in options else [*given, "--serial"])


def run(stage: str, folder: Path, location: str, executor: Executor | None = None) -> dict:
    workspace = open_workspace(folder / "tiny.toml", folder, None, sky=location)
    with workspace.prepare():
        return run_stage(stage, workspace, executor or serial())


def published(store: Store) -> dict[str, bytes]:
    """Return the bytes of all files that the collection's predictions consist of."""
    pointer = store.read("collection.properties").decode()
    versions = {
        key.partition("/")[0] for key in sorted(store.keys()) if key.startswith("predictions-") and "/" in key
    }
    (version,) = [name for name in versions if name in pointer]
    return {key: store.read(key) for key in store.keys(version)}


def on_disk(folder: Path) -> dict[str, bytes]:
    sky = folder / "sky"
    version = current_extension(sky, "predictions")
    return {
        path.relative_to(sky).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()
    }


def but_properties(files: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what tells when a version was made."""
    return {key: data for key, data in files.items() if not key.endswith("properties")}


def targets(folder: Path) -> bytes:
    with fits.open(folder / "targets" / "WQ_2027A1.fits") as hdus:
        return hdus[1].data.tobytes()


def told(folder: Path) -> dict:
    summary = json.loads((folder / "summary.json").read_text())
    return {key: summary[key] for key in ("counts", "scores", "targets", "gaps")}


@pytest.fixture
def changes(monkeypatch) -> list[str]:
    """Return a list that grows with the keys that this process changes in a store, but for probes of its conditions."""
    import s3fs

    found: list[str] = []
    call = s3fs.S3FileSystem._call_s3

    async def listening(self, method, *arguments, **options):
        if method in CHANGES and ".conditions-" not in str(options):
            found.append(f"{method} {options.get('Key')}")
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", listening)
    return found


def test_the_verb_replicate_uploads_once(finished_copy, object_store_url, capsys):
    location = f"s3://survey/{uuid4().hex}/sky"
    given = ["replicate", str(finished_copy / "tiny.toml"), location, "--output", str(finished_copy)]
    assert cli.main(given) == 0
    assert f"pointed at {location}" in capsys.readouterr().out
    assert but_properties(published(open_store(location))) == but_properties(on_disk(finished_copy))
    assert cli.main(given) == 0
    assert "uploaded 0 (0 bytes), up to date" in capsys.readouterr().out
    assert cli.main([*given[:2], "s3://missing/sky", *given[3:]]) == 2
    assert "Cannot write to s3://missing/sky" in capsys.readouterr().err


def test_a_run_in_a_store_is_that_on_disk_and_a_rerun_writes_nothing(
    finished, trained_copy, location, changes, tmp_path
):
    other = shutil.copytree(trained_copy, tmp_path / "another driver")
    store = open_store(location)
    record = run("infer", trained_copy, location)
    assert (record["partitions"], record["recomputed"]) == (PARTITIONS, PARTITIONS)
    assert record["predictions"].startswith(f"{location}/predictions-")
    assert but_properties(published(store)) == but_properties(on_disk(finished))
    run("correct", trained_copy, location)
    run("summarise", trained_copy, location)
    assert told(trained_copy) == told(finished)
    assert targets(trained_copy) == targets(finished)
    assert not (trained_copy / "sky").exists()
    assert changes
    changes.clear()
    assert run("infer", trained_copy, location)["recomputed"] == 0
    run("correct", trained_copy, location)
    run("summarise", trained_copy, location)
    assert changes == []
    assert run("infer", other, location)["recomputed"] == 0  # it knows nothing but the store
    run("correct", other, location)
    run("summarise", other, location)
    assert changes == []
    assert told(other) == told(finished)


def test_workers_read_and_write_the_store_alone(finished, trained_copy, location, local):
    record = run("infer", trained_copy, location, local)
    assert record["recomputed"] == PARTITIONS
    assert but_properties(published(open_store(location))) == but_properties(on_disk(finished))
    run("correct", trained_copy, location, local)
    run("summarise", trained_copy, location, local)
    assert told(trained_copy) == told(finished)
    assert targets(trained_copy) == targets(finished)
    assert sorted(path.name for path in (trained_copy / "work").iterdir() if path.is_dir()) == [
        *("ingest", "mirror", "mock", "seals", "sources", "train")
    ]
    job = str(trained_copy / "tiny.toml")
    assert cli.main(["prune", job, "--output", str(trained_copy), "--keep-days", "0", "--keep", "0"]) == 0
    assert run("infer", trained_copy, location)["recomputed"] == 0


@pytest.mark.parametrize(
    "damage", ["delete", *(pytest.param(name, marks=pytest.mark.slow) for name in ("flip", "truncate"))]
)
def test_a_staged_object_that_was_damaged_is_computed_again(
    finished, trained_copy, location, damage, monkeypatch
):
    store = open_store(location)
    with monkeypatch.context() as patch:
        patch.setattr(infer, "_publish", lambda *_: (_ for _ in ()).throw(InputError("stopped")))
        assert command("infer", trained_copy, location) == 2
    key = sorted(store.keys(".staging"))[3]
    data = store.read(key)
    if damage == "delete":
        store.remove(key)
    else:
        store.put(key, data[:-9] if damage == "truncate" else data[:99] + bytes([data[99] ^ 1]) + data[100:])
    assert run("infer", trained_copy, location)["recomputed"] == 1
    assert but_properties(published(store)) == but_properties(on_disk(finished))


def test_damage_after_the_look_back_is_not_published(trained_copy, location, monkeypatch, capsys):
    store, publish = open_store(location), infer._publish
    before = store.read("collection.properties")

    def damage_and_publish(*arguments):
        store.put(sorted(store.keys(".staging"))[0], b"PAR1")
        return publish(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(infer, "_publish", damage_and_publish)
        assert command("infer", trained_copy, location) == 2
    assert "changed after it was committed" in capsys.readouterr().err
    assert store.read("collection.properties") == before
    assert run("infer", trained_copy, location)["recomputed"] == 1


def test_commits_that_another_run_takes_back_are_no_gaps(trained_copy, location, monkeypatch, capsys):
    store, publish = open_store(location), infer._publish

    def take_back_and_publish(*arguments):
        store.remove(next(key for key in store.keys(".runs") if "/ledger/" in key))
        return publish(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(infer, "_publish", take_back_and_publish)
        assert command("infer", trained_copy, location, "--allow-gaps") == 75
    assert "1 commits are gone again" in capsys.readouterr().err
    assert run("infer", trained_copy, location)["recomputed"] == 1


@pytest.fixture
def second(trained_copy, location, tmp_path) -> Path:
    """Return the folder of a second driver of the same job and store."""
    return Path(shutil.copytree(trained_copy, tmp_path / "second"))


def meanwhile(monkeypatch, module, step: str, call: int, other) -> None:
    """Let another driver do its work right before the n-th call of a step of the first one."""
    function, calls = getattr(module, step), []

    def do(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            other()
        return function(*arguments)

    monkeypatch.setattr(module, step, do)


def test_two_drivers_of_one_survey_commit_every_partition_once(
    finished, trained_copy, second, location, monkeypatch
):
    store = open_store(location)
    meanwhile(monkeypatch, infer, "classify_partition", 4, lambda: command("infer", second, location))
    assert run("infer", trained_copy, location)["recomputed"] == PARTITIONS
    record = json.loads((second / "work" / "infer.json").read_text())
    assert record["recomputed"] == PARTITIONS - 3
    assert but_properties(published(store)) == but_properties(on_disk(finished))
    assert len([key for key in sorted(store.keys(".runs")) if "/ledger/" in key]) == PARTITIONS
    assert len(store.keys(".staging")) == PARTITIONS  # the copies that came second are gone


def borrow_softer_committee(folder: Path) -> None:
    """Let a job use another committee, whose probabilities are closer to each other."""
    manifest, graph = load_committee(folder / "committee")
    softer = {**manifest, "calibration": {"kind": "temperature", "state": {"temperature": 2.0}}}
    version, job = save_committee(folder / "softer", softer, graph), folder / "tiny.toml"
    job.write_text(job.read_text().replace("[committee]", f'[committee]\nartefact = "{version}"'))


def test_of_two_surveys_that_are_published_at_once_one_tries_again(
    finished, trained_copy, second, location, monkeypatch, capsys
):
    store = open_store(location)
    borrow_softer_committee(second)
    with monkeypatch.context() as patch:
        meanwhile(patch, catalogue_stored, "put_metadata", 1, lambda: run("infer", second, location))
        assert command("infer", trained_copy, location) == 75
    assert "Run the same command again" in capsys.readouterr().err
    assert but_properties(published(store)) != but_properties(on_disk(finished))  # the other one's, whole
    assert run("infer", trained_copy, location)["recomputed"] == 0
    assert but_properties(published(store)) == but_properties(on_disk(finished))


@pytest.mark.slow
def test_of_a_catalogue_with_one_other_partition_one_is_computed(finished_copy, object_store_url):
    location, sky = f"s3://survey/{uuid4().hex}/sky", finished_copy / "sky"
    replicate = ["replicate", str(finished_copy / "tiny.toml"), location, "--output", str(finished_copy)]
    assert cli.main(replicate) == 0
    assert (
        run("infer", finished_copy, location)["recomputed"] == PARTITIONS
    )  # the disk's commits are not the store's
    before = published(open_store(location))
    photometry = open_catalogue(sky)
    records = [replace(one, path=f"{photometry.name}/{one.path}") for one in published_partitions(photometry)]
    pixel = records[2].healpix
    table = read_partition(photometry.partition_path(*pixel))
    column = table.column_names.index("class_star")
    table = table.set_column(
        column, table.schema.field(column), pa.array([0.5] * table.num_rows, pa.float32())
    )
    records[2] = write_partition(table, open_store(sky), ".staging/test", "one").facts(pixel, "", "ab")
    options = PrimaryOptions(photometry.map_order)
    publish_primary(sky, "photometry", records, photometry.schema, {"changed": 1}, options)
    assert cli.main(replicate) == 0
    assert run("infer", finished_copy, location)["recomputed"] == 1
    after = published(open_store(location))
    data = {key.partition("/")[2]: value for key, value in after.items() if "Npix" in key}
    other = [key for key, value in before.items() if "Npix" in key and data[key.partition("/")[2]] != value]
    assert [Path(key).name for key in other] == [partition_file(*pixel).name]
    run("correct", finished_copy, location)
    run("summarise", finished_copy, location)


def test_a_poisoned_partition_is_no_gap_unless_it_is_allowed(trained_copy, location, capsys):
    store = open_store(location)
    key = [key for key in sorted(store.keys()) if "Npix" in key and "5arcs" not in key][2]
    whole = store.read(key)
    store.put(key, whole[:-20])
    assert command("infer", trained_copy, location) == 3
    assert f"{location}/{key}" in capsys.readouterr().err
    assert not [name for name in sorted(store.keys()) if name.startswith("predictions-")]
    assert command("infer", trained_copy, location, "--allow-gaps") == 0
    assert len([name for name in published(store) if "Npix" in name]) == PARTITIONS - 1
    store.put(key, whole)
    assert run("infer", trained_copy, location)["recomputed"] == 1
    assert len([name for name in published(store) if "Npix" in name]) == PARTITIONS


def test_a_store_that_stops_answering_is_no_fault_of_partitions(
    finished, trained_copy, location, object_store_url, monkeypatch, capsys
):
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()  # in this process: it serves what the other one holds
    calls, classify = [], infer.classify_partition

    def classify_until_it_stops(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            server.stop()
        return classify(*arguments)

    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        patch.setattr(s3fs.S3FileSystem, "retries", 1)
        patch.setattr(infer, "classify_partition", classify_until_it_stops)
        s3fs.S3FileSystem.clear_instance_cache()
        assert command("infer", trained_copy, location) == 75
    s3fs.S3FileSystem.clear_instance_cache()
    assert f"{location} does not answer" in capsys.readouterr().err
    assert len(calls) == 4
    assert run("infer", trained_copy, location)["recomputed"] == PARTITIONS - 3
    assert but_properties(published(open_store(location))) == but_properties(on_disk(finished))


def test_stores_that_hold_no_collection_or_cannot_hold_a_run(trained_copy, location, monkeypatch, capsys):
    for place in ("s3://survey/empty/sky", "s3://missing/sky"):
        assert command("infer", trained_copy, place) == 2
        assert f"{place} holds no collection" in capsys.readouterr().err
    assert command("infer", trained_copy, "s3://key:secret@survey/sky") == 2
    assert "secret" not in (error := capsys.readouterr().err)
    assert "without credentials" in error
    assert command("summarise", trained_copy, location) == 2
    assert "has no 'predictions'" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        create = ObjectStore.create
        patch.setattr(ObjectStore, "create", lambda *given: create(*given) or True)
        assert command("infer", trained_copy, location) == 2
    assert "ignores If-None-Match" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "s3fs", None)
        assert command("infer", trained_copy, location) == 2
    assert "pip install 'jpasbatch[s3]'" in capsys.readouterr().err
    assert not [key for key in sorted(open_store(location).keys()) if key.startswith((".runs", ".staging"))]


@pytest.mark.slow
def test_precision_is_measured_from_the_store(trained_copy, location):
    if not has_bfloat16():
        pytest.skip("needs a processor with bfloat16")
    job = trained_copy / "tiny.toml"
    job.write_text(job.read_text() + '\n[inference]\nprecision = "bfloat16"\n')
    assert run("infer", trained_copy, location)["precision"]["rows"] > 0


@pytest.mark.slow
# lsdb sets an option, when it is imported, that pandas 3.1 deprecates; nested-pandas passes on a keyword that pandas
# 3.1 deprecates; an extension has no margin and needs none.
@pytest.mark.filterwarnings("ignore:Right catalog does not have a margin cache:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_the_collection_there(finished, trained_copy, location, local):
    import lsdb

    run("infer", trained_copy, location)
    place = UPath(location, anon=False)
    here, there = (
        lsdb.open_catalog(sky).load_extension("predictions").compute(progress_bar=False)
        for sky in (finished / "sky", place)
    )
    columns = ["object_id", "probability_qso_high", "predicted_class"]
    assert there[columns].equals(here[columns])
    assert len(there) == json.loads((finished / "summary.json").read_text())["rows"]["out"]


@pytest.mark.slow
def test_the_observed_area_reaches_workers_that_have_the_store_alone(finished, trained_copy, location, local):
    ra, dec = positions_of(finished)
    box = (float(np.median(ra)), float(ra.max()) + 0.01, float(dec.min()) - 0.01, float(dec.max()) + 0.01)
    field = write_box(trained_copy / "field.csv", box)
    with_tables(trained_copy, f'[area]\nkind = "regions"\nfile = "{field}"')
    for stage in ("infer", "correct", "summarise"):
        run(stage, trained_copy, location, local)
    counts = told(trained_copy)["counts"]
    assert counts["objects"] == (ra > box[0]).sum()
    assert counts["objects"] + counts["outside_area"] == len(ra)
    assert [key for key in open_store(location).keys(".runs") if "/coverage/" in key]


@pytest.mark.slow
def test_the_committee_of_ranges_reaches_workers_that_have_the_store_alone(
    trained_copy, location, local, survey
):
    second = write_committee(trained_copy / "second", survey)
    with_tables(trained_copy, f'[redshifts]\nartefact = "{second}"\nminimum_probability = 0.4\n')
    for stage in ("infer", "correct", "summarise"):
        run(stage, trained_copy, location, local)
    summary = json.loads((trained_copy / "summary.json").read_text())
    assert summary["redshifts"]["all"]["candidates"] > 0
    committees = {key.split("/")[1] for key in open_store(location).keys("committee")}
    assert len(committees) == 2
    assert run("summarise", trained_copy, location)["files"]["counts/redshifts.ecsv"]
