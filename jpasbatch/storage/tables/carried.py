"""Columns that travel, read beside the photometry: in the same order, in the types of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn, match_carried
from jpasbatch.photometry.carried.types import UNTYPED, carried_field
from jpasbatch.photometry.carried.values import canonical_rows
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.complete.table import CompleteTable, NextRows
from jpasbatch.storage.tables.tables import extension_of

CHUNK_ROWS = 100_000


def describe_carried(path: Path, survey: Survey, carried: Sequence[CarriedColumn]) -> pa.Schema:
    """Return the fields that the carried columns of a file would have by themselves, in the order of the job.

    A column without any value, and every column of a file without rows, is of type null. A CSV file is read as a whole
    for it, of others no more than their first rows.

    Raises
    ------
    InputError
        If a column is missing or of a type that does not travel.
    """
    untyped = extension_of(path).startswith(".csv")
    with _opened(path, survey, carried) as table:
        fields = []
        for field, one in zip(table.schema, carried, strict=True):
            if table.rows == 0 or (
                untyped and pa.types.is_int64(field.type) and _is_empty(path, survey, one)
            ):
                field = field.with_type(pa.null())
            elif pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
                field = field.with_type(pa.list_(field.type.value_type, _width(path, survey, one)))
            try:
                fields.append(carried_field(field, one))
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
    if untyped:
        fields = [field.with_metadata({**(field.metadata or {}), UNTYPED: b"csv"}) for field in fields]
    return pa.schema(fields)


class CarriedRows:
    """Hands out carried columns for the rows of a file, piece by piece, as many as are asked for.

    Attributes
    ----------
    rows : int
        Of the file.
    """

    def __init__(
        self, table: CompleteTable, carried: Sequence[CarriedColumn], schema: pa.Schema, source: str
    ) -> None:
        self.rows = table.rows
        self._next, self._carried, self._schema, self._source = NextRows(table), carried, schema, source

    def take(self, rows: int) -> pa.Table:
        """Return the next rows, in the schema of the catalogue.

        Raises
        ------
        InputError
            If fewer are left, or a value is not of its type.
        """
        return canonical_rows(self._next.take(rows).columns, self._carried, self._schema, self._source)


class NoRows:
    """What `CarriedRows` is where nothing travels."""

    def take(self, rows: int) -> pa.Table:
        """Return a table without columns."""
        return pa.table({})


@contextmanager
def carried_rows(
    path: Path, survey: Survey, carried: Sequence[CarriedColumn], schema: pa.Schema
) -> Iterator[CarriedRows | NoRows]:
    """Open the carried columns of a file, which stays closed where there are none.

    Parameters
    ----------
    path : Path
    survey : Survey
    carried : sequence of CarriedColumn
    schema : Schema
        What the files agreed on: `jpasbatch.photometry.carried.types.agree`.
    """
    if not carried:
        yield NoRows()
        return
    with open_columns(path, survey, carried, schema) as rows:
        yield rows


@contextmanager
def open_columns(
    path: Path, survey: Survey, carried: Sequence[CarriedColumn], schema: pa.Schema
) -> Iterator[CarriedRows]:
    """Open some columns of a file; see `carried_rows`."""
    with _opened(path, survey, carried) as table:
        yield CarriedRows(table, carried, schema, str(path))


@contextmanager
def _opened(path: Path, survey: Survey, carried: Sequence[CarriedColumn]) -> Iterator[CompleteTable]:
    def select(names: Sequence[str]) -> list[str]:
        try:
            return match_carried(names, carried, survey)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    with open_complete(path, survey, CHUNK_ROWS, select=select) as table:
        yield table


def _is_empty(path: Path, survey: Survey, one: CarriedColumn) -> bool:
    with _opened(path, survey, [one]) as table:
        return all(piece.column(0).null_count == piece.num_rows for piece in table.pieces)


def _width(path: Path, survey: Survey, one: CarriedColumn) -> int:
    """Return the length of the first list of a column that does not declare it."""
    with _opened(path, survey, [one]) as table:
        for piece in table.pieces:
            for value in piece.column(0).drop_null().slice(0, 1).to_pylist():
                return int(np.size(value))
    raise InputError(f"{path}: the column {one.column!r} of [catalogue] carry holds no list in any row")
