"""Rows that leave a catalogue, and rows that come back for them.

A row leaves when its file is gone, or when a new file has its id. A row that was not taken into the catalogue, because
a file that is gone now had its id, comes back: its own file is read again for it. Where nobody knows which rows came
from which file (`jpasbatch.stages.ingest.sources`), files can only arrive, and all partitions are searched for the ids
of new rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.photometry.table import quarantine_schema
from jpasbatch.products.record import healpix_29
from jpasbatch.stages.ingest.sources import (
    IN_CATALOGUE,
    SUPERSEDED,
    RowTable,
    change_fates,
    table_of,
    with_table,
)
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.ingest_facts import Source
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.partition_names import pixel_key
from jpasbatch.storage.catalogue.collection import Catalogue
from jpasbatch.storage.catalogue.partitions import HEALPIX_COLUMN, partition_file, read_partition
from jpasbatch.storage.stores.files import written_aside

KNOWN = "ingest: known ids"
REASON = "superseded"
LEAVING = pa.schema(
    [
        pa.field(HEALPIX_COLUMN, pa.int64(), nullable=False),
        pa.field("object_id", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Departures:
    """What leaves a catalogue.

    Attributes
    ----------
    leaving : tuple of str
        Tables of the rows that leave (`LEAVING`), none of them empty.
    rows : int
        In these.
    superseded : tuple of Path
        Tables of those of them that new rows replace, for the quarantine.
    sources : mapping of str to Source, optional
        Of the former files that stay, by their former names, with what becomes of their rows.
    returning : mapping of str to str
        By the former names of files: tables of the rows that may come back (``object_id``, ``row``).
    """

    leaving: tuple[str, ...]
    rows: int
    superseded: tuple[Path, ...]
    sources: Mapping[str, Source] | None = None
    returning: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ComparedRows:
    """What of the rows of one file leaves and may come back; each table is there only where it has rows.

    Attributes
    ----------
    rows_leaving : int
    leaving : str or None
        Table of these (`LEAVING`).
    superseded : str or None
        The same for the quarantine, where new rows replace them.
    table : RowTable or None
        The table of the rows of the file, written again with what became of them.
    returning : str or None
        Table of the rows that may come back (``object_id``, ``row``).
    """

    rows_leaving: int
    leaving: str | None = None
    superseded: str | None = None
    table: RowTable | None = None
    returning: str | None = None


@dataclass(frozen=True)
class ComparedPartition:
    """Rows of a partition that new ones replace.

    Attributes
    ----------
    superseded : int
    leaving, rejected : str
        Their table (`LEAVING`), and the same for the quarantine; empty where there are no such rows.
    """

    superseded: int
    leaving: str = ""
    rejected: str = ""


def find_departures(
    run: Run,
    folder: Path,
    sources: Mapping[str, Source],
    gone: Sequence[str],
    arrivals: tuple[str, ...],
    executor: Executor,
) -> Departures:
    """Find which rows leave, from what is known of the rows of each file.

    Parameters
    ----------
    run : Run
        In whose folder the tables are written.
    folder : Path
        The output folder.
    sources : mapping of str to Source
        All files that the catalogue was made from.
    gone : sequence of str
        Those whose rows leave.
    arrivals : tuple of str
        Tables of new rows.
    executor : Executor
    """
    lost = tuple(str(folder / sources[label].table) for label in gone)
    tasks, labels = [], {}
    for number, (label, source) in enumerate(sources.items()):
        labels[key := f"ids-{number:05d}"] = label
        if label in gone or lost or arrivals:
            target = table_of(run, f"again-{number:05d}.parquet")
            tasks.append(
                Task(key, (run, str(folder), source, label in gone, arrivals, lost, target, f"{key}.parquet"))
            )
    for room in ("leaving", "superseded", "returning"):
        (run.path / room).mkdir(exist_ok=True)
    results, troubles = map_tasks(KNOWN, compare_rows, tasks, executor)
    require_all(troubles, "input files")
    found = {labels[key]: result for key, result in sorted(results.items())}
    again = {label: result.table for label, result in found.items()}
    return Departures(
        tuple(result.leaving for result in found.values() if result.leaving is not None),
        sum(result.rows_leaving for result in found.values()),
        tuple(Path(result.superseded) for result in found.values() if result.superseded is not None),
        {
            label: source if (made := again.get(label)) is None else with_table(source, made)
            for label, source in sources.items()
            if label not in gone
        },
        {label: result.returning for label, result in found.items() if result.returning is not None},
    )


def compare_rows(
    run: Run,
    folder: str,
    source: Source,
    gone: bool,
    arrivals: tuple[str, ...],
    lost: tuple[str, ...],
    target: str,
    name: str,
) -> ComparedRows:
    """Find which rows of one file leave and which may come back, and write them aside.

    Parameters
    ----------
    run : Run
    folder : str
        The output folder.
    source : Source
    gone : bool
        Whether the whole file goes.
    arrivals, lost : tuple of str
        Tables of new rows, and of the rows of files that are gone.
    target : str
        Where its table is written again when rows of it are superseded, relative to the place of the run.
    name : str
        Of the tables that are written.
    """
    rows = pq.read_table(Path(folder) / source.table)
    held = rows["fate"].to_numpy() == IN_CATALOGUE
    new = among(rows, _identifiers(arrivals))
    leaving = held if gone else held & new
    found = ComparedRows(int(leaving.sum()))
    if leaving.any():
        found = replace(found, leaving=str(path := run.path / "leaving" / name))
        write_leaving(rows.filter(pa.array(leaving)), path)
    if leaving.any() and not gone:
        chosen = rows.filter(pa.array(leaving))
        write_table(refused_rows(chosen, source.path, chosen["row"]), path := run.path / "superseded" / name)
        fates = {SUPERSEDED: chosen["row"].to_numpy()}
        table = change_fates(Path(folder, source.table), run.place, target, fates)
        found = replace(found, superseded=str(path), table=table)
    back = ~held & ~new & among(rows, _held_identifiers(lost))
    if back.any() and not gone:
        found = replace(found, returning=str(path := run.path / "returning" / name))
        write_table(rows.select(["object_id", "row"]).filter(pa.array(back)), path)
    return found


def find_superseded(
    run: Run, catalogue: Catalogue, arrivals: tuple[str, ...], executor: Executor
) -> Departures:
    """Find which rows leave, where nobody knows from which files they came: all ids of the catalogue are compared."""
    for room in ("leaving", "superseded"):
        (run.path / room).mkdir(exist_ok=True)
    tasks = [
        Task(f"ids-{pixel_key((order, pixel))}", (str(run.path), str(catalogue.path), order, pixel, arrivals))
        for order, pixel in catalogue.pixels
    ]
    results, troubles = map_tasks(KNOWN, compare_partition, tasks, executor)
    require_all(troubles, "partitions")
    found = [result for _, result in sorted(results.items()) if result.superseded]
    return Departures(
        tuple(result.leaving for result in found),
        sum(result.superseded for result in found),
        tuple(Path(result.rejected) for result in found),
    )


def compare_partition(
    folder: str, catalogue: str, order: int, pixel: int, arrivals: tuple[str, ...]
) -> ComparedPartition:
    """Find the rows of a partition whose id is that of a new row, and write them aside."""
    path = Path(catalogue) / partition_file(order, pixel)
    replaced = among(read_partition(path, ["object_id"]), _identifiers(arrivals))
    if not replaced.any():
        return ComparedPartition(0)
    rows = read_partition(path, ["object_id", "ra", "dec"]).filter(pa.array(replaced))
    name = f"{pixel_key((order, pixel))}.parquet"
    leaving, rejected = (Path(folder) / room / name for room in ("leaving", "superseded"))
    write_leaving(rows, leaving)
    source = f"{Path(catalogue).name}/{partition_file(order, pixel)}"
    write_table(refused_rows(rows, source, pa.array(np.arange(rows.num_rows))), rejected)
    return ComparedPartition(rows.num_rows, str(leaving), str(rejected))


def write_leaving(rows: pa.Table, target: Path) -> None:
    """Write which rows leave, ascending by their place on the sky."""
    index = healpix_29(rows["ra"].to_numpy(), rows["dec"].to_numpy())
    table = pa.table([pa.array(index), rows["object_id"].cast(pa.string())], schema=LEAVING)
    write_table(table.take(pa.array(np.argsort(index, kind="stable"))), target)


def refused_rows(rows: pa.Table, source: str, numbers: Any) -> pa.Table:
    """Return superseded rows as the quarantine tells of them."""
    count = rows.num_rows
    columns = {name: rows[name] for name in ("object_id", "ra", "dec")}
    columns |= {"reason": pa.array([REASON] * count, pa.string())}
    columns |= {"source": pa.array([source] * count, pa.string()), "row": numbers}
    return pa.table(columns).cast(quarantine_schema())


def write_table(table: pa.Table, target: Path) -> None:
    """Write a table, whole or not at all."""
    with written_aside(target) as aside:
        pq.write_table(table, aside)


def among(rows: pa.Table, identifiers: pa.ChunkedArray) -> np.ndarray:
    """Return which rows have one of some ids, bool (n,)."""
    options = pc.SetLookupOptions(value_set=identifiers.combine_chunks())
    return np.asarray(pc.call_function("is_in", [rows["object_id"]], options), dtype=bool)


@functools.lru_cache(maxsize=1)
def _identifiers(tables: tuple[str, ...]) -> pa.ChunkedArray:
    """Read the ids of all new rows, once a process."""
    return _together([pq.read_table(path, columns=["object_id"])["object_id"] for path in tables])


@functools.lru_cache(maxsize=1)
def _held_identifiers(tables: tuple[str, ...]) -> pa.ChunkedArray:
    """Read the ids of the rows that the catalogue has of some files, once a process."""
    rows = [pq.read_table(path, filters=pc.field("fate") == IN_CATALOGUE) for path in tables]
    return _together([table["object_id"] for table in rows])


def _together(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
