"""Published tables in Parquet."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import FILTER_TABLE, band_names_by_id, wanted_columns
from jpasbatch.storage.tables.complete.table import refuse_repeated
from jpasbatch.storage.tables.parquet_footer import check_footer

LARGEST_ROW_GROUP = 8 << 30
"""Bytes that a row group may claim to hold before it is taken for a memory bomb."""

LARGEST_ROW = 1 << 20
"""Bytes that a single row may claim to hold."""


def iterate_parquet(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a Parquet file; see `jpasbatch.storage.tables.tables.iterate_raw`.

    Units are the field metadata ``unit``; the order of bands is the schema metadata ``FILTER``,
    a JSON object with the lists ``FILTER_ID`` and ``NAME``.
    """
    first_row = 0
    check_footer(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            refuse_repeated(schema.names, path)
            _check_size(path, file.metadata)
            wanted = wanted_columns(schema.names, survey)
            others = tuple(name for name in schema.names if name not in wanted)
            units = {name: unit_of(schema.field(name)) for name in wanted}
            check_copies(path, file)
            bands = schema_bands(path, schema, survey)
            for batch in every_row(path, file, chunk_rows, wanted):
                if not batch.num_rows:
                    continue
                columns = {name: numpy_of(batch.column(name), name, path) for name in wanted}
                yield RawTable(columns, units, bands, str(path), first_row, other_columns=others)
                first_row += batch.num_rows
            if first_row == 0:
                empty = {name: numpy_of(pa.array([], schema.field(name).type), name, path) for name in wanted}
                yield RawTable(empty, units, bands, str(path), 0, other_columns=others)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is truncated or damaged ({error})") from None


def check_copies(path: Path, file: pq.ParquetFile) -> None:
    """Refuse a file that names its columns, or the order of bands, twice and differently: a footer has no checksum.

    Arrow writes a schema twice, and reads names from one copy and metadata from the other, its own description.

    Raises
    ------
    InputError
        When they differ.
    """
    described = (file.metadata.metadata or {}).get(b"ARROW:schema")
    if described is not None and _described_names(path, described) != file.schema_arrow.names:
        raise InputError(f"{path}: is damaged (its footer names the columns twice, and differently)")
    key = FILTER_TABLE.encode()
    outer, inner = ((one or {}).get(key) for one in (file.metadata.metadata, file.schema_arrow.metadata))
    if outer is not None and inner is not None and outer != inner:
        raise InputError(f"{path}: is damaged (its footer tells the order of bands twice, and differently)")


def _described_names(path: Path, described: bytes) -> list[str]:
    """Return the names of columns in Arrow's own description of a schema."""
    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(described))).names
    except ValueError as error:  # no base64, or no schema
        raise InputError(f"{path}: is damaged (Arrow's description of its schema: {error})") from None


def every_row(
    path: Path, file: pq.ParquetFile, chunk_rows: int, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in batches, as many as its footer says: arrow passes over pages of unknown types.

    Raises
    ------
    InputError
        At the end, when rows are missing.
    """
    found = 0
    for batch in file.iter_batches(batch_size=chunk_rows, columns=list(columns)):
        found += batch.num_rows
        yield batch
    if columns and found != file.metadata.num_rows:
        raise InputError(f"{path}: is damaged (its footer says {file.metadata.num_rows} rows, found {found})")


def _check_size(path: Path, metadata: pq.FileMetaData) -> None:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.total_byte_size > LARGEST_ROW_GROUP or group.total_byte_size > LARGEST_ROW * max(
            group.num_rows, 1
        ):
            raise InputError(
                f"{path}: row group {number} claims {group.total_byte_size} bytes in {group.num_rows} rows; at"
                f" most {LARGEST_ROW_GROUP} bytes, and {LARGEST_ROW} a row, are read"
            )


def unit_of(field: pa.Field) -> str:
    """Return the unit that a field states."""
    return (field.metadata or {}).get(b"unit", b"").decode("utf-8", "replace")  # no unit that is known, then


def schema_bands(path: Path | str, schema: pa.Schema, survey: Survey) -> tuple[str, ...] | None:
    """Return the order of bands that the metadata of a schema tell, if they do.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    text = (schema.metadata or {}).get(FILTER_TABLE.encode())
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(isinstance(value, list) for value in content.values()):
        raise InputError(f"{path}: the metadata FILTER must be JSON with the lists FILTER_ID and NAME")
    return band_names_by_id(content, path, survey)


def numpy_of(array: pa.Array, name: str, path: Path | str) -> np.ndarray:
    """Return a column as numpy has it, (n,) or (n, width), masked where numbers are null.

    Raises
    ------
    InputError
        When vectors differ in length.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return numpy_of(array.dictionary_decode(), name, path)
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _vectors(array, name, path)
    if array.null_count and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        filled = array.fill_null(0).to_numpy(zero_copy_only=False)
        return np.ma.MaskedArray(filled, mask=array.is_null().to_numpy(zero_copy_only=False))
    return array.to_numpy(zero_copy_only=False)


def _vectors(array: pa.Array, name: str, path: Path | str) -> np.ndarray:
    if array.null_count:
        raise InputError(f"{path}: column {name!r} holds null instead of a vector in {array.null_count} rows")
    if pa.types.is_fixed_size_list(array.type):
        width = array.type.list_size
    else:
        widths = np.unique(np.diff(array.offsets.to_numpy()))
        if len(widths) > 1:
            raise InputError(
                f"{path}: column {name!r} holds vectors of different lengths ({', '.join(map(str, widths))})"
            )
        width = int(widths[0]) if len(widths) else 0
    if pa.types.is_nested(array.type.value_type):
        raise InputError(
            f"{path}: column {name!r} holds lists of {array.type.value_type}; lists of numbers are read"
        )
    values = numpy_of(array.flatten(), name, path)
    return values.reshape(len(array), width) if len(array) else np.empty((0, width), dtype=values.dtype)
