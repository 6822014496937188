"""All columns of a CSV file: as the texts that it holds, or with the types that all of its rows allow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import wanted_columns
from jpasbatch.storage.tables.complete.table import CompleteTable, Select, every_column
from jpasbatch.storage.tables.compression import plain_file
from jpasbatch.storage.tables.csv import NULLS, Form, column_type, has_rows, read_form, reading_options

GUESSES = (pa.int64(), pa.float64())
"""Types that are tried for a column of which the survey says nothing; otherwise it is text."""


@contextmanager
def open_complete_csv(
    path: Path, survey: Survey, as_text: bool, select: Select = every_column
) -> Iterator[CompleteTable]:
    """Open a CSV file; a block of it is in memory at a time.

    It is read twice: a first time for the number of rows and the types, which no block alone can tell.

    Parameters
    ----------
    path : Path
    survey : Survey
        Declares the types of its own columns.
    as_text : bool
        Keep every cell as the file writes it: for who writes CSV again.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    with plain_file(path) as plain:
        form = read_form(plain)
        chosen = list(select(form.header))
        rows, types = _survey_of_types(plain, survey, form, as_text, chosen)
        schema = pa.schema([pa.field(name, types[name]) for name in chosen])
        yield CompleteTable(path, schema, rows, _pieces(plain, form, types, as_text))


def _batches(path: Path, form: Form) -> Iterator[pa.RecordBatch]:
    """Yield all cells as texts."""
    if not has_rows(path, form):
        return
    options = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(form.header, pa.string()), strings_can_be_null=False, null_values=[]
    )
    try:
        with arrow_csv.open_csv(path, convert_options=options, **reading_options(form)) as reader:
            yield from reader
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: is not a valid table ({error})") from None


def _survey_of_types(
    path: Path, survey: Survey, form: Form, as_text: bool, chosen: list[str]
) -> tuple[int, dict[str, pa.DataType]]:
    """Return the number of rows, and the type of each chosen column that all rows have."""
    declared = {name: column_type(name, survey) for name in wanted_columns(chosen, survey)}
    left = {} if as_text else {name: list(GUESSES) for name in chosen if name not in declared}
    rows = 0
    for batch in _batches(path, form):
        rows += batch.num_rows
        for name, kinds in left.items():
            texts = _with_nulls(batch.column(name))
            while kinds and not _fits(texts, kinds[0]):
                kinds.pop(0)
    if as_text:
        return rows, dict.fromkeys(chosen, pa.string())
    guessed = {name: kinds[0] if kinds else pa.string() for name, kinds in left.items()}
    found = guessed | declared
    return rows, {name: found[name] for name in chosen}


def _fits(texts: pa.Array, kind: pa.DataType) -> bool:
    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _with_nulls(texts: pa.Array) -> pa.Array:
    """Return trimmed texts, null where a cell says that it is empty."""
    trimmed = pc.call_function("utf8_trim_whitespace", [texts])
    absent = pc.call_function("is_in", [trimmed], pc.SetLookupOptions(value_set=pa.array(NULLS)))
    return pc.call_function("if_else", [absent, pa.scalar(None, pa.string()), trimmed])


def _pieces(path: Path, form: Form, types: dict[str, pa.DataType], as_text: bool) -> Iterator[pa.Table]:
    for batch in _batches(path, form):
        columns = [
            batch.column(name) if as_text else _typed(batch.column(name), types[name], name, path)
            for name in types
        ]
        yield pa.table(columns, names=list(types))


def _typed(texts: pa.Array, kind: pa.DataType, name: str, path: Path) -> pa.Array:
    try:
        return _with_nulls(texts).cast(kind)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: column {name!r} is not a column of {kind} ({error})") from None
