"""The rows of a file when tiles overlap: those that are kept, and beside them those that are dropped.

Which is dropped for which is settled in `jpasbatch.stages.ingest.overlaps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd
import pyarrow.parquet as pq

from jpasbatch.facts import Facts
from jpasbatch.photometry.overlaps import LINKS
from jpasbatch.stages.run.commits import Made
from jpasbatch.storage.stores.files import written_aside

OTHER_IDS = pa.field(LINKS, pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False)
"""Ids of the rows that were dropped for this one; empty where there are none."""

DROPPED = (
    pa.field("kept_id", pa.string(), nullable=False),
    pa.field("separation_arcsec", pa.float64(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
)
"""What is said of a dropped row beside its photometry."""

SETTLED = pa.schema(
    [
        ("kept_file", pa.int64()),
        ("kept_row", pa.int64()),
        ("kept_id", pa.string()),
        ("file", pa.int64()),
        ("row", pa.int64()),
        ("object_id", pa.string()),
        ("separation_arcsec", pa.float64()),
    ]
)
"""Which row is dropped for which: numbers of files, and of rows in them."""


@dataclass(frozen=True)
class SingleRows(Facts):
    """What the commit of a file tells: how many of its rows are kept, and how many are dropped for others."""

    kept: int
    dropped: int


def write_single(folder: str, number: int, name: str, source: str, links: tuple[str, ...]) -> Made:
    """Write the rows of a file that are kept, with the ids of the others, and beside them the rows that are dropped."""
    zones = pd.dataset(
        [str(Path(folder) / "zones" / link) for link in links], schema=SETTLED, format="parquet"
    )
    dropped = zones.to_table(filter=pc.field("file") == number).sort_by("row")
    others = zones.to_table(filter=pc.field("kept_file") == number)
    others = others.sort_by([("kept_row", "ascending"), ("object_id", "ascending")])
    targets = [Path(folder) / "accepted" / f"single-{name}", Path(folder) / "dropped" / name]
    first = 0
    with (
        pq.ParquetFile(Path(folder) / "accepted" / name) as file,
        written_aside(targets[0]) as single_aside,
        written_aside(targets[1]) as dropped_aside,
    ):
        schema = file.schema_arrow
        wider = [pa.schema([*schema, *more], metadata=schema.metadata) for more in ((OTHER_IDS,), DROPPED)]
        with (
            pq.ParquetWriter(single_aside, wider[0], use_dictionary=False) as single_writer,
            pq.ParquetWriter(dropped_aside, wider[1], use_dictionary=False) as dropped_writer,
        ):
            for batch in file.iter_batches(batch_size=100_000):
                rows = pa.Table.from_batches([batch])
                gone = _rows_of(dropped, "row", first, len(rows))
                keep = np.ones(len(rows), dtype=bool)
                keep[gone["row"].to_numpy() - first] = False
                ids = _listed(_rows_of(others, "kept_row", first, len(rows)), first, len(rows))
                linked = pa.table([*rows.columns, ids], schema=wider[0])
                single_writer.write_table(linked.filter(pa.array(keep)))
                lost = rows.filter(pa.array(~keep))
                said = [
                    gone["kept_id"],
                    gone["separation_arcsec"],
                    pa.array([source] * len(lost), pa.string()),
                ]
                dropped_writer.write_table(pa.table([*lost.columns, *said], schema=wider[1]))
                first += len(rows)
    return Made(first, SingleRows(first - dropped.num_rows, dropped.num_rows), targets)


def _rows_of(links: pa.Table, column: str, first: int, number: int) -> pa.Table:
    """Return the links whose row lies in a chunk; they ascend by row."""
    start, stop = np.searchsorted(links[column].to_numpy(), (first, first + number))
    return links.slice(start, stop - start)


def _listed(links: pa.Table, first: int, number: int) -> pa.Array:
    """Return the ids of other rows as one list a row."""
    offsets = np.searchsorted(links["kept_row"].to_numpy(), first + np.arange(number + 1))
    values = links["object_id"].combine_chunks()
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=OTHER_IDS.type)
