"""New tables for a catalogue that is there: only the partitions that they touch are made again.

``jpasbatch update`` comes here when the job's input holds all the files that were ingested before, unchanged, and
others besides. The new files are checked like any others. A row whose id the catalogue holds already supersedes the
old one, wherever on the sky that lies: what arrives later counts, and the old row goes to quarantine as
``superseded``. All other partitions keep their files.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.compute.runner import Task
from jpasbatch.photometry.table import quarantine_schema
from jpasbatch.products.record import healpix_29
from jpasbatch.stages.ingest.adoption import PHOTOMETRY
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import STAGING, Catalogue, open_catalogue
from jpasbatch.storage.catalogue.growth import GrownPartition, plan_growth
from jpasbatch.storage.catalogue.partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    partition_file,
    read_partition,
    write_partition,
)
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary, published_partitions
from jpasbatch.storage.catalogue.validation import pixel_range
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.opening import open_store

log = logging.getLogger(__name__)

SUPERSEDED = "superseded"

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Growth:
    """What a worker needs to make a partition anew: paths and names, never arrays.

    Attributes
    ----------
    catalogue : str
        Folder of the version that grows.
    arrivals : tuple of str
        New rows by file, with their spatial index (see `index_arrivals`).
    folder : str
        Of this run.
    staging : str
        Name of the folder of its partitions until they are published.
    fingerprint : str
        Of this run; in every commit.
    """

    catalogue: str
    arrivals: tuple[str, ...]
    folder: str
    staging: str
    fingerprint: str


def new_files(
    record: Mapping[str, Any] | None,
    changed: Sequence[str],
    hashes: Mapping[str, str],
    overlaps: bool = False,
) -> tuple[list[str], str]:
    """Return the files that arrived since a catalogue was ingested, or why it must be ingested anew.

    Parameters
    ----------
    record : mapping or None
        Of the last ingest; ``inputs`` holds the SHA-256 of each file by its name in the input folder.
    changed : sequence of str
        Parts of its fingerprint that changed besides the files.
    hashes : mapping of str to str
        The files now.
    overlaps : bool
        Whether rows of different files may be one object.

    Returns
    -------
    list of str
        Names; empty when all must be ingested.
    str
        The reason then.
    """
    if record is None or "inputs" not in record:
        return [], "nothing was ingested before"
    if changed:
        return [], f"{', '.join(changed)} changed"
    if overlaps:
        return [], "rows of one table may stand for those of another ([catalogue.overlaps])"
    before = record["inputs"]
    gone = sorted(before.keys() - hashes.keys())
    other = sorted(path for path in before.keys() & hashes.keys() if before[path] != hashes[path])
    if gone or other:
        return [], f"{(gone or other)[0]} {'is gone' if gone else 'changed'}, and with it rows that it had"
    return sorted(hashes.keys() - before.keys()), ""


def index_arrivals(accepted: str, target: str) -> Made:
    """Write accepted rows with their spatial index, ascending within each group of rows."""
    rows = 0
    with pq.ParquetFile(accepted) as source, written_aside(Path(target)) as aside:
        field = pa.field(HEALPIX_COLUMN, pa.int64(), nullable=False)
        schema = pa.schema([field, *source.schema_arrow], metadata=source.schema_arrow.metadata)
        with pq.ParquetWriter(aside, schema, use_dictionary=False) as writer:
            for batch in source.iter_batches(batch_size=100_000):
                index = healpix_29(batch["ra"].to_numpy(), batch["dec"].to_numpy())
                table = pa.table([pa.array(index), *batch.columns], schema=schema)
                writer.write_table(table.take(pa.array(np.argsort(index, kind="stable"))))
                rows += batch.num_rows
    return Made(rows, files=[Path(target)])


@functools.lru_cache(maxsize=1)
def _identifiers(arrivals: tuple[str, ...]) -> pa.ChunkedArray:
    """Read the ids of all new rows, once a process."""
    columns = [pq.read_table(path, columns=["object_id"])["object_id"] for path in arrivals]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())


def count_superseded(growth: Growth, order: int, pixel: int) -> dict[str, Any]:
    """Count the rows of a partition whose id is that of a new row; only its ids are read."""
    table = read_partition(Path(growth.catalogue) / partition_file(order, pixel), ["object_id"])
    return {"superseded": int(np.count_nonzero(_replaced(table, growth)))}


def grow_partition(growth: Growth, partition: GrownPartition, key: str) -> Made:
    """Make one partition from the rows that it had and those that arrive.

    The commit holds ``superseded`` too: the number of old rows that new ones replace.

    Raises
    ------
    InputError
        When the old partition is damaged.
    """
    folder, (first, last) = Path(growth.folder), pixel_range(partition.order, partition.pixel)
    within = (pc.field(HEALPIX_COLUMN) >= first) & (pc.field(HEALPIX_COLUMN) < last)
    schema = pq.read_schema(Path(growth.catalogue) / "dataset" / "_common_metadata")
    table = pd.dataset(list(growth.arrivals), format="parquet").to_table(schema.names, within).cast(schema)
    superseded = quarantine_schema().empty_table()
    if partition.source is not None:
        held = read_partition(Path(growth.catalogue) / partition_file(*partition.source)).filter(within)
        replaced = _replaced(held, growth)
        superseded = _superseded_rows(held.filter(pa.array(replaced)), growth.catalogue, partition.source)
        table = pa.concat_tables([held.filter(pa.array(~replaced)).cast(schema), table])
    pixel = (partition.order, partition.pixel)
    sky = Path(growth.catalogue).parent
    place = f"{sky.name}/{STAGING}/{growth.staging}"
    staged = write_partition(_in_sky_order(table), open_store(sky.parent), place, key)
    facts = staged.record(pixel, sky.name, growth.fingerprint)
    files = []
    if superseded.num_rows:
        files = [folder / SUPERSEDED / f"{key}.parquet"]
        files[0].parent.mkdir(parents=True, exist_ok=True)
        with written_aside(files[0]) as aside:
            pq.write_table(superseded, aside)
    told = {"superseded": superseded.num_rows}
    return Made(table.num_rows, facts | told, files, own=staged.files, told=told)


def _replaced(rows: pa.Table, growth: Growth) -> np.ndarray:
    """Return which rows have the id of a new row, bool (n,)."""
    options = pc.SetLookupOptions(value_set=_identifiers(growth.arrivals).combine_chunks())
    return np.asarray(pc.call_function("is_in", [rows["object_id"]], options))


def _in_sky_order(rows: pa.Table) -> pa.Table:
    """Return rows ascending by index, ties by id, so that the same rows are always the same bytes."""
    keys = rows.select([HEALPIX_COLUMN, "object_id"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    return rows.take(keys.sort_by([(HEALPIX_COLUMN, "ascending"), ("object_id", "ascending")])["row"])


def _superseded_rows(rows: pa.Table, catalogue: str, source: Pixel) -> pa.Table:
    count = rows.num_rows
    columns = {
        "object_id": rows["object_id"],
        "ra": rows["ra"],
        "dec": rows["dec"],
        "reason": pa.array([SUPERSEDED] * count, pa.string()),
        "source": pa.array([f"{Path(catalogue).name}/{partition_file(*source)}"] * count, pa.string()),
        "row": pa.array(np.arange(count), pa.int64()),
    }
    return pa.table(columns, schema=quarantine_schema())


@dataclass(frozen=True)
class Grown:
    """A catalogue that grew: its folder, what came of the rows, and the tables of superseded ones."""

    catalogue: Catalogue
    superseded: int
    touched: int
    rejected: list[Path]


class ExpectedGrowth(NamedTuple):
    """How a catalogue takes new rows.

    Attributes
    ----------
    catalogue : Catalogue
        As it is.
    growth : Growth
    counts : ndarray of int64
        New rows in each pixel of its map.
    plan : list of GrownPartition
        Partitions to come.
    shrunk : set of (int, int)
        Partitions of today that lose rows to new ones.
    """

    catalogue: Catalogue
    growth: Growth
    counts: np.ndarray
    plan: list[GrownPartition]
    shrunk: set[Pixel]


def expect_growth(
    workspace: Workspace, accepted: Sequence[Path], run: Run, identity: str, executor: Executor
) -> ExpectedGrowth:
    """Find which partitions the accepted rows touch; parameters and errors as for `grow_catalogue`.

    Only the run's own folder is written to: the new rows, with their spatial index.
    """
    catalogue, options = open_catalogue(workspace.sky), workspace.job.catalogue.partitions
    arrivals, folder = _index(workspace, accepted, run, executor), run.path
    growth = Growth(str(catalogue.path), arrivals, str(folder), folder.name, identity)
    shrunk = _find_superseded(growth, catalogue, executor)
    counts = _count(arrivals, catalogue.map_order)
    plan = plan_growth(catalogue.counts(), counts, catalogue.pixels, shrunk, options)
    return ExpectedGrowth(catalogue, growth, counts, plan, shrunk)


def grow_catalogue(
    workspace: Workspace, accepted: Sequence[Path], run: Run, identity: str, executor: Executor
) -> Grown:
    """Publish the version of the catalogue that holds the accepted rows as well.

    Parameters
    ----------
    workspace : Workspace
    accepted : sequence of Path
        Canonical rows of the new files, without an id that occurs twice among them.
    run : Run
    identity : str
        Its fingerprint.
    executor : Executor

    Raises
    ------
    InputError
        When a partition is damaged, or a part of the sky becomes too crowded for one.
    """
    options, folder = workspace.job.catalogue.partitions, run.path
    catalogue, growth, counts, plan, _ = expect_growth(workspace, accepted, run, identity, executor)
    records = _grow(workspace, run, growth, plan, executor)
    held = {(record["order"], record["pixel"]): record for record in published_partitions(catalogue)}
    kept = [
        {**record, "path": f"{catalogue.name}/{record['path']}"}
        for one in plan
        if not one.touched and (record := held[one.order, one.pixel])
    ]
    superseded = sum(record["superseded"] for record in records)
    rows = catalogue.rows + int(counts.sum()) - superseded
    with borrow_client(executor) as client:
        version = publish_primary(
            workspace.sky,
            PHOTOMETRY,
            [*kept, *(record for record in records if record["rows"])],
            catalogue.schema,
            {"grown": identity, "from": catalogue.name},
            PrimaryOptions(catalogue.map_order, None, rows, options.margin_arcsec, client),
        )
    log.info(
        "ingest: %d new rows, %d superseded; %d of %d partitions are new files",
        *(int(counts.sum()), superseded, len(records), len(records) + len(kept)),
    )
    places = sorted((folder / SUPERSEDED).glob("*.parquet"))
    return Grown(open_catalogue(version), superseded, len(records), places)


def _index(workspace: Workspace, accepted: Sequence[Path], run: Run, executor: Executor) -> tuple[str, ...]:
    folder = run.path / "indexed"
    folder.mkdir(exist_ok=True)
    tasks = {f"indexed-{path.name}": (str(path), str(folder / path.name)) for path in accepted}
    commits = committed(run, "ingest: new rows", index_arrivals, tasks, executor)
    commits.measure(workspace, "ingest")
    commits.whole("new tables")
    return tuple(sorted(target for _, target in tasks.values()))


def _find_superseded(growth: Growth, catalogue: Catalogue, executor: Executor) -> set[Pixel]:
    tasks = {f"ids-{order}_{pixel}": (order, pixel) for order, pixel in catalogue.pixels}
    results, troubles = map_tasks(
        "ingest: known ids",
        count_superseded,
        [Task(key, (growth, *pixel)) for key, pixel in tasks.items()],
        executor,
    )
    require_all(troubles, "partitions")
    return {tasks[key] for key, result in results.items() if result["superseded"]}


def _count(arrivals: Sequence[str], map_order: int) -> np.ndarray:
    """Return the new rows in each pixel of the map, int64 (12 * 4**map_order,)."""
    counts = np.zeros(12 * 4**map_order, dtype=np.int64)
    for path in arrivals:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[HEALPIX_COLUMN]):
                cells, number = np.unique(
                    batch[HEALPIX_COLUMN].to_numpy() >> 2 * (HEALPIX_ORDER - map_order), return_counts=True
                )
                counts[cells] += number
    return counts


def _grow(
    workspace: Workspace, run: Run, growth: Growth, plan: Sequence[GrownPartition], executor: Executor
) -> list[dict[str, Any]]:
    touched = {f"grown-{one.order}_{one.pixel}": one for one in plan if one.touched}
    tasks = {key: (one, key) for key, one in touched.items()}
    commits = committed(run, "ingest: grown partitions", grow_partition, tasks, executor, shared=(growth,))
    commits.measure(workspace, "ingest")
    return list(commits.whole("partitions").values())
