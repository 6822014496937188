"""All columns of the table of objects in a VOTable, which is read as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.storage.tables.complete.arrays import arrow_array, field_of
from jpasbatch.storage.tables.complete.table import (
    DESCRIPTION,
    UCD,
    UNIT,
    CompleteTable,
    Select,
    band_metadata,
    every_column,
    refuse_repeated,
)
from jpasbatch.storage.tables.votable import read_tables


@contextmanager
def open_complete_votable(path: Path, select: Select = every_column) -> Iterator[CompleteTable]:
    """Open a VOTable: all of it is in memory.

    Raises
    ------
    InputError
        When it cannot be read, or a column has no counterpart in arrow.
    """
    objects, bands = read_tables(path)
    names = [str(item.name) for item in objects.fields]
    refuse_repeated(names, path)
    arrays, fields = [], []
    described = dict(
        zip(names, zip(objects.fields, objects.array.dtype.names or (), strict=True), strict=True)
    )
    for item, key in (described[name] for name in select(names)):
        array = arrow_array(np.ma.asarray(objects.array[key]), item.name, str(path))
        notes = {UNIT: item.unit, UCD: item.ucd, DESCRIPTION: item.description}
        fields.append(field_of(item.name, array.type, notes))
        arrays.append(array)
    schema = pa.schema(fields, metadata=band_metadata(bands))
    table = pa.Table.from_arrays(arrays, schema=schema)
    yield CompleteTable(path, schema, table.num_rows, iter([table]))
