"""One partition of a catalogue: where it lies, how it is read, and how a new one is written aside.

Parquet page checksums are written and verified: without them about half of all single-byte changes of a file
pass unnoticed as other numbers.
"""

from __future__ import annotations

import hashlib
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
from jpasbatch.storage.stores.files import fsync_file, fsync_folder, naming, sha256_file
from jpasbatch.storage.stores.store import FolderStore, Store

HEALPIX_COLUMN = "_healpix_29"
HEALPIX_ORDER = 29
ROW_GROUP_ROWS = 100_000
COMPRESSION: dict[str, Any] = {"compression": "zstd", "compression_level": 3, "write_page_checksum": True}


@dataclass(frozen=True)
class StagedPartition:
    """A partition that is written and flushed, but published nowhere.

    Attributes
    ----------
    path : Path or None
        None when the partition has no rows: then there is no file.
    sha256 : str
        Of the file's bytes; empty when there is no file.
    rows, bytes : int
    """

    path: Path | None
    sha256: str
    rows: int
    bytes: int

    def record(
        self, pixel: tuple[int, int], collection_folder: Path, fingerprint: str, quarantined: int = 0
    ) -> dict[str, Any]:
        """Return the ledger record of this partition, as `publish_extension` wants it.

        Parameters
        ----------
        pixel
            (order, pixel) of the partition.
        collection_folder
            The record's path is relative to it.
        fingerprint
            Of the run.
        quarantined
            Input rows of the partition that are not among the output rows.
        """
        path = self.path.resolve().relative_to(collection_folder.resolve()).as_posix() if self.path else ""
        return _record(self, path, pixel, fingerprint, quarantined)


@dataclass(frozen=True)
class StagedObject:
    """A partition that is written into a store, but published nowhere.

    Attributes
    ----------
    key : str
        In the store; empty when the partition has no rows: then there is no object.
    sha256 : str
        Of its bytes; empty when there is no object.
    rows, bytes : int
    files : dict of str to str
        Its stamp by its key, for the commit; empty when there is no object.
    """

    key: str
    sha256: str
    rows: int
    bytes: int
    files: dict[str, str]

    def record(
        self, pixel: tuple[int, int], collection: str, fingerprint: str, quarantined: int = 0
    ) -> dict[str, Any]:
        """Return the ledger record of this partition; its path is relative to the key of the collection.

        See `StagedPartition.record`.
        """
        path = PurePosixPath(self.key).relative_to(collection).as_posix() if self.key else ""
        return _record(self, path, pixel, fingerprint, quarantined)


def _record(
    staged: StagedPartition | StagedObject,
    path: str,
    pixel: tuple[int, int],
    fingerprint: str,
    quarantined: int,
) -> dict[str, Any]:
    return {
        "order": pixel[0],
        "pixel": pixel[1],
        "rows": staged.rows,
        "bytes": staged.bytes,
        "sha256": staged.sha256,
        "path": path,
        "fingerprint": fingerprint,
        "quarantined": quarantined,
    }


def partition_file(order: int, pixel: int) -> Path:
    """Return where HATS puts a partition, relative to the folder of its catalogue."""
    directory = pixel // 10_000 * 10_000
    return Path("dataset", f"Norder={order}", f"Dir={directory}", f"Npix={pixel}.parquet")


def read_partition(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a partition, or some of its columns, and verify the checksum of every page that is read.

    Parameters
    ----------
    path
        Parquet file.
    columns
        Names of columns, in the order wanted; all when None.

    Raises
    ------
    InputError
        When the file is missing, truncated or damaged, or has no such column.
    """
    return _read(Path(path), str(path), columns)


def read_stored_partition(store: Store, key: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a partition from a store: a file column by column, an object whole. See `read_partition`."""
    return _read(_source(store, key), f"{store}/{key}", columns)


def read_stored_rows(store: Store, key: str, identifiers: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Read some columns of those rows whose ``object_id`` is asked for, in the order of the file.

    Of a file only the row groups are read that hold such a row; an object is read whole.

    Raises
    ------
    InputError
        As `read_partition`, and when an object is not there.
    """
    with _opened(_source(store, key), f"{store}/{key}", ("object_id", *columns)) as file:
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


def _source(store: Store, key: str) -> Path | pa.NativeFile:
    if isinstance(store, FolderStore):
        return store.path(key)
    data = store.read(key)
    if data is None:
        raise _missing(f"{store}/{key}")
    return pa.BufferReader(data)


def _read(source: Path | pa.NativeFile, name: str, columns: Sequence[str] | None) -> pa.Table:
    with _opened(source, name, columns or ()) as file:
        table = file.read(columns=None if columns is None else list(columns))
        return table if columns is None else table.select(list(columns))


@contextmanager
def _opened(source: Path | pa.NativeFile, name: str, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    """Open a partition that has these columns, and say what is wrong with it when it cannot be read."""
    try:
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            missing = set(columns) - set(file.schema_arrow.names)
            if missing:
                available = ", ".join(file.schema_arrow.names)
                raise InputError(
                    f"{name} has no column {', '.join(sorted(missing))}. Its columns are: {available}."
                )
            yield file
    except FileNotFoundError:
        raise _missing(name) from None
    except (OSError, ValueError, pa.ArrowException) as error:  # a damaged footer shows in many ways
        raise InputError(
            f"Cannot read the partition {name}: {error}. The file is truncated or damaged: "
            "restore it from a copy, or make it again."
        ) from error


def _missing(name: str) -> InputError:
    return InputError(f"The partition {name} is missing: restore it, or ingest the catalogue again.")


def write_partition(table: pa.Table, staging_folder: Path, name: str) -> StagedPartition:
    """Write a partition under a name that nobody else has, and flush it to the disk.

    Two copies of one task therefore never write to one file; the ledger decides which of them counts. A table
    without rows makes no file: HATS lists a partition only when it has rows.

    Parameters
    ----------
    table
        Rows; when there is a column ``_healpix_29`` it must be ascending.
    staging_folder
        In the collection, and so on its file system; created when absent.
    name
        Begins the file's name, e.g. ``5_8243``.
    """
    if table.num_rows == 0:
        return StagedPartition(None, "", 0, 0)
    _check_order(table, name)
    staging_folder.mkdir(parents=True, exist_ok=True)
    path = staging_folder / f"{name}-{uuid4().hex}.parquet"
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with naming(path):
            pq.write_table(table, aside, **_layout(table.schema))
            fsync_file(aside)
        staged = StagedPartition(path, sha256_file(aside), table.num_rows, aside.stat().st_size)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    fsync_folder(staging_folder)
    return staged


def stage_partition(table: pa.Table, store: Store, folder: str, name: str) -> StagedObject:
    """Write a partition into a folder of a store under a name that nobody else has; see `write_partition`.

    The same table makes the same bytes in a file and in an object. An object is made in memory, which holds the
    partition and its bytes then.
    """
    if isinstance(store, FolderStore):
        staged = write_partition(table, store.path(folder), name)
        key = staged.path.relative_to(store.folder).as_posix() if staged.path else ""
        files = {key: staged.sha256} if key else {}
        return StagedObject(key, staged.sha256, staged.rows, staged.bytes, files)
    if table.num_rows == 0:
        return StagedObject("", "", 0, 0, {})
    _check_order(table, name)
    key = f"{folder}/{name}-{uuid4().hex}.parquet"
    data = parquet_bytes(table, **_layout(table.schema))
    store.create(key, data)
    return StagedObject(key, hashlib.sha256(data).hexdigest(), table.num_rows, len(data), store.stamps([key]))


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


def _layout(schema: pa.Schema) -> dict[str, Any]:
    return {"row_group_size": ROW_GROUP_ROWS, **COMPRESSION, **encodings(schema)}


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
