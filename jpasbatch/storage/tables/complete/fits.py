"""All columns of the table of objects in a FITS file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.complete.arrays import arrow_array, field_of
from jpasbatch.storage.tables.complete.table import (
    CARDS,
    DESCRIPTION,
    UCD,
    UNIT,
    CompleteTable,
    Select,
    band_metadata,
    every_column,
    refuse_repeated,
)
from jpasbatch.storage.tables.fits import open_tables, piece, read_column, stored_values

FORM = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|TFIELDS|THEAP|CHECKSUM|DATASUM|"
    r"T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|COMM|UCD|BCOL)\d+"
)
"""Keywords of the form of a table, which is another when columns are added."""

ELEMENTS = {
    "L": pa.bool_(),
    "B": pa.uint8(),
    "I": pa.int16(),
    "J": pa.int32(),
    "K": pa.int64(),
    "E": pa.float32(),
    "D": pa.float64(),
}
"""Types of the elements of vectors whose length varies, by their letter in FITS."""


@contextmanager
def open_complete_fits(
    path: Path, survey: Survey, chunk_rows: int, select: Select = every_column
) -> Iterator[CompleteTable]:
    """Open a FITS file whose checksums hold; slices of rows are read.

    Raises
    ------
    InputError
        When it cannot be read, or a column has no counterpart in arrow.
    """
    with open_tables(path, survey) as (table, bands):
        refuse_repeated(table.columns.names, path)
        numbers = {name: number for number, name in enumerate(table.columns.names, start=1)}
        rows = int(table.header["NAXIS2"])
        # a first piece of no more than one row tells the types
        with piece(table, slice(0, min(rows, 1))) as first:
            fields = [
                field_of(name, _array(first, name, path).type, _notes(table, numbers[name]))
                for name in select(table.columns.names)
            ]
        schema = pa.schema(fields, metadata=band_metadata(bands) | _cards(table.header))
        yield CompleteTable(path, schema, rows, _pieces(table, schema, rows, chunk_rows, path))


def _pieces(table: Any, schema: pa.Schema, rows: int, chunk_rows: int, path: Path) -> Iterator[pa.Table]:
    for start in range(0, rows, chunk_rows):
        with piece(table, slice(start, min(start + chunk_rows, rows))) as part:
            arrays = [_array(part, field.name, path).cast(field.type) for field in schema]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _array(rows: Any, name: str, path: Path) -> pa.Array:
    try:
        column = rows.columns[name]
        if re.fullmatch(r"\d*[AL]", str(column.format)) and column.dim is None:
            return arrow_array(_texts_or_logical(rows, name), name, str(path))
        values = read_column(rows, name)
    except (ValueError, TypeError, OSError, UnicodeDecodeError, IndexError) as error:
        raise InputError(f"{path}: is damaged ({error})") from None
    letter = re.match(r"1?[PQ]([A-Z])", str(column.format))
    if letter is None:
        return arrow_array(values, name, str(path))
    if letter[1] not in ELEMENTS:
        raise InputError(
            f"{path}: column {name!r} holds vectors of a type that cannot be handed on; take the column out"
        )
    return pa.array([np.asarray(cell).tolist() for cell in values], pa.list_(ELEMENTS[letter[1]]))


def _texts_or_logical(rows: Any, name: str) -> np.ndarray:
    """Return texts without their filling, or logical values.

    Logical values are masked where the file has neither T nor F, which astropy would take for F.
    """
    stored = stored_values(rows, name)
    if stored.dtype.kind == "S":
        return np.char.rstrip(stored)
    return np.ma.MaskedArray(stored == ord("T"), mask=stored == 0)


def _cards(header: Any) -> dict[bytes, bytes]:
    """Return the cards of a header that do not describe its form, as metadata of a schema."""
    kept = header.copy()
    for key in {card.keyword for card in header.cards if FORM.fullmatch(card.keyword)}:
        kept.remove(key, remove_all=True)
    return {CARDS: kept.tostring(sep="\n", endcard=False, padding=False).encode("ascii")} if len(kept) else {}


def _notes(table: Any, number: int) -> dict[bytes, str]:
    return {
        UNIT: str(table.header.get(f"TUNIT{number}", "")).strip(),
        UCD: str(table.header.get(f"TUCD{number}", "")).strip(),
        DESCRIPTION: str(table.header.get(f"TCOMM{number}", "")).strip(),
    }
