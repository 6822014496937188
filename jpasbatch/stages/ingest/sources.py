"""What is kept of the rows of each input file, so that a file can go again: who its rows are, and what became of each.

The photometry does not say from which file a row came. Beside the catalogue lies one small table for each input file,
``work/sources/<run>-<name>.parquet``, of its accepted rows, in the order of the file. The record of ``ingest`` names
them, with their hashes; they are written once and never changed. See decision 46.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.facts import Facts
from jpasbatch.stages.ingest.reading import CheckedTable, rows_of_source
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.ingest_facts import Source
from jpasbatch.stages.run.workspace import SOURCES
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.hashed import HashedFile

LISTED = "ingest: rows by file"

IN_CATALOGUE, SUPERSEDED, REPEATED = range(3)
"""What became of an accepted row: it is there, a later file has its id, or an earlier row had it."""

ROWS = pa.schema(
    [
        pa.field("object_id", pa.string(), nullable=False),
        pa.field("ra", pa.float64(), nullable=False),
        pa.field("dec", pa.float64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("fate", pa.int8(), nullable=False),
    ]
)
"""Columns of such a table: ``row`` is the number in the input file."""


@dataclass(frozen=True)
class RowTable(Facts):
    """A table of the rows of a file: where it lies, relative to the output folder, and its SHA-256."""

    table: str
    sha256: str


def is_whole(source: Source, folder: Path) -> bool:
    """Return whether the table of the rows of a file is in the output folder, as it was written."""
    path = folder / source.table
    return path.is_file() and sha256_file(path) == source.sha256


def list_sources(
    files: Mapping[str, HashedFile],
    records: Sequence[CheckedTable],
    run: Run,
    executor: Executor,
    arrived: int,
) -> dict[str, Source]:
    """Write who the accepted rows of files are, and return what is to be recorded of each file, by its label.

    Parameters
    ----------
    files : mapping of str to HashedFile
        By their names in the input folder.
    records : sequence of CheckedTable
        Of the files, in their order.
    run : Run
        In whose folder their rows lie.
    executor : Executor
    arrived : int
        See `Source`.
    """
    (Path(run.place) / SOURCES).mkdir(parents=True, exist_ok=True)
    tasks = {
        listing_key(record.as_read): (str(run.path), table_of(run, record.name), record) for record in records
    }
    commits = committed(run, LISTED, list_rows, tasks, executor, shared=(run.place,))
    made = commits.whole_of(RowTable, "input files")
    return {
        label: Source(
            path=record.source,
            arrived=arrived,
            table=made[key].facts.table,
            sha256=made[key].facts.sha256,
            rows=record.rows,
            values=record.values,
            notes=record.notes,
        )
        for label, record, key in zip(files, records, tasks, strict=True)
    }


def listing_key(name: str) -> str:
    """Return the key of the task that writes who the rows of a file are; ``name`` is that of its tables as read."""
    return f"listed-{name}"


def table_of(run: Run, name: str) -> str:
    """Return where a table of rows lies, relative to the output folder; no other run has its name."""
    return f"{SOURCES}/{run.path.name}-{name}"


def list_rows(place: str, folder: str, table: str, record: CheckedTable) -> Made:
    """Write who the accepted rows of a file are, and where they stand in it.

    Parameters
    ----------
    place : str
        The output folder.
    folder : str
        Of the run, with the rows.
    table : str
        Where to write, relative to the output folder.
    record : CheckedTable
    """
    first = record.as_read
    rejected = _numbers(Path(folder) / "rejected" / first)
    repeated = np.setdiff1d(_numbers(Path(folder) / "rejected" / record.name), rejected)
    rows = rows_of_source(record.rows, rejected)
    done = 0
    target = Path(place) / table
    with (
        pq.ParquetFile(Path(folder) / "accepted" / first) as accepted,
        written_aside(target) as aside,
        row_writer(aside) as writer,
    ):
        for batch in accepted.iter_batches(batch_size=100_000, columns=["object_id", "ra", "dec"]):
            numbers = rows[done : done + len(batch)]
            fate = np.where(np.isin(numbers, repeated), REPEATED, IN_CATALOGUE).astype(np.int8)
            columns = [batch[name] for name in ("object_id", "ra", "dec")]
            writer.write_table(pa.table([*columns, pa.array(numbers), pa.array(fate)], schema=ROWS))
            done += len(batch)
    return Made(done, RowTable(table, sha256_file(target)), [target])


def row_writer(path: Path) -> pq.ParquetWriter:
    """Return the writer of such a table."""
    return pq.ParquetWriter(
        path,
        ROWS,
        compression="zstd",
        use_dictionary=False,
        column_encoding={"row": "DELTA_BINARY_PACKED", "object_id": "DELTA_BYTE_ARRAY"},
    )


def change_fates(source: Path, place: str, target: str, fates: Mapping[int, np.ndarray]) -> RowTable:
    """Write a table of rows again, with what became of some of them.

    Parameters
    ----------
    source : Path
    place, target : str
        Where to write: the output folder, and the table relative to it.
    fates : mapping of int to ndarray of int64
        Numbers of rows in the input file, by what became of them.
    """
    rows = pq.read_table(source)
    number, fate = rows["row"].to_numpy(), rows["fate"].to_numpy().copy()
    for value, chosen in fates.items():
        fate[np.isin(number, chosen)] = value
    path = Path(place) / target
    with written_aside(path) as aside, row_writer(aside) as writer:
        writer.write_table(rows.set_column(ROWS.get_field_index("fate"), ROWS.field("fate"), pa.array(fate)))
    return RowTable(target, sha256_file(path))


def with_table(source: Source, made: RowTable) -> Source:
    """Return a source whose table was written again."""
    return replace(source, table=made.table, sha256=made.sha256)


def _numbers(rejected: Path) -> np.ndarray:
    return pq.read_table(rejected, columns=["row"])["row"].to_numpy()
