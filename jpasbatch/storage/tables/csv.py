"""CSV as CEFCA publishes it: an optional line ``#SELECT ...``, then a header, then rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import band_names_by_id, wanted_columns

NULLS = ["", "NaN", "nan", "NAN", "null", "NULL", "None", "--", "N/A"]
BLOCK_BYTES = 8 << 20


def read_filter_csv(path: Path) -> tuple[str, ...]:
    """Return the bands of a filter table in CSV, in the order of FILTER_ID.

    Raises
    ------
    InputError
        If the file cannot be read or has no such columns.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the filter table cannot be read ({error})") from None
    rows = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    if not rows:
        raise InputError(f"{path}: the filter table is empty")
    header = rows[0]
    if any(len(row) != len(header) for row in rows):
        raise InputError(f"{path}: the rows of the filter table differ in length")
    columns = {name.strip(): [row[place] for row in rows[1:]] for place, name in enumerate(header)}
    return band_names_by_id(columns, path)


def iterate_csv(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a CSV file; see `jpasbatch.storage.tables.tables.iterate_raw`.

    A file without units: the survey's own apply. Vectors cannot be read from CSV.
    """
    skipped, header = read_header(path)
    wanted = wanted_columns(header, survey)
    others = tuple(name for name in header if name not in wanted)
    first_row = 0
    if not wanted:  # arrow would take no names for all of them
        yield RawTable({}, {}, None, str(path), has_units=False, other_columns=others)
        return
    for table in _chunks(path, skipped, wanted, survey, chunk_rows):
        columns = {name: _numpy(table.column(name)) for name in wanted}
        yield RawTable(columns, {}, None, str(path), first_row, has_units=False, other_columns=others)
        first_row += table.num_rows


def read_header(path: Path) -> tuple[int, list[str]]:
    """Return how many lines stand before the header, and the names of the columns, trimmed.

    Raises
    ------
    InputError
        When there is none, or it names a column twice.
    """
    skipped = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for line in lines:
                if not line.startswith("#"):
                    header = [name.strip() for name in next(csv.reader([line]), [])]
                    break
                skipped += 1
            else:
                raise InputError(f"{path}: holds no header line")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text in UTF-8 ({error})") from None
    if len(set(header)) != len(header):
        raise InputError(f"{path}: its header names a column twice: {', '.join(header)}")
    return skipped, header


def _chunks(
    path: Path, skipped: int, wanted: list[str], survey: Survey, chunk_rows: int
) -> Iterator[pa.Table]:
    # types are declared, not guessed: a column that is empty in the first block has no type
    types = {name: column_type(name, survey) for name in wanted}
    convert = arrow_csv.ConvertOptions(
        column_types=types, include_columns=wanted, null_values=NULLS, strings_can_be_null=True
    )
    read = arrow_csv.ReadOptions(skip_rows=skipped, block_size=BLOCK_BYTES, use_threads=False)
    pending, rows, yielded = [], 0, False
    try:
        with arrow_csv.open_csv(path, read_options=read, convert_options=convert) as reader:
            pending = [pa.table([pa.array([], kind) for kind in types.values()], names=list(types))]
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
