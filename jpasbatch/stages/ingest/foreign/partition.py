"""What others say of the objects of one partition: found by id, staged in the order of the partition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd

from jpasbatch.products.posteriors import KEYS
from jpasbatch.stages.run.commits import Made
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.stores.opening import open_store


@dataclass(frozen=True)
class Matching:
    """What a worker needs to find what others say of a partition: places and names, never arrays.

    Attributes
    ----------
    store : str
        Location of the store: the output folder.
    catalogue, sky, staging : str
        Keys there: of the photometry, of the collection, and of the staged partitions.
    files : tuple of str
        Parquet files of what others say.
    identifier : str
        Their column with our id.
    order : tuple of str
        Columns by which the first of several rows of one object is chosen, ascending; none where there are no
        several.
    columns : dict of str to str
        Columns that are published, and what the files call them.
    schema : Schema
        Of these.
    fingerprint : str
        Of the run; in every commit.
    """

    store: str
    catalogue: str
    sky: str
    staging: str
    files: tuple[str, ...]
    identifier: str
    order: tuple[str, ...]
    columns: dict[str, str]
    schema: pa.Schema
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class MatchedPartition(PartitionFacts):
    """What the commit of a partition tells; ``second`` are rows of theirs that lost their object to a nearer one."""

    second: int


def match_partition(matching: Matching, order: int, pixel: int, name: str) -> Made:
    """Stage what others say of the objects of one partition; objects of which they say nothing have no row.

    Raises
    ------
    InputError
        When the partition is damaged.
    """
    store = open_store(matching.store)
    path = Path(matching.catalogue) / partition_file(order, pixel)
    ours = read_partition(path.as_posix(), KEYS, store)
    found, second = _first_of_each(_rows_of(ours["object_id"], matching), matching)
    place = pc.call_function(
        "index_in", [ours["object_id"]], pc.SetLookupOptions(value_set=found[matching.identifier])
    )
    chosen = place.is_valid()
    kept, rows = ours.filter(chosen), found.take(place.drop_null())
    arrays = [rows[matching.columns[field.name]].cast(field.type) for field in matching.schema]
    table = pa.table(
        [*kept.columns, *(array.combine_chunks() for array in arrays)],
        schema=published_schema(matching.schema),
    )
    staged = write_partition(table, store, matching.staging, name)
    missing = ours.num_rows - table.num_rows
    staged_facts = staged.facts((order, pixel), matching.sky, matching.fingerprint, missing)
    facts = MatchedPartition(**vars(staged_facts), second=second)
    return Made(table.num_rows, facts, own=staged.files)


def published_schema(said: pa.Schema) -> pa.Schema:
    """Return the schema of a catalogue of what others say: keys of ours, then theirs."""
    keys = [
        pa.field("_healpix_29", pa.int64()),
        pa.field("object_id", pa.string()),
        pa.field("ra", pa.float64()),
        pa.field("dec", pa.float64()),
    ]
    return pa.schema([*keys, *said])


def _rows_of(objects: pa.ChunkedArray, matching: Matching) -> pa.Table:
    """Read the rows of some objects; the files are scanned, and never in memory as a whole."""
    wanted = list(dict.fromkeys((matching.identifier, *matching.order, *matching.columns.values())))
    if not matching.files:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    files = pd.dataset(list(matching.files), format="parquet")
    return files.to_table(wanted, pc.field(matching.identifier).isin(objects.combine_chunks()))


def _first_of_each(rows: pa.Table, matching: Matching) -> tuple[pa.Table, int]:
    """Return the first row of each object in the order of the matching, and how many others there were."""
    if not matching.order:
        return rows, 0
    keys = [(name, "ascending") for name in (matching.identifier, *matching.order)]
    ordered = rows.sort_by(keys)
    names = np.asarray(ordered[matching.identifier].to_pylist(), dtype=object)
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[1:] != names[:-1]
    return ordered.filter(pa.array(first)), int((~first).sum())
