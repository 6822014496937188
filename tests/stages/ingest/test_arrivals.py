"""What arrives later: only what it touches is made again, and nothing that was there is lost or rewritten."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog

from jpasbatch.cli import main
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.keep.prune import prune
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.pruning import Retention
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.tables.tables import write_cefca_tile
from tests.stages.tiny_run import serial

JOB = """
name   = "growing"
survey = "jpas60"

[classes]
star     = {{ truth = ["star"] }}
galaxy   = {{ truth = ["galaxy"] }}
qso_low  = {{ truth = ["qso"], redshift = [0.0, 2.1] }}
qso_high = {{ truth = ["qso"], redshift = [2.1, 10.0] }}

[catalogue]
input = "{{data}}/tiles"

[catalogue.partitions]
pixel_threshold = 400
highest_order   = 7
lowest_order    = 2
# hats-import walks the edges of partitions in steps of the margin: three million of the usual 5"
margin_arcsec   = 60.0

[committee]
artefact = "{committee}"

[prior]
redraws = 2

[counts]
classes       = ["qso_high"]
band_role     = "g"
brighter_than = 23.0
area_deg2     = 10.0

[[targets]]
classes         = ["qso_high"]
min_probability = 0.2
"""


def write_tile(folder: Path, tile: int, ra: float, rows: int = 300, first: int = 1, bad: int = 0) -> Path:
    """Write a tile of two square degrees; ids follow from ``first``, and fluxes from tile, position and id."""
    survey = load_survey("jpas60")
    rng = np.random.default_rng([tile, int(ra * 10), first])
    flux = rng.lognormal(1.0, 1.0, (rows, 1)) * rng.lognormal(0.0, 0.3, (rows, 60))
    flux[:bad, survey.reference_index] = -1.0
    columns = {
        "tile_id": np.full(rows, tile),
        "number": np.arange(first, first + rows),
        "ra": ra + 2 * rng.random(rows),
        "dec": 40 + rng.random(rows),
        "flux": flux,
        "flux_err": 0.05 * np.abs(flux),
        "flags": np.zeros(rows, int),
        "mask_flags": np.zeros(rows, int),
        "class_star": rng.random(rows),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tile}-{int(ra * 10)}-{first}.fits"
    write_cefca_tile(path, columns, survey)
    return path


STAGES = ("ingest", "infer", "correct", "summarise")
SKY = ("ingest", "infer")
"""What most of these tests look at: the stages behind them take most of an update's time."""


def update(folder: Path, incremental: bool = True, executor=None, stages=STAGES) -> dict[str, dict]:
    """Run stages of the job and return their records."""
    workspace = open_workspace(folder / "job.toml", folder / "run", folder)
    workspace = replace(workspace, incremental=incremental)
    with workspace.prepare():
        return {stage: run_stage(stage, workspace, executor or serial()) for stage in stages}


def test_who_borrows_a_committee_is_warned_of_it(grown_from):
    told = json.loads((grown_from / "run" / "summary.json").read_text())
    assert any("analytic toys" in text for text in told["warnings"])
    assert "analytic toys" in (grown_from / "run" / "report.html").read_text()
    assert not any("class mix" in text for text in told["warnings"])  # that of the sky is found
    assert all(0.2 < share < 0.3 for share in told["class_mix"]["learnt"].values())
    assert sum(told["class_mix"]["sky"].values()) == pytest.approx(1.0, abs=1e-4)


def photometry(folder: Path):
    return open_catalogue(folder / "run" / "sky")


def predictions(folder: Path):
    return open_catalogue(current_extension(folder / "run" / "sky", "predictions"))


def rows_of(catalogue) -> dict[str, dict]:
    tables = [pq.read_table(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    rows = [row for table in tables for row in table.to_pylist()]
    # NaN is not equal to itself; its text is
    return {row["object_id"]: {key: str(value) for key, value in row.items()} for row in rows}


def files_of(catalogue) -> dict[Path, tuple[str, int]]:
    paths = [catalogue.partition_path(*pixel) for pixel in catalogue.pixels]
    return {path.relative_to(catalogue.path): (sha256_file(path), path.stat().st_ino) for path in paths}


def check_whole(folder: Path, ingest: dict) -> None:
    """Check what any update must leave: a valid sky, and every row in it or in quarantine."""
    for catalogue in (photometry(folder), predictions(folder)):
        assert is_valid_catalog(catalogue.path, strict=True)
    refused = pq.read_table(folder / "run" / "quarantine" / f"ingest-{ingest['fingerprint'][:12]}.parquet")
    assert refused.num_rows == ingest["quarantined"] == sum(ingest["reasons"].values())
    assert ingest["rows_in"] == ingest["rows_out"] + ingest["quarantined"]
    assert len(rows_of(photometry(folder))) == ingest["rows_out"] == len(rows_of(predictions(folder)))


def test_a_new_tile_touches_its_own_partitions_only(growing):
    before = {
        catalogue.name: files_of(catalogue) for catalogue in (photometry(growing), predictions(growing))
    }
    write_tile(growing / "tiles", 3, 181.0)
    records = update(growing, stages=SKY)
    check_whole(growing, records["ingest"])
    after = [photometry(growing), predictions(growing)]
    for (name, old), new in zip(before.items(), after, strict=True):
        assert new.name != name
        kept = [path for path in old if path in files_of(new) and files_of(new)[path] == old[path]]
        assert 0 < len(kept) < len(old)  # the same bytes in the same place on the disk
    touched = len(set(files_of(after[0]).values()) - set(before[next(iter(before))].values()))
    assert records["infer"]["recomputed"] == touched == records["ingest"]["new_partitions"]
    assert records["infer"]["changed"] == ["catalogue"]


CLUSTERS = [SerialCluster(), pytest.param(LocalCluster(workers=2), marks=pytest.mark.slow)]


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["serial", "local"])
def test_a_grown_catalogue_holds_what_a_new_one_would(growing, tmp_path, cluster):
    write_tile(growing / "tiles", 3, 181.0)
    write_tile(growing / "tiles", 4, 150.0)  # where there was nothing
    write_tile(growing / "tiles", 5, 180.0, rows=900)  # more than a partition takes
    with open_cluster(cluster) as executor:
        records = update(growing, executor=executor, stages=SKY)
    check_whole(growing, records["ingest"])
    grown = rows_of(photometry(growing))
    afresh = tmp_path / "afresh"
    afresh.mkdir()
    (afresh / "tiles").symlink_to(growing / "tiles")
    (afresh / "job.toml").write_text((growing / "job.toml").read_text())
    update(afresh, incremental=False, stages=SKY)
    assert rows_of(photometry(afresh)) == grown
    assert rows_of(predictions(afresh)) == rows_of(predictions(growing))
    assert (
        max(len(pq.read_table(path)) for path in (photometry(growing).path / "dataset").rglob("Npix=*"))
        <= 400
    )


def test_one_new_object_costs_one_partition(growing):
    write_tile(growing / "tiles", 9, 200.0, rows=1)
    records = update(growing, stages=SKY)
    check_whole(growing, records["ingest"])
    assert records["ingest"]["new_partitions"] == records["infer"]["recomputed"] == 1
    assert records["infer"]["partitions"] > 1


def test_later_rows_supersede_earlier_ones_wherever_they_lie(growing):
    old = rows_of(photometry(growing))
    write_tile(growing / "tiles", 1, 200.5, rows=10, first=5)  # ten objects of tile 1, seen elsewhere
    records = update(growing, stages=SKY)
    check_whole(growing, records["ingest"])
    new = rows_of(photometry(growing))
    moved = [name for name in new if float(new[name]["ra"]) > 195 > float(old[name]["ra"])]
    assert len(moved) == 10
    assert records["ingest"]["reasons"]["superseded"] == 10
    assert new.keys() == old.keys()


def test_nothing_new_means_nothing_done(growing):
    traces = {path: path.stat().st_mtime_ns for path in (growing / "run").rglob("*") if path.is_file()}
    records = update(growing)
    assert records["infer"]["recomputed"] == records["ingest"]["new_partitions"] == 0
    after = {path: path.stat().st_mtime_ns for path in (growing / "run").rglob("*") if path.is_file()}
    assert {path for path in after if traces.get(path) != after[path]} == {growing / "run" / "work" / "lease"}


def test_other_targets_recompute_no_partition(growing):
    job = growing / "job.toml"
    job.write_text(job.read_text().replace("min_probability = 0.2", "min_probability = 0.6"))
    records = update(growing)
    assert records["infer"]["recomputed"] == records["ingest"]["new_partitions"] == 0
    assert records["summarise"]["targets"]


def test_a_full_run_after_an_update_finds_nothing_to_do(growing):
    write_tile(growing / "tiles", 3, 181.0)
    update(growing, stages=SKY)
    name = photometry(growing).name
    records = update(growing, incremental=False, stages=SKY)
    assert records["ingest"]["new_partitions"] == records["infer"]["recomputed"] == 0
    assert photometry(growing).name == name


@pytest.mark.parametrize("event", [pytest.param("changed", marks=pytest.mark.slow), "gone"])
def test_a_file_that_changes_or_goes_touches_its_own_partitions_only(growing, event):
    before = files_of(predictions(growing))
    tile = sorted((growing / "tiles").glob("1-*"))[0]
    tile.unlink()
    if event == "changed":
        write_tile(growing / "tiles", 1, 180.0, rows=250)
    records = update(growing)
    check_whole(growing, records["ingest"])
    assert len(rows_of(photometry(growing))) == (550 if event == "changed" else 300)
    after = files_of(predictions(growing))
    kept = [path for path in before if after.get(path) == before[path]]
    assert 0 < len(kept) < len(before)
    assert records["infer"]["recomputed"] == records["ingest"]["new_partitions"] == len(after) - len(kept)
    summary = json.loads((growing / "run" / "summary.json").read_text())
    assert summary["rows"]["out"] == len(rows_of(photometry(growing)))


@pytest.mark.parametrize("lost", [pytest.param("told by no record", marks=pytest.mark.slow), "damaged"])
def test_where_nobody_knows_whose_rows_are_whose_all_is_ingested_anew(growing, lost, caplog):
    path = growing / "run" / "work" / "ingest.json"
    record = json.loads(path.read_text())
    if lost == "damaged":
        table = growing / "run" / record["sources"]["2-2000-1.fits"]["table"]
        table.write_bytes(table.read_bytes()[:-1])
    else:  # as older versions recorded it
        del record["sources"]
        path.write_text(json.dumps(record))
    write_tile(growing / "tiles", 3, 181.0)
    assert update(growing)["ingest"]["new_partitions"] < len(
        photometry(growing).pixels
    )  # a new file still grows it
    (growing / "tiles" / "1-1800-1.fits").unlink()
    with caplog.at_level("INFO", "jpasbatch"):
        records = update(growing, stages=SKY)
    check_whole(growing, records["ingest"])
    assert "the whole catalogue, because 1-1800-1.fits is gone, and an older version" in caplog.text
    assert len(rows_of(photometry(growing))) == 600
    assert records["infer"]["recomputed"] < records["infer"]["partitions"]  # tile 2 lies elsewhere
    (growing / "tiles" / "3-1810-1.fits").unlink()
    assert update(growing)["ingest"]["touched"]["gone"]  # from now on it is known


def test_a_killed_update_leaves_the_old_version_and_goes_on(growing, monkeypatch):
    from jpasbatch.stages.ingest import arrivals

    before = (photometry(growing).name, rows_of(photometry(growing)))
    write_tile(growing / "tiles", 3, 181.0)
    publish = arrivals.publish_primary
    monkeypatch.setattr(arrivals, "publish_primary", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        update(growing, stages=SKY)
    assert (photometry(growing).name, rows_of(photometry(growing))) == before
    monkeypatch.setattr(arrivals, "publish_primary", publish)
    made = []
    grow = arrivals.grow_partition
    monkeypatch.setattr(
        arrivals, "grow_partition", lambda *arguments: made.append(arguments) or grow(*arguments)
    )
    check_whole(growing, update(growing, stages=SKY)["ingest"])
    assert made == []  # all partitions were committed


def test_the_verb(growing, capsys):
    write_tile(growing / "tiles", 3, 181.0)
    assert (
        main(
            [
                "update",
                str(growing / "job.toml"),
                "--output",
                str(growing / "run"),
                "--data",
                str(growing),
                "--serial",
            ]
        )
        == 0
    )
    assert "changed (catalogue)" in capsys.readouterr().out


@pytest.mark.slow
def test_pruning_between_updates_costs_nothing_that_is_needed(growing):
    write_tile(growing / "tiles", 3, 181.0)
    update(growing)
    old = sorted(path.name for path in (growing / "run" / "sky").glob("photometry-*") if path.is_dir())
    workspace = open_workspace(growing / "job.toml", growing / "run", growing)
    pruned = prune(workspace, Retention(0.0))
    assert pruned.bytes_after < pruned.bytes_before
    left = sorted(path.name for path in (growing / "run" / "sky").glob("photometry-*") if path.is_dir())
    assert set(left) < set(old)
    write_tile(growing / "tiles", 4, 150.0)
    records = update(growing)
    check_whole(growing, records["ingest"])
    assert (
        records["infer"]["recomputed"] == records["ingest"]["new_partitions"] < records["infer"]["partitions"]
    )
