"""Tiles that overlap: one row an object in the catalogue, and every other row beside it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.overlaps import OverlapOptions
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import catalogue_schema
from jpasbatch.stages.ingest import overlaps
from jpasbatch.stages.ingest.overlaps import resolve_overlaps
from jpasbatch.stages.ingest.reading import CheckedTable
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.run.commits import Run
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.artefacts import committee_version
from jpasbatch.storage.tables.cefca_tiles import write_cefca_tile
from tests.stages.ingest.test_arrivals import JOB as WHOLE_JOB
from tests.stages.tiny_run import serial

pytestmark = pytest.mark.usefixtures("unchanged_process")

TILES, WIDTH, OVERLAP, SCATTER = 5, 0.25, 0.08, 0.1
"""Tiles side by side, deg, the share of each that the next one covers too, and arcsec by which positions differ."""

SECTION = CatalogueSection(overlaps=OverlapOptions())


def make_sky(objects: int, seed: int = 1, north: float = 30.0) -> dict[str, np.ndarray]:
    """Return objects spread over all tiles, across the wrap of right ascension."""
    rng = np.random.default_rng(seed)
    survey = load_survey("jpas60")
    length = TILES * WIDTH
    flux = rng.lognormal(1.0, 1.0, (objects, 1)) * rng.lognormal(0.0, 0.3, (objects, len(survey.bands)))
    return {
        "east": rng.uniform(0, length, objects),
        "dec": north + rng.uniform(0, WIDTH, objects),
        "flux": flux.astype(np.float32),
    }


def observe(
    sky: dict[str, np.ndarray], tile: int, overlap: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return which objects a tile sees, and where: its own scatter for each of them."""
    rng = np.random.default_rng([7, tile])
    first, last = tile * WIDTH, (tile + 1 + overlap) * WIDTH
    seen = np.flatnonzero((sky["east"] >= first) & (sky["east"] < last))
    scatter = rng.normal(0, SCATTER / 3600, (2, len(seen))) * (overlap > 0)
    dec = sky["dec"][seen] + scatter[1]
    ra = (359.5 + sky["east"][seen] + scatter[0] / np.cos(np.radians(dec))) % 360
    return seen, {"ra": ra, "dec": dec, "flux": sky["flux"][seen]}


def write_canonical(
    folder, name: str, tile: int, seen: np.ndarray, rows: dict[str, np.ndarray]
) -> CheckedTable:
    """Write accepted rows as the stage does; ids hold the object, so that the truth is known."""
    survey, number = load_survey("jpas60"), len(seen)
    schema = catalogue_schema(survey)
    vector = pa.FixedSizeListArray.from_arrays(pa.array(rows["flux"].ravel()), len(survey.bands))
    content = {
        "object_id": [f"{tile}-{one}" for one in seen],
        "ra": rows["ra"],
        "dec": rows["dec"],
        "flux": vector,
        "flux_err": vector,
        "tile": [str(tile)] * number,
        "true_class": pa.nulls(number, pa.string()),
    }
    nothing = {
        "flags": np.int32,
        "mask_flags": np.int32,
        "class_star": np.float32,
        "true_redshift": np.float32,
    }
    content |= {column: np.zeros(number, kind) for column, kind in nothing.items()}
    table = pa.table(
        {
            field.name: pa.array(content[field.name], field.type)
            for field in schema
            if field.name[:4] != "flux"
        }
    )
    for place, column in ((3, "flux"), (4, "flux_err")):
        table = table.add_column(place, schema.field(column), vector.cast(schema.field(column).type))
    path = folder / "accepted" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.cast(schema), path, use_dictionary=False)
    return accepted_rows(name, f"{name} of the survey", number)


def accepted_rows(name: str, source: str, rows: int) -> CheckedTable:
    return CheckedTable(name=name, source=source, rows=rows, accepted=rows, reasons={}, values={}, notes=())


def resolve(folder, order=tuple(range(TILES)), overlap=OVERLAP, objects=2500, in_one_file=False):
    """Resolve the tiles of a sky, given in some order; return kept and dropped rows, each sorted by id."""
    sky, records = make_sky(objects), []
    for number, tile in enumerate(order):
        records.append(write_canonical(folder, f"{number}.parquet", tile, *observe(sky, tile, overlap)))
    if in_one_file:
        tables = [pq.read_table(folder / "accepted" / record.name) for record in records]
        pq.write_table(pa.concat_tables(tables), folder / "accepted" / "all.parquet", use_dictionary=False)
        rows = sum(record.accepted for record in records)
        records = [accepted_rows("all.parquet", "all", rows)]
    run = Run(str(folder), ".")
    with open_cluster(SerialCluster()) as executor:
        resolved = resolve_overlaps(records, "jpas60", SECTION, run, executor)
    left = sum(record.accepted for record in resolved.records)
    assert left + resolved.rows == sum(record.accepted for record in records)
    kept = pa.concat_tables(pq.read_table(folder / "accepted" / one.name) for one in resolved.records)
    parts = [pq.read_table(path) for path in resolved.dropped]
    dropped = pa.concat_tables(parts) if parts else kept.slice(0, 0)
    return kept.sort_by("object_id"), dropped.sort_by("object_id")


def objects_of(identifiers: pa.ChunkedArray) -> list[int]:
    return [int(one.split("-")[1]) for one in identifiers.to_pylist()]


def test_completeness_and_purity_of_five_tiles(tmp_path):
    kept, dropped = resolve(tmp_path)
    objects = objects_of(kept["object_id"])
    # completeness: objects that are doubled no more; purity: dropped rows that are the object that stands for them
    doubled = 0.08 * 4 / 5 * 2500
    assert len(objects) - len(set(objects)) <= 0.001 * doubled
    right = np.equal(objects_of(dropped["object_id"]), objects_of(dropped["kept_id"]))
    assert right.mean() >= 0.999
    assert len(dropped) == pytest.approx(doubled, rel=0.3)
    assert set(objects) == set(range(2500))
    assert max(dropped["separation_arcsec"].to_pylist()) <= 0.6
    assert set(dropped["source"].to_pylist()) <= {f"{tile}.parquet of the survey" for tile in range(TILES)}
    linked = {
        one: row
        for row, ids in zip(*(kept[name].to_pylist() for name in ("object_id", "other_ids")), strict=True)
        for one in ids
    }
    assert linked == dict(zip(dropped["object_id"].to_pylist(), dropped["kept_id"].to_pylist(), strict=True))


def test_neither_order_nor_zones_nor_files_change_the_outcome(tmp_path, monkeypatch):
    kept, dropped = resolve(tmp_path / "a", objects=1000)
    for number, (order, zone, in_one_file) in enumerate(
        [((4, 2, 0, 1, 3), 0.25, False), ((0, 1, 2, 3, 4), 0.02, False), ((1, 0, 3, 2, 4), 0.25, True)]
    ):
        monkeypatch.setattr(overlaps, "ZONE_DEGREES", zone)
        again, lost = resolve(tmp_path / str(number), order, objects=1000, in_one_file=in_one_file)
        assert again.equals(kept)
        assert lost.drop(["source"]).equals(dropped.drop(["source"]))


def test_a_sky_without_overlap_stays_as_it_is(tmp_path):
    kept, dropped = resolve(tmp_path, overlap=0.0)
    assert len(dropped) == 0
    assert len(kept) == 2500
    assert set(map(len, kept["other_ids"].to_pylist())) == {0}


def test_tables_of_which_nothing_is_left_are_left_to_the_import(tmp_path):
    sky = make_sky(10)
    seen, rows = observe(sky, 0, 0.0)
    record = write_canonical(tmp_path, "0.parquet", 0, seen[:0], {name: rows[name][:0] for name in rows})
    with open_cluster(SerialCluster()) as executor:
        resolved = resolve_overlaps([record], "jpas60", SECTION, Run(str(tmp_path), "."), executor)
    assert (resolved.records, resolved.dropped, resolved.rows) == ([record], [], 0)


def test_links_have_a_column_of_their_own():
    with pytest.raises(ValueError, match="rename it"):
        CatalogueSection(overlaps=OverlapOptions(), carry=(CarriedColumn("other_ids"),))


def write_tiles(folder, overlap: float, objects: int = 1200) -> None:
    sky, survey = make_sky(objects, north=40.0), load_survey("jpas60")
    folder.mkdir(parents=True, exist_ok=True)
    for tile in range(TILES):
        seen, rows = observe(sky, tile, overlap)
        flags = np.zeros(len(seen), int)
        flux = rows["flux"].copy()
        flux[:2, survey.reference_index] = -1 if tile == 0 else flux[:2, survey.reference_index]
        columns = {
            "tile_id": np.full(len(seen), tile + 1),
            "number": seen + 1,
            "ra": rows["ra"],
            "dec": rows["dec"],
            "flux": flux,
            "flux_err": 0.05 * np.abs(flux),
            "flags": flags,
            "mask_flags": flags,
            "class_star": rows["flux"][:, 0] % 1,
        }
        write_cefca_tile(folder / f"tile-{tile}.fits", columns, survey)


INGEST = """
name = "overlaps"
survey = "jpas60"
[catalogue]
input = "{input}"
{more}
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0
"""


def ingest(folder, overlaps: str) -> dict:
    (folder / "job.toml").write_text(INGEST.format(input=folder / "tiles", more=overlaps))
    workspace = open_workspace(folder / "job.toml", folder / "run", folder)
    with workspace.prepare():
        return run_stage("ingest", workspace, serial())


def test_every_row_is_in_the_catalogue_or_beside_it(tmp_path):
    write_tiles(tmp_path / "tiles", OVERLAP, objects=300)
    record = ingest(tmp_path, "[catalogue.overlaps]")
    assert record["duplicates"] > 0
    assert record["quarantined"] == 2
    assert record["rows_in"] == record["rows_out"] + record["quarantined"] + record["duplicates"]
    catalogue = open_catalogue(tmp_path / "run" / "sky")
    table = pa.concat_tables(pq.read_table(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels)
    beside = pq.read_table(tmp_path / "run" / "duplicates" / f"ingest-{record['fingerprint'][:12]}.parquet")
    assert sum(map(len, table["other_ids"].to_pylist())) == beside.num_rows == record["duplicates"]
    assert {"flux", "flux_err", "kept_id"} <= set(beside.column_names)
    assert ingest(tmp_path, "[catalogue.overlaps]")["finished"] == record["finished"]
    plain = ingest(tmp_path, "")
    assert "duplicates" not in plain
    assert plain["rows_out"] == record["rows_out"] + record["duplicates"]


def whole_run(folder, committee, overlap: float, threshold: int):
    """Run a job to its counts and targets; return both, the targets as numbers of objects."""
    write_tiles(folder / "tiles", overlap)
    text = WHOLE_JOB.format(committee=committee).replace("highest_order   = 7", "highest_order   = 8")
    text = text.replace("pixel_threshold = 400", f"pixel_threshold = {threshold}")
    # a committee this small tells none of them for sure: any of them is a target
    text = text.replace(
        'classes         = ["qso_high"]', 'classes         = ["star", "galaxy", "qso_low", "qso_high"]'
    )
    text += "\n[catalogue.overlaps]\n"
    (folder / "job.toml").write_text(text)
    workspace = open_workspace(folder / "job.toml", folder / "run", folder)
    with workspace.prepare():
        for stage in ("ingest", "infer", "correct", "summarise"):
            run_stage(stage, workspace, serial())
    summary = json.loads((folder / "run" / "summary.json").read_text())
    (file,) = (folder / "run" / "targets").glob("*.fits")
    return summary, sorted(int(one.split("-")[1]) for one in Table.read(file, hdu=1)["TARGID"].astype(str))


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("threshold", [250, 2000])
def test_counts_and_targets_are_those_of_a_sky_without_overlap(tmp_path, finished, threshold):
    committee = committee_version(finished / "committee")
    single = whole_run(tmp_path / "single", committee, 0.0, 400)
    doubled = whole_run(tmp_path / "doubled", committee, OVERLAP, threshold)
    assert doubled[0]["rows"]["out"] == single[0]["rows"]["out"]
    assert doubled[0]["counts"] == single[0]["counts"]
    assert doubled[0]["class_mix"] == single[0]["class_mix"]
    assert doubled[1] == single[1]
    assert single[1]
