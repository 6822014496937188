"""One partition of a catalogue: where it lies, how it is read, and how a new one is written aside.

Parquet page checksums are written and verified: without them about half of all single-byte changes of a file
pass unnoticed as other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import Store

HEALPIX_COLUMN = "_healpix_29"
HEALPIX_ORDER = 29
ROW_GROUP_ROWS = 100_000
COMPRESSION: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "write_page_checksum": True}
QUICK_LEVEL = 1


@dataclass(frozen=True)
class StagedPartition:
    """A partition that is written and flushed, but published nowhere.

    Attributes
    ----------
    key : str
        In its store; empty when the partition has no rows: then there is no object.
    sha256 : str
        Of its bytes; empty when there is no object.
    rows, bytes : int
    stamp : str
        Of the object (`jpasbatch.storage.stores.store.Store.stamps`), for the commit.
    """

    key: str
    sha256: str
    rows: int
    bytes: int
    stamp: str = ""

    @property
    def files(self) -> dict[str, str]:
        """The stamp of the object by its key, for the commit; empty when there is no object."""
        return {self.key: self.stamp} if self.key else {}

    def facts(
        self, pixel: tuple[int, int], collection: str, fingerprint: str, quarantined: int = 0
    ) -> PartitionFacts:
        """Return what the commit of this partition says, as `publish_extension` wants it.

        Parameters
        ----------
        pixel
            (order, pixel) of the partition.
        collection
            Key of the collection in the store; empty when it is the store itself. The path is relative to the
            collection.
        fingerprint
            Of the run.
        quarantined
            Input rows of the partition that are not among the output rows.
        """
        return PartitionFacts(
            order=pixel[0],
            pixel=pixel[1],
            rows=self.rows,
            bytes=self.bytes,
            sha256=self.sha256,
            path=PurePosixPath(self.key).relative_to(collection).as_posix() if self.key else "",
            fingerprint=fingerprint,
            quarantined=quarantined,
        )


EMPTY = StagedPartition("", "", 0, 0)
"""A partition without rows."""


def partition_file(order: int, pixel: int) -> Path:
    """Return where HATS puts a partition, relative to the folder of its catalogue."""
    directory = pixel // 10_000 * 10_000
    return Path("dataset", f"Norder={order}", f"Dir={directory}", f"Npix={pixel}.parquet")


def read_partition(
    path: Path | str, columns: Sequence[str] | None = None, store: Store | None = None
) -> pa.Table:
    """Read a partition, or some of its columns, and verify the checksum of every page that is read.

    Parameters
    ----------
    path
        Parquet file; its key when a store is given.
    columns
        Names of columns, in the order wanted; all when None.
    store
        Where the partition lies. A file is read column by column, an object of a bucket whole.

    Raises
    ------
    InputError
        When the file is missing, truncated or damaged, or has no such column.
    """
    if store is None:
        store, path = open_store(Path(path).parent), Path(path).name
    with _opened(store, str(path), columns or ()) as file:
        table = file.read(columns=None if columns is None else list(columns))
        return table if columns is None else table.select(list(columns))


def find_rows(store: Store, key: str, identifiers: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Read some columns of those rows whose ``object_id`` is asked for, in the order of the file.

    Of a file only the row groups are read that hold such a row; an object of a bucket is read whole.

    Raises
    ------
    InputError
        As `read_partition`, and when an object is not there.
    """
    with _opened(store, key, ("object_id", *columns)) as file:
        found = []
        for number in range(file.num_row_groups):
            names = file.read_row_group(number, columns=["object_id"])["object_id"]
            rows = pc.call_function("is_in", [names], pc.SetLookupOptions(value_set=pa.array(identifiers)))
            if pc.call_function("any", [rows]).as_py():
                table = file.read_row_group(number, columns=list(columns))
                found.append(table.select(list(columns)).filter(rows))
        if sum(table.num_rows for table in found) == len(identifiers):
            return pa.concat_tables(found)
    raise InputError(f"{store}/{key} lacks one of the objects {', '.join(identifiers[:3])}.")


@contextmanager
def _opened(store: Store, key: str, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Open a partition that has these columns, and say what is wrong with it when it cannot be read."""
    name = f"{store}/{key}"
    try:
        with store.open(key) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            missing = set(columns) - set(file.schema_arrow.names)
            if missing:
                available = ", ".join(file.schema_arrow.names)
                raise InputError(
                    f"{name} has no column {', '.join(sorted(missing))}. Its columns are: {available}."
                )
            yield file
    except FileNotFoundError:
        raise InputError(
            f"The partition {name} is missing: restore it, or ingest the catalogue again."
        ) from None
    except (OSError, ValueError, pa.ArrowException) as error:  # a damaged footer shows in many ways
        raise InputError(
            f"Cannot read the partition {name}: {error}. The file is truncated or damaged: "
            "restore it from a copy, or make it again."
        ) from error


def write_partition(
    table: pa.Table, store: Store, folder: str, name: str, quick: bool = False
) -> StagedPartition:
    """Write a partition under a key that nobody else has; on a disk it is flushed.

    Two copies of one task therefore never write to one object; the ledger decides which of them counts. A table
    without rows makes no object: HATS lists a partition only when it has rows. The same table makes the same bytes in
    every store.

    Parameters
    ----------
    table
        Rows; when there is a column ``_healpix_29`` it must be ascending.
    store
        On a disk it must be on the file system of the collection, so that publishing can link the file.
    folder
        Key of the folder of staged partitions.
    name
        Begins the name of the object, e.g. ``5_8243``.
    quick : bool
        For what is written often: compressed with less care, and identifiers without a dictionary, since none comes
        twice. Of posteriors it takes three quarters of the time, and the files are 5 % smaller.
    """
    if table.num_rows == 0:
        return EMPTY
    _check_order(table, name)
    key = (PurePosixPath(folder) / f"{name}-{uuid4().hex}.parquet").as_posix()
    with store.writing(key) as writing:
        pq.write_table(table, writing.sink, **_layout(table.schema, quick))
    return StagedPartition(key, writing.sha256, table.num_rows, writing.bytes, writing.stamp)


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


def _check_order(table: pa.Table, name: str) -> None:
    if HEALPIX_COLUMN not in table.column_names:
        return
    values = table.column(HEALPIX_COLUMN).to_numpy()
    if not np.all(values[1:] >= values[:-1]):
        raise InputError(f"Partition {name}: {HEALPIX_COLUMN} is not ascending; HATS sorts its rows by it.")


def _layout(schema: pa.Schema, quick: bool) -> dict[str, Any]:
    layout = {"row_group_size": ROW_GROUP_ROWS, **COMPRESSION, **encodings(schema)}
    if quick:
        dictionaries = [name for name in layout["use_dictionary"] if name != "object_id"]
        layout |= {"compression_level": QUICK_LEVEL, "use_dictionary": dictionaries}
    return layout


def encodings(schema: pa.Schema) -> dict[str, Any]:
    """Return dictionaries for text only (they swell floats) and split bytes for floats, as HATS does."""
    encodings, dictionaries = {}, []
    for field in schema:
        inner, path = field.type, field.name
        if pa.types.is_fixed_size_list(inner) or pa.types.is_list(inner):
            inner, path = inner.value_type, f"{field.name}.list.element"
        if pa.types.is_floating(inner):
            encodings[path] = "BYTE_STREAM_SPLIT"
        elif field.name == HEALPIX_COLUMN:
            encodings[path] = "DELTA_BINARY_PACKED"
        else:
            dictionaries.append(path)
    return {"use_dictionary": dictionaries, "column_encoding": encodings, "write_page_index": True}
