"""Parquet and CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError


class ParquetFile:
    """A Parquet file; every chunk is a group of rows, and what the table is stands in the metadata of its schema."""

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        named = {f"jpasbatch.{key}".encode(): text.encode() for key, text in facts.items()}
        self._schema = schema.with_metadata({**(schema.metadata or {}), **named})
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_page_checksum=True)

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._writer.write_table(rows.replace_schema_metadata(self._schema.metadata))

    def finish(self) -> None:
        """Write the footer."""
        self._writer.close()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class CsvFile:
    """A CSV file: a header, and rows. It has no place for units, or for what the table is.

    Raises
    ------
    InputError
        When a column holds vectors.
    """

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        vectors = [field.name for field in schema if pa.types.is_nested(field.type)]
        if vectors:
            raise InputError(
                f"CSV holds one value a cell, but {', '.join(vectors[:5])} hold vectors; write .fits, .parquet or .ecsv"
            )
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(schema.names)

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._writer.writerows(zip(*(_cells(column) for column in rows.columns), strict=True))

    def finish(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """Return the cells of a column as they are written; the shortest text that gives the same number back."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False) if column.null_count == 0 else _with_nan(column)
        # numpy's own text of a float32 is as short as that of a float64
        texts = values.astype("U32") if values.dtype != np.float64 else map(repr, values.tolist())
        return ["" if text == "nan" else text for text in texts]
    return ["" if value is None else value for value in column.to_pylist()]


def _with_nan(column: pa.ChunkedArray) -> np.ndarray:
    return column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
