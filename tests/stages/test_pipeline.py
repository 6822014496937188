"""The whole pipeline on a tiny sky: nothing lost, nothing mixed, nothing recomputed, nothing damaged published."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog, is_valid_collection

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import GapsError, InputError
from jpasbatch.products.record import Quality, count_quality
from jpasbatch.products.report import Report
from jpasbatch.stages.pipeline import needed_stages, run_stage
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from tests.crash.judgement import data_files
from tests.stages.tiny_run import serial, workspace_of, write_job

PARTITIONS = 6  # at least


def infer(folder: Path, executor: Executor | None = None, job: Path | None = None, allow_gaps: bool = False):
    return run_stage("infer", workspace_of(folder, job, allow_gaps), executor or serial())


def predictions_of(folder: Path) -> Catalogue:
    return open_catalogue(current_extension(folder / "sky", "predictions"))


def all_rows(catalogue: Catalogue) -> pa.Table:
    return pa.concat_tables([read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels])


def flip(path: Path, share: float = 0.5) -> None:
    """Invert one byte of a file, without touching another name of its contents."""
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 0xFF
    path.write_bytes(data)


def traces(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of every file that readers see."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in ("lease", ".writer.lease"):
            found[path.relative_to(folder).as_posix()] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def local() -> Executor:
    with open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor:
        yield executor


@pytest.fixture
def plain_report(monkeypatch: pytest.MonkeyPatch) -> str:
    """Leave the figures out, which take most of the time of summarise; return the page."""
    page = "<!doctype html><title>without figures</title>"
    monkeypatch.setattr("jpasbatch.stages.summarise.publishing.make_report", lambda content: Report(page, {}))
    return page


def test_no_row_is_lost(finished):
    records = {
        name: workspace_of(finished).require(name) for name in ("mock", "ingest", "infer", "summarise")
    }
    ingest, inference = records["ingest"], records["infer"]
    assert records["mock"]["rows"]["survey"] == ingest["rows_in"]
    assert ingest["rows_in"] == ingest["rows_out"] + ingest["quarantined"]
    assert ingest["rows_out"] == inference["rows_in"] == inference["rows_out"] + inference["quarantined"]
    assert ingest["quarantined"] == sum(ingest["reasons"].values()) > 0
    assert inference["partitions"] == inference["recomputed"] >= PARTITIONS
    quarantine = [pq.read_table(path) for path in sorted((finished / "quarantine").glob("*.parquet"))]
    rejected = pa.concat_tables(quarantine)
    assert rejected.num_rows == ingest["quarantined"] + inference["quarantined"]
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["rows"]["in"] == summary["rows"]["out"] + summary["rows"]["quarantined"]
    rows = all_rows(predictions_of(finished))
    assert count_quality(rows, Quality.FEW_BANDS) == inference["few_bands"] == summary["rows"]["few_bands"]
    kept = rows["object_id"].to_pylist()
    assert len(set(kept)) == len(kept)
    assert not set(kept) & set(rejected["object_id"].to_pylist())


def test_predictions_are_of_the_catalogue_and_sum_to_one(finished):
    photometry, predictions = open_catalogue(finished / "sky"), predictions_of(finished)
    assert is_valid_catalog(predictions.path, strict=True)
    assert is_valid_collection(finished / "sky", strict=True)
    assert predictions.pixels == photometry.pixels
    rows = all_rows(predictions)
    assert rows["object_id"].equals(all_rows(photometry)["object_id"])
    classes = [name for name in rows.column_names if name.startswith("probability_")]
    probabilities = np.column_stack([rows[name].to_numpy() for name in classes])
    assert probabilities.min() >= 0
    assert np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1).max() < 1e-6
    best = np.array([name.removeprefix("probability_") for name in classes])[probabilities.argmax(axis=1)]
    assert rows["predicted_class"].to_pylist() == best.tolist()


# lsdb 0.11.1 sets an option, when it is imported, that pandas 3.1 deprecates; nested-pandas 0.7.2 passes on a
# keyword that pandas 3.1 deprecates, whenever lsdb drops a column.
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_the_predictions(finished, local):
    import lsdb

    frame = lsdb.open_catalog(predictions_of(finished).path).compute(progress_bar=False)
    assert len(frame) == workspace_of(finished).require("infer")["rows_out"]
    assert {"object_id", "probability_qso_high", "predicted_class", "entropy"} <= set(frame.columns)


def test_serial_and_parallel_runs_are_equal_byte_by_byte(finished, trained_copy, local):
    record = infer(trained_copy, local)
    run_stage("correct", workspace_of(trained_copy), local)
    summary = run_stage("summarise", workspace_of(trained_copy), local)
    one, other = predictions_of(finished), predictions_of(trained_copy)
    assert record["recomputed"] == len(one.pixels)
    assert one.name == other.name
    assert data_files(one.path) == data_files(other.path)
    before = workspace_of(finished).require("summarise")
    assert (summary["counts"], summary["targets"]) == (before["counts"], before["targets"])
    assert _tallies(finished) == _tallies(trained_copy)
    values = [json.loads((folder / "summary.json").read_text()) for folder in (finished, trained_copy)]
    for key in ("rows", "counts", "scores", "targets", "validation", "fingerprints"):
        assert values[0][key] == values[1][key], key


def _tallies(folder: Path) -> dict[str, str]:
    files = sorted((folder / "work" / "summarise").glob("*/tallies/*.json"))
    assert len(files) >= PARTITIONS
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_second_run_computes_and_rewrites_nothing(finished_copy):
    before = traces(finished_copy)
    assert infer(finished_copy)["recomputed"] == 0
    run_stage("summarise", workspace_of(finished_copy), serial())
    assert traces(finished_copy) == before


def test_a_lost_stage_record_costs_no_partition(finished_copy):
    version = predictions_of(finished_copy)
    before = traces(version.path)
    (finished_copy / "work" / "infer.json").unlink()
    assert infer(finished_copy)["recomputed"] == 0
    assert predictions_of(finished_copy).name == version.name
    assert traces(version.path) == before


@pytest.mark.parametrize(("seed", "members"), [(8, 2), (7, 1)])
def test_another_committee_is_another_version(finished_copy, tmp_path, seed, members):
    old = predictions_of(finished_copy)
    before = data_files(old.path)
    job = write_job(tmp_path / "other.toml", seed, members)
    run_stage("train", workspace_of(finished_copy, job), serial())
    record = infer(finished_copy, job=job)
    new = predictions_of(finished_copy)
    assert new.name != old.name
    assert record["recomputed"] == len(new.pixels)
    assert data_files(old.path) == before  # the old version stays
    assert not set(before.values()) & set(data_files(new.path).values())  # and no file of it is in the new
    provenance = json.loads((new.path / "provenance.json").read_text())["provenance"]
    assert len(provenance["committee"]["members"]) == members


def test_going_back_to_a_job_publishes_its_version_again(finished_copy, tmp_path):
    old = predictions_of(finished_copy)
    before = traces(old.path)
    other = write_job(tmp_path / "other.toml", members=1)
    run_stage("train", workspace_of(finished_copy, other), serial())
    infer(finished_copy, job=other)
    run_stage("train", workspace_of(finished_copy), serial())
    assert infer(finished_copy)["recomputed"] == 0
    assert predictions_of(finished_copy).name == old.name
    assert traces(old.path) == before


@pytest.fixture
def interrupted(trained_copy) -> Path:
    """Return a folder in which every partition is committed, and nothing is published."""
    infer(trained_copy)
    shutil.rmtree(predictions_of(trained_copy).path)
    (trained_copy / "work" / "infer.json").unlink()
    return trained_copy


@pytest.mark.parametrize("damage", ["delete", "flip", "truncate"])
def test_damaged_staged_files_are_computed_again(interrupted, finished, damage):
    staged = sorted((interrupted / "sky" / ".staging").rglob("*.parquet"))[2]
    if damage == "delete":
        staged.unlink()
    elif damage == "flip":
        flip(staged)
    else:
        staged.write_bytes(staged.read_bytes()[:-100])
    assert infer(interrupted)["recomputed"] == 1
    assert predictions_of(interrupted).name == predictions_of(finished).name
    assert data_files(predictions_of(interrupted).path) == data_files(predictions_of(finished).path)


def test_damage_after_the_look_back_is_not_published(interrupted, monkeypatch):
    from jpasbatch.stages.run import site as module

    publish = module.publish_extension

    def damage_and_publish(*arguments):
        flip(sorted((interrupted / "sky" / ".staging").rglob("*.parquet"))[0])
        return publish(*arguments)

    monkeypatch.setattr(module, "publish_extension", damage_and_publish)
    with pytest.raises(InputError, match="changed after it was committed"):
        infer(interrupted)
    with pytest.raises(InputError):
        predictions_of(interrupted)
    monkeypatch.undo()
    assert infer(interrupted)["recomputed"] == 1


def test_a_damaged_commit_is_an_error_that_says_what_to_do(interrupted):
    record = sorted((interrupted / "work" / "infer").glob("*/ledger/*.json"))[0]
    flip(record)
    with pytest.raises(InputError, match=r"ledger record .* is damaged.*Delete that file"):
        infer(interrupted)
    record.unlink()
    assert infer(interrupted)["recomputed"] == 1


def test_a_deleted_published_file_is_noticed(finished_copy):
    version = predictions_of(finished_copy)
    version.partition_path(*version.pixels[1]).unlink()
    assert infer(finished_copy)["recomputed"] == 0  # the staged file was whole
    assert is_valid_catalog(version.path, strict=True)


def test_a_flipped_published_file_is_noticed_by_who_reads_it(finished_copy):
    version = predictions_of(finished_copy)
    flip(version.partition_path(*version.pixels[1]), 0.2)  # within the probabilities, which products read
    (finished_copy / "work" / "summarise.json").unlink()
    shutil.rmtree(finished_copy / "work" / "summarise")
    with pytest.raises(InputError, match="1 of the partitions could not be processed"):
        run_stage("summarise", workspace_of(finished_copy), serial())


@pytest.mark.parametrize("kind", ["tallies/*.json", "targets-0/*.parquet"])
@pytest.mark.parametrize("damage", ["delete", "flip"])
def test_damaged_tallies_are_made_again(finished_copy, finished, plain_report, kind, damage):
    part = sorted((finished_copy / "work" / "summarise").glob(f"*/{kind}"))[0]
    if damage == "delete":
        part.unlink()
    else:
        flip(part)
    (finished_copy / "work" / "summarise.json").unlink()
    found = run_stage("summarise", workspace_of(finished_copy), serial())
    before = workspace_of(finished).require("summarise")
    assert (found["counts"], found["targets"]) == (before["counts"], before["targets"])
    assert _tallies(finished_copy) == _tallies(finished)


def test_a_changed_product_is_made_again(finished_copy, plain_report):
    flip(finished_copy / "report.html")
    run_stage("summarise", workspace_of(finished_copy), serial())
    assert (finished_copy / "report.html").read_text() == plain_report


def damage_photometry(folder: Path) -> tuple[Path, int]:
    """Damage one partition of the photometry and return it, with its number of rows."""
    catalogue = open_catalogue(folder / "sky")
    path = catalogue.partition_path(*catalogue.pixels[0])
    rows = pq.read_metadata(path).num_rows
    flip(path)
    return path, rows


@pytest.mark.parametrize("parallel", [False, True])
def test_gaps_are_published_only_on_demand(trained_copy, request, plain_report, parallel):
    executor = request.getfixturevalue("local") if parallel else serial()
    path, lost = damage_photometry(trained_copy)
    with pytest.raises(GapsError, match=r"1 of \d+ partitions .* nothing was published") as caught:
        infer(trained_copy, executor)
    assert caught.value.exit_code == 3
    with pytest.raises(InputError, match="no 'predictions'"):
        predictions_of(trained_copy)
    assert not list((trained_copy / "sky").glob("predictions*"))
    with pytest.raises(InputError):
        run_stage("summarise", workspace_of(trained_copy), executor)
    record = infer(trained_copy, executor, allow_gaps=True)
    assert (record["gaps"], record["recomputed"], record["quarantined"]) == (1, 0, lost)
    assert record["rows_in"] == record["rows_out"] + lost
    published = predictions_of(trained_copy)
    assert published.rows == record["rows_out"]
    assert is_valid_catalog(published.path, strict=True)
    run_stage("correct", workspace_of(trained_copy), executor)
    summary = run_stage("summarise", workspace_of(trained_copy), executor)
    assert summary["rows_out"] == published.rows
    flip(path)  # the same byte again: repaired
    record = infer(trained_copy, executor)
    assert (record["gaps"], record["recomputed"], record["quarantined"]) == (0, 1, 0)
    assert predictions_of(trained_copy).rows == published.rows + lost


def test_a_damaged_committee_is_refused(trained_copy):
    flip(next((trained_copy / "committee").glob("*/committee.onnx")))
    with pytest.raises(InputError, match=r"committee\.onnx is not the graph"):
        infer(trained_copy)


def test_stages_say_which_stage_is_missing(tmp_path):
    workspace = workspace_of(tmp_path, write_job(tmp_path / "tiny.toml"))
    with pytest.raises(InputError, match="no finished 'mock' yet"):
        run_stage("ingest", workspace, serial())
    with pytest.raises(InputError, match="no finished 'train' yet"):
        run_stage("infer", workspace, serial())
    assert needed_stages(workspace) == ("mock", "ingest", "train", "infer", "correct", "summarise")
    with pytest.raises(ValueError, match="no stage 'publish'"):
        run_stage("publish", workspace, serial())


def test_the_target_list_reads_back(finished):
    from astropy.io import fits

    (path,) = (finished / "targets").glob("*.fits")
    with fits.open(path, checksum=True) as hdus:  # a wrong checksum is a warning, and so an error here
        assert all({"CHECKSUM", "DATASUM"} <= set(hdu.header) for hdu in hdus)
        for hdu in hdus:
            assert hdu.verify_checksum() == hdu.verify_datasum() == 1
        hdus.verify("exception")
        targets = hdus[1].data
        names = [name.strip() for name in targets["TARGID"]]
    rows = all_rows(open_catalogue(current_extension(finished / "sky", "posteriors")))
    chosen = rows.filter(pc.not_equal(rows["object_id"], ""))
    assert len(names) == len(set(names)) == workspace_of(finished).require("summarise")["targets"][path.name]
    assert 0 < len(names) <= chosen.num_rows
    assert set(names) <= set(chosen["object_id"].to_pylist())


def test_the_report_is_one_file(finished):
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert len(page) > 10_000
    assert "<script" not in page.lower()
    places = re.findall(r"""\b(?:src|srcset|href|data|action)\s*=\s*["']?([^"'\s>]+)""", page)
    assert any(place.startswith("data:image/") for place in places)
    # but for links that a reader may follow, to tables beside the page
    beside = set(re.findall(r"""<a href="((?:counts|expected|reliability|report|targets)/[^"]+)">""", page))
    linked = {place for place in places if not place.startswith(("data:", "#"))}
    assert linked == beside | {"provenance.json"}  # which a run writes after all of its stages
    assert all((finished / name).is_file() for name in beside)
    assert re.findall(r"""<(?:link|iframe|object|embed|base)\b[^>]*>""", page, flags=re.IGNORECASE) == [
        '<link rel="icon" href="data:,">'
    ]
    assert not re.findall(r"url\(\s*[\"']?(?!data:|#)", page)
    assert not re.findall(r"@import", page)
    for text in (
        "A tiny sky",
        "the committee's own sum",
        "flags",
        "mask_flags",
        predictions_of(finished).name,
    ):
        assert text in page
