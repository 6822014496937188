"""One partition of a catalogue: where it lies, how it is read, and how a new one is written aside.

Parquet page checksums are written and verified: without them about half of all single-byte changes of a file
pass unnoticed as other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.files import fsync_file, fsync_folder, naming, sha256_file

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
        return {
            "order": pixel[0],
            "pixel": pixel[1],
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
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
    path = Path(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            missing = set(columns or ()) - set(file.schema_arrow.names)
            if not missing:
                table = file.read(columns=None if columns is None else list(columns))
                return table if columns is None else table.select(list(columns))
            available = ", ".join(file.schema_arrow.names)
    except FileNotFoundError:
        raise InputError(
            f"The partition {path} is missing: restore it, or ingest the catalogue again."
        ) from None
    except (OSError, ValueError, pa.ArrowException) as error:  # a damaged footer shows in many ways
        raise InputError(
            f"Cannot read the partition {path}: {error}. The file is truncated or damaged: "
            "restore it from a copy, or make it again."
        ) from error
    raise InputError(f"{path} has no column {', '.join(sorted(missing))}. Its columns are: {available}.")


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
    if HEALPIX_COLUMN in table.column_names and not _ascending(table.column(HEALPIX_COLUMN)):
        raise InputError(f"Partition {name}: {HEALPIX_COLUMN} is not ascending; HATS sorts its rows by it.")
    staging_folder.mkdir(parents=True, exist_ok=True)
    path = staging_folder / f"{name}-{uuid4().hex}.parquet"
    aside = path.with_name(f".{path.name}.tmp")
    try:
        with naming(path):
            pq.write_table(
                table, aside, row_group_size=ROW_GROUP_ROWS, **COMPRESSION, **encodings(table.schema)
            )
            fsync_file(aside)
        staged = StagedPartition(path, sha256_file(aside), table.num_rows, aside.stat().st_size)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    fsync_folder(staging_folder)
    return staged


def _ascending(column: pa.ChunkedArray) -> bool:
    values = column.to_numpy()
    return bool(np.all(values[1:] >= values[:-1]))


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
