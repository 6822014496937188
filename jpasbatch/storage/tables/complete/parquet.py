"""All columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.complete.table import CompleteTable, refuse_repeated


@contextmanager
def open_complete_parquet(path: Path, chunk_rows: int) -> Iterator[CompleteTable]:
    """Open a Parquet file; a batch of rows is in memory at a time.

    Raises
    ------
    InputError
        When it cannot be read, or names a column twice.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            refuse_repeated(schema.names, path)
            batches = (pa.Table.from_batches([one], schema) for one in file.iter_batches(chunk_rows))
            yield CompleteTable(path, schema, file.metadata.num_rows, batches)
    except pa.ArrowException as error:
        raise InputError(f"{path}: is truncated or damaged ({error})") from None
