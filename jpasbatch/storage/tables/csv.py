"""CSV as CEFCA publishes it (an optional line ``#SELECT ...``, a header, rows), and as others write it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.regular_files import first_bytes, known_as, read_text, what_begins
from jpasbatch.storage.tables.columns import band_names_by_id, wanted_columns
from jpasbatch.storage.tables.compression import plain_file

NULLS = ["", "NaN", "nan", "NAN", "null", "NULL", "None", "--", "N/A"]
BLOCK_BYTES = 8 << 20
DELIMITERS = (",", ";", "\t")
LONGEST_LINE = 1 << 20
"""Letters of a header."""


def read_filter_csv(path: Path, survey: Survey | None = None) -> tuple[str, ...]:
    """Return the bands of a filter table in CSV, in the order of FILTER_ID.

    Raises
    ------
    InputError
        If the file cannot be read or has no such columns.
    """
    try:
        lines = read_text(path).removeprefix("\ufeff").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the filter table cannot be read ({error})") from None
    try:
        rows = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    except csv.Error as error:
        raise InputError(f"{path}: the filter table cannot be read ({error})") from None
    if not rows:
        raise InputError(f"{path}: the filter table is empty")
    header = rows[0]
    if any(len(row) != len(header) for row in rows):
        raise InputError(f"{path}: the rows of the filter table differ in length")
    columns = {name.strip(): [row[place] for row in rows[1:]] for place, name in enumerate(header)}
    return band_names_by_id(columns, path, survey)


def iterate_csv(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a CSV file; see `jpasbatch.storage.tables.tables.iterate_raw`.

    A file without units: the survey's own apply. Vectors cannot be read from CSV.
    """
    with plain_file(path) as plain:
        form = read_form(plain)
        wanted = wanted_columns(form.header, survey)
        others = tuple(name for name in form.header if name not in wanted)
        first_row = 0
        if not wanted:  # arrow would take no names for all of them
            yield RawTable({}, {}, None, str(path), has_units=False, other_columns=others)
            return
        for table in _chunks(plain, form, wanted, survey, chunk_rows):
            columns = {name: _numpy(table.column(name)) for name in wanted}
            yield RawTable(columns, {}, None, str(path), first_row, has_units=False, other_columns=others)
            first_row += table.num_rows


class Form(NamedTuple):
    """How a CSV file is written: names of its columns, what stands between them, and how many lines before the rows."""

    header: list[str]
    delimiter: str
    first_row: int


def read_form(path: Path) -> Form:
    """Return how a CSV file is written: with commas, semicolons or tabs; its header may be the last line with a #.

    Raises
    ------
    InputError
        When there is no header, it has no end, it names a column twice, or the file is no text.
    """
    begin = first_bytes(path)
    if known_as(begin):
        raise InputError(f"{path}: is no text, as the name of CSV says: it {what_begins(begin)}; rename it")
    comments, line = [], ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            while (line := lines.readline(LONGEST_LINE)).startswith("#"):
                comments.append(line)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text in UTF-8 ({error})") from None
    if len(line) == LONGEST_LINE:
        raise InputError(f"{path}: its header has more than {LONGEST_LINE} letters")
    delimiter = _delimiter(line or (comments[-1] if comments else ""))
    header, first_row = _fields(line, delimiter, path), len(comments) + 1
    commented = _fields(comments[-1].lstrip("#"), delimiter, path) if comments else []
    if commented and len(commented) == len(header) and all(map(_is_number_or_empty, header[:1])):
        header, first_row = commented, len(comments)
    if not any(header):
        raise InputError(f"{path}: holds no header line")
    if len(set(header)) != len(header):
        raise InputError(f"{path}: its header names a column twice: {', '.join(header)[:300]}")
    return Form(header, delimiter, first_row)


def _delimiter(line: str) -> str:
    """Return what separates the fields of a line: the comma, where no other sign occurs more often."""
    return max(DELIMITERS, key=line.count)


def _fields(line: str, delimiter: str, path: Path) -> list[str]:
    try:
        fields = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise InputError(
            f"{path}: its header cannot be read ({error}); it is one line, with whole quotes"
        ) from None
    return [name.strip() for name in fields]


def _is_number_or_empty(text: str) -> bool:
    try:
        return not text or bool(float(text)) or True
    except ValueError:
        return False


def has_rows(path: Path, form: Form) -> bool:
    """Return whether anything stands below the header; arrow refuses a file without rows.

    Lines end as `read_form` and arrow have it, with a carriage return alone too.
    """
    with path.open(encoding="latin-1", newline="") as lines:
        return any(line.strip() for line in islice(lines, form.first_row, None))


def reading_options(form: Form) -> dict[str, Any]:
    """Return how arrow reads a file of this form."""
    return {
        "read_options": arrow_csv.ReadOptions(
            skip_rows=form.first_row, column_names=form.header, block_size=BLOCK_BYTES, use_threads=False
        ),
        "parse_options": arrow_csv.ParseOptions(delimiter=form.delimiter),
    }


def _chunks(path: Path, form: Form, wanted: list[str], survey: Survey, chunk_rows: int) -> Iterator[pa.Table]:
    # types are declared, not guessed: a column that is empty in the first block has no type
    types = {name: column_type(name, survey) for name in wanted}
    empty = pa.table([pa.array([], kind) for kind in types.values()], names=list(types))
    if not has_rows(path, form):
        yield empty
        return
    convert = arrow_csv.ConvertOptions(
        column_types=types, include_columns=wanted, null_values=NULLS, strings_can_be_null=True
    )
    pending, rows, yielded = [], 0, False
    try:
        with arrow_csv.open_csv(path, convert_options=convert, **reading_options(form)) as reader:
            pending = [empty]
            for batch in reader:
                pending.append(pa.Table.from_batches([batch]))
                rows += batch.num_rows
                while rows >= chunk_rows:
                    joined = pa.concat_tables(pending)
                    yield joined.slice(0, chunk_rows)
                    pending, rows, yielded = [joined.slice(chunk_rows)], rows - chunk_rows, True
    except pa.ArrowException as error:
        raise InputError(f"{path}: is not a valid table ({error})") from None
    if rows or not yielded:
        yield pa.concat_tables(pending)


def column_type(name: str, survey: Survey) -> pa.DataType:
    """Return the type of a column that a survey declares."""
    catalogue = survey.catalogue
    same = catalogue.key(name)
    if same in map(catalogue.key, catalogue.id_columns):
        return pa.int64() if catalogue.id_type == "integer" else pa.string()
    if same in (catalogue.key(catalogue.flags), catalogue.key(catalogue.mask_flags)):
        return pa.int64()
    if same in (catalogue.key(catalogue.tile), catalogue.key(catalogue.true_class)):
        return pa.string()
    return pa.float64()


def _numpy(column: pa.ChunkedArray) -> np.ndarray:
    """Return an array, masked where integers are null; floats hold NaN and strings None there."""
    if pa.types.is_integer(column.type) and column.null_count:
        mask = column.is_null().to_numpy()
        return np.ma.MaskedArray(column.fill_null(0).to_numpy(), mask=mask)
    return column.to_numpy()
