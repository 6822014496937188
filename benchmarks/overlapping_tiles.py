"""What it costs to leave one row of each object where tiles overlap, and how right it is.

    python benchmarks/overlapping_tiles.py --rows 1000000 --tiles 20
    python benchmarks/overlapping_tiles.py --rows 1000000 --tiles 20 --ingest 3

Tiles of the survey's form, side by side with 8 % overlap, are written as accepted rows; positions scatter by 0.1 arcsec
in each. The resolution runs alone, in this process; completeness and purity follow from the ids. With ``--ingest N``
the same sky is written as FITS tables, and the whole stage `ingest` runs N times with ``[catalogue.overlaps]`` and N
times without, in turn, each in a process of its own: medians of the seconds and of the processor's seconds, and memory.
"""

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.photometry.overlaps import OverlapOptions
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import catalogue_schema
from jpasbatch.stages.ingest.overlaps import resolve_overlaps
from jpasbatch.stages.ingest.reading import CheckedTable
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.run.commits import Run
from jpasbatch.storage.tables.cefca_tiles import write_cefca_tile

DENSITY, OVERLAP, SCATTER = 9000, 0.08, 0.1
"""Objects per deg2 of the mock survey, share of a tile that the next one covers too, arcsec in each coordinate."""


def write_tile(folder: Path, tile: int, objects: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> CheckedTable:
    """Write the accepted rows of a tile, whose ids name the objects."""
    survey, rows = load_survey("jpas60"), len(objects)
    rng = np.random.default_rng([3, tile])
    schema = catalogue_schema(survey)
    values = pa.array(rng.lognormal(0, 1, rows * len(survey.bands)).astype(np.float32))
    vector = pa.FixedSizeListArray.from_arrays(values, len(survey.bands))
    columns = {
        "object_id": pa.array([f"{tile}-{one}" for one in objects]),
        "ra": pa.array((ra + rng.normal(0, SCATTER / 3600, rows) / np.cos(np.radians(dec))) % 360),
        "dec": pa.array(dec + rng.normal(0, SCATTER / 3600, rows)),
        "flux": vector,
        "flux_err": vector,
        "tile": pa.array([str(tile)] * rows),
        "true_class": pa.nulls(rows, pa.string()),
    }
    zeros = pa.array(np.zeros(rows, np.int32))
    arrays = [columns.get(field.name, zeros).cast(field.type) for field in schema]
    path = folder / "accepted" / f"{tile:03d}.parquet"
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, use_dictionary=False)
    return CheckedTable(
        name=path.name, source=path.name, rows=rows, accepted=rows, reasons={}, values={}, notes=()
    )


def tiles_of(rows: int, tiles: int) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield number, objects, ra and dec of tiles that hold about so many rows together."""
    rng = np.random.default_rng(1)
    objects = round(rows / (1 + OVERLAP * (tiles - 1) / tiles))
    height = 2.0
    width = objects / DENSITY / height / tiles
    east, dec = rng.uniform(0, width * tiles, objects), rng.uniform(30, 30 + height, objects)
    ra = 355 + east / np.cos(np.radians(dec))
    for tile in range(tiles):
        seen = np.flatnonzero((east >= tile * width) & (east < (tile + 1 + OVERLAP) * width))
        yield tile, seen, ra[seen], dec[seen]


def write_sky(folder: Path, rows: int, tiles: int) -> list[CheckedTable]:
    """Write the accepted rows of tiles."""
    (folder / "accepted").mkdir()
    return [write_tile(folder, *tile) for tile in tiles_of(rows, tiles)]


def write_input(folder: Path, rows: int, tiles: int) -> None:
    """Write tiles as tables of the survey."""
    survey = load_survey("jpas60")
    folder.mkdir()
    for tile, seen, ra, dec in tiles_of(rows, tiles):
        rng = np.random.default_rng([3, tile])
        flux = rng.lognormal(1, 1, (len(seen), len(survey.bands))).astype(np.float32)
        scatter = rng.normal(0, SCATTER / 3600, (2, len(seen)))
        columns = {
            "tile_id": np.full(len(seen), tile + 1),
            "number": seen + 1,
            "ra": (ra + scatter[0] / np.cos(np.radians(dec))) % 360,
            "dec": dec + scatter[1],
            "flux": flux,
            "flux_err": 0.05 * flux,
            "flags": np.zeros(len(seen), int),
            "mask_flags": np.zeros(len(seen), int),
            "class_star": rng.uniform(0, 1, len(seen)),
        }
        write_cefca_tile(folder / f"tile-{tile:03d}.fits", columns, survey)


INGEST = """
name = "overlaps"
survey = "jpas60"
[catalogue]
input = "{input}"
{more}
"""
WAYS = {"plain": "", "overlaps": "[catalogue.overlaps]"}


def ingest(folder: str, tables: str, more: str) -> tuple[float, float, float]:
    """Run the stage once in this process; return its seconds, the processor's seconds, and the peak memory in GB."""
    place = Path(folder)
    (place / "job.toml").write_text(INGEST.format(input=tables, more=more))
    workspace = open_workspace(place / "job.toml", place / "run", place)
    begin = time.monotonic()
    with workspace.prepare(), open_cluster(SerialCluster()) as executor:
        run_stage("ingest", workspace, executor)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    return time.monotonic() - begin, processor, used[0].ru_maxrss / 2**20


def compare_ingests(rows: int, tiles: int, rounds: int) -> None:
    """Ingest with and without overlaps, in turn, and print the medians."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as place:
        write_input(Path(place) / "tiles", rows, tiles)
        for number in range(rounds):
            for name, more in WAYS.items():
                folder = Path(place) / f"{name}-{number}"
                folder.mkdir()
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    found[name].append(pool.apply(ingest, (str(folder), f"{place}/tiles", more)))
    print("| ingest | seconds | processor seconds | peak memory, GB |\n|---|---|---|---|")
    medians = {
        name: [statistics.median(one) for one in zip(*each, strict=True)] for name, each in found.items()
    }
    for name, (seconds, processor, memory) in medians.items():
        print(f"| {name} | {seconds:.1f} | {processor:.1f} | {memory:.2f} |")
    ratios = (one / other for one, other in zip(medians["overlaps"], medians["plain"], strict=True))
    print("| ratio | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


def main() -> None:
    """Make the sky, resolve it, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tiles", type=int, default=20)
    parser.add_argument(
        "--ingest", type=int, default=0, help="times that the whole stage runs with and without"
    )
    arguments = parser.parse_args()
    if arguments.ingest:
        compare_ingests(arguments.rows, arguments.tiles, arguments.ingest)
        return
    with tempfile.TemporaryDirectory() as place, open_cluster(SerialCluster()) as executor:
        folder = Path(place)
        records = write_sky(folder, arguments.rows, arguments.tiles)
        section = CatalogueSection(overlaps=OverlapOptions())
        begin = time.monotonic()
        resolved = resolve_overlaps(records, "jpas60", section, Run(str(folder), "."), executor)
        seconds = time.monotonic() - begin
        kept = [
            pq.read_table(folder / "accepted" / one.name, columns=["object_id"]) for one in resolved.records
        ]
        objects = [name.split("-")[1] for name in pa.concat_tables(kept)["object_id"].to_pylist()]
        lost = [pq.read_table(path, columns=["object_id", "kept_id"]) for path in resolved.dropped]
        pairs = zip(
            *(pa.concat_tables(lost)[name].to_pylist() for name in ("object_id", "kept_id")), strict=True
        )
        right = sum(one.split("-")[1] == other.split("-")[1] for one, other in pairs)
    left = len(objects) - len(set(objects))
    rows = sum(record.accepted for record in records)
    print(
        f"{rows} rows, {resolved.rows} dropped, {seconds:.1f} s, {1e6 * seconds / rows:.1f} s per million rows"
    )
    print(f"completeness {1 - left / (left + resolved.rows):.5f}, purity {right / resolved.rows:.5f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
