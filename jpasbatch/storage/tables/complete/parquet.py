"""All columns of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.complete.table import CompleteTable, Select, every_column, refuse_repeated
from jpasbatch.storage.tables.parquet import check_copies, every_row
from jpasbatch.storage.tables.parquet_footer import check_footer


@contextmanager
def open_complete_parquet(
    path: Path, chunk_rows: int, select: Select = every_column
) -> Iterator[CompleteTable]:
    """Open a Parquet file; a batch of rows is in memory at a time.

    Raises
    ------
    InputError
        When it cannot be read, or names a column twice.
    """
    check_footer(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_copies(path, file)
            whole = file.schema_arrow
            refuse_repeated(whole.names, path)
            names = list(select(whole.names))
            schema = pa.schema([whole.field(name) for name in names], metadata=whole.metadata)
            batches = (
                pa.Table.from_arrays([one.column(name) for name in names], schema=schema)
                for one in every_row(path, file, chunk_rows, names)
            )
            yield CompleteTable(path, schema, file.metadata.num_rows, batches)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: is truncated or damaged ({error})") from None
