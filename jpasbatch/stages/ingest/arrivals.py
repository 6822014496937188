"""A catalogue takes new rows and loses others: only the partitions that they touch are made again.

``jpasbatch update`` comes here where only input files changed. New files are checked like any others. Which rows leave
is found by `jpasbatch.stages.ingest.departures`: those of files that are gone, and those whose id a new row has,
wherever on the sky that lies: what arrives later counts. All other partitions keep their files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.errors import InputError
from jpasbatch.products.record import healpix_29
from jpasbatch.stages.ingest.adoption import PHOTOMETRY
from jpasbatch.stages.ingest.departures import LEAVING, Departures, among
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.assembly import count_cells
from jpasbatch.storage.catalogue.collection import STAGING, Catalogue, open_catalogue
from jpasbatch.storage.catalogue.growth import GrownPartition, plan_growth
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts, Pixel
from jpasbatch.storage.catalogue.partitions import (
    HEALPIX_COLUMN,
    partition_file,
    read_partition,
    write_partition,
)
from jpasbatch.storage.catalogue.plan import PartitionOptions
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary, published_partitions
from jpasbatch.storage.catalogue.validation import pixel_range
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.opening import open_store

log = logging.getLogger(__name__)

INDEXED, GROWN = "ingest: new rows", "ingest: grown partitions"


@dataclass(frozen=True)
class Growth:
    """What a worker needs to make a partition anew: paths and names, never arrays.

    Attributes
    ----------
    catalogue : str
        Folder of the version that grows.
    arrivals : tuple of str
        New rows by file, with their spatial index (see `index_arrivals`).
    leaving : tuple of str
        Rows that leave (see `jpasbatch.stages.ingest.departures`).
    staging : str
        Name of the folder of its partitions until they are published.
    fingerprint : str
        Of this run; in every commit.
    """

    catalogue: str
    arrivals: tuple[str, ...]
    leaving: tuple[str, ...]
    staging: str
    fingerprint: str


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


def grow_partition(growth: Growth, partition: GrownPartition, key: str) -> Made:
    """Make one partition from the rows that it had, without those that leave, and those that arrive.

    Raises
    ------
    InputError
        When the old partition is damaged, or lacks a row that is to leave it.
    """
    first, last = pixel_range(partition.order, partition.pixel)
    within = (pc.field(HEALPIX_COLUMN) >= first) & (pc.field(HEALPIX_COLUMN) < last)
    schema = pq.read_schema(Path(growth.catalogue) / "dataset" / "_common_metadata")
    table = _rows_within(growth.arrivals, schema, within)
    if partition.source is not None:
        path = Path(growth.catalogue) / partition_file(*partition.source)
        held, leaving = read_partition(path).filter(within), _rows_within(growth.leaving, LEAVING, within)
        leaves = among(held, leaving["object_id"])
        if int(leaves.sum()) != leaving.num_rows:
            raise InputError(
                f"{path}: of {leaving.num_rows} rows that are to leave it, it holds {int(leaves.sum())}; run "
                "`jpasbatch ingest`, which makes the whole catalogue anew, and report this"
            )
        table = pa.concat_tables([held.filter(pa.array(~leaves)).cast(schema), table])
    pixel = (partition.order, partition.pixel)
    sky = Path(growth.catalogue).parent
    place = f"{sky.name}/{STAGING}/{growth.staging}"
    staged = write_partition(_in_sky_order(table), open_store(sky.parent), place, key)
    return Made(table.num_rows, staged.facts(pixel, sky.name, growth.fingerprint), own=staged.files)


def _rows_within(tables: Sequence[str], schema: pa.Schema, within: pc.Expression) -> pa.Table:
    """Read the rows of some tables that lie in a pixel."""
    if not tables:
        return schema.empty_table()
    return pd.dataset(list(tables), format="parquet").to_table(schema.names, within).cast(schema)


def _in_sky_order(rows: pa.Table) -> pa.Table:
    """Return rows ascending by index, ties by id, so that the same rows are always the same bytes."""
    keys = rows.select([HEALPIX_COLUMN, "object_id"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    return rows.take(keys.sort_by([(HEALPIX_COLUMN, "ascending"), ("object_id", "ascending")])["row"])


@dataclass(frozen=True)
class Grown:
    """A catalogue that grew, and its partitions that are new files."""

    catalogue: Catalogue
    made: tuple[Pixel, ...]


class ExpectedGrowth(NamedTuple):
    """How a catalogue takes new rows and loses others.

    Attributes
    ----------
    catalogue : Catalogue
        As it is.
    growth : Growth
    before, arriving : ndarray of int64
        Rows that stay, and new rows, in each pixel of its map.
    plan : list of GrownPartition
        Partitions to come.
    """

    catalogue: Catalogue
    growth: Growth
    before: np.ndarray
    arriving: np.ndarray
    plan: list[GrownPartition]

    @property
    def rows(self) -> int:
        """Rows of the catalogue to come."""
        return int(self.before.sum() + self.arriving.sum())

    @property
    def emptied(self) -> list[Pixel]:
        """Partitions of today of which no row is left."""
        left = np.concatenate([[0], np.cumsum(self.before + self.arriving)])
        return [
            pixel for pixel in self.catalogue.pixels if not _within(left, pixel, self.catalogue.map_order)
        ]

    @property
    def changes(self) -> bool:
        """Whether any row arrives or leaves."""
        return bool(self.growth.leaving or self.arriving.any())

    @property
    def differs(self) -> bool:
        """Whether partitions surely get other bytes: a row that leaves may come again as it was."""
        return not (self.growth.leaving and self.arriving.any())


def expect_growth(
    catalogue: Catalogue,
    arrivals: tuple[str, ...],
    departures: Departures,
    run: Run,
    identity: str,
    options: PartitionOptions,
) -> ExpectedGrowth:
    """Find which partitions the rows touch that arrive and leave; nothing is written.

    Parameters
    ----------
    catalogue : Catalogue
    arrivals : tuple of str
        Tables of new rows (`index_rows`), without an id that occurs twice among them.
    departures : Departures
    run : Run
    identity : str
        Of the catalogue to come.
    options : PartitionOptions

    Raises
    ------
    InputError
        When a part of the sky becomes too crowded for a partition.
    """
    growth = Growth(str(catalogue.path), arrivals, departures.leaving, run.path.name, identity)
    leaving, arriving = (_count(tables, catalogue.map_order) for tables in (departures.leaving, arrivals))
    sums = np.concatenate([[0], np.cumsum(leaving)])
    ends = {pixel: 4 ** (catalogue.map_order - pixel[0]) for pixel in catalogue.pixels}
    shrunk = {pixel for pixel, width in ends.items() if sums[(pixel[1] + 1) * width] > sums[pixel[1] * width]}
    before = catalogue.counts() - leaving
    plan = plan_growth(before, arriving, catalogue.pixels, shrunk, options)
    return ExpectedGrowth(catalogue, growth, before, arriving, plan)


def _within(sums: np.ndarray, pixel: Pixel, map_order: int) -> int:
    """Return how many rows lie in a pixel, of sums over the pixels of the map that begin with 0."""
    width = 4 ** (map_order - pixel[0])
    return int(sums[(pixel[1] + 1) * width] - sums[pixel[1] * width])


def grow_catalogue(workspace: Workspace, expected: ExpectedGrowth, run: Run, executor: Executor) -> Grown:
    """Publish the version of the catalogue with the rows that arrive and without those that leave.

    Raises
    ------
    InputError
        When a partition is damaged.
    """
    options, catalogue = workspace.job.catalogue.partitions, expected.catalogue
    records = _grow(workspace, run, expected.growth, expected.plan, executor)
    held = {record.healpix: record for record in published_partitions(catalogue)}
    kept = [
        replace(record, path=f"{catalogue.name}/{record.path}")
        for one in expected.plan
        if not one.touched and (record := held[one.order, one.pixel])
    ]
    with borrow_client(executor) if options.margin_arcsec else nullcontext() as client:
        version = publish_primary(
            workspace.sky,
            PHOTOMETRY,
            [*kept, *records],
            catalogue.schema,
            {"grown": expected.growth.fingerprint, "from": catalogue.name},
            PrimaryOptions(catalogue.map_order, None, expected.rows, options.margin_arcsec, client),
        )
    log.info("ingest: %d of %d partitions are new files", len(records), len(records) + len(kept))
    return Grown(open_catalogue(version), tuple(record.healpix for record in records))


def index_rows(
    workspace: Workspace, accepted: Sequence[Path], run: Run, executor: Executor
) -> tuple[str, ...]:
    """Write tables of new rows again, with their spatial index, and return where."""
    folder = run.path / "indexed"
    folder.mkdir(exist_ok=True)
    tasks = {f"indexed-{path.name}": (str(path), str(folder / path.name)) for path in accepted}
    commits = committed(run, INDEXED, index_arrivals, tasks, executor)
    commits.measure(workspace, "ingest")
    commits.whole("new tables")
    return tuple(sorted(target for _, target in tasks.values()))


def _count(tables: Sequence[str], map_order: int) -> np.ndarray:
    """Return the rows in each pixel of the map, int64 (12 * 4**map_order,)."""
    counts = np.zeros(12 * 4**map_order, dtype=np.int64)
    for path in tables:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=[HEALPIX_COLUMN]):
                cells, number = count_cells(batch[HEALPIX_COLUMN].to_numpy(), map_order)
                counts[cells] += number
    return counts


def _grow(
    workspace: Workspace, run: Run, growth: Growth, plan: Sequence[GrownPartition], executor: Executor
) -> list[PartitionFacts]:
    touched = {f"grown-{one.order}_{one.pixel}": one for one in plan if one.touched}
    tasks = {key: (one, key) for key, one in touched.items()}
    commits = committed(run, GROWN, grow_partition, tasks, executor, shared=(growth,))
    commits.measure(workspace, "ingest")
    return [one.facts for one in commits.whole_of(PartitionFacts, "partitions").values()]
