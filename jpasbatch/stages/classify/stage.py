"""Stage ``classify``: tables in, the same tables with what a committee says of each row out.

A chunk of rows is in memory at a time, as far as the formats allow: VOTable is read and written as a whole. Rows are
read by the readers that `jpasbatch ingest` uses, and judged by the one pass that classifies; all columns of the table,
read beside, are handed on as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from jpasbatch.compute.meter import Meter
from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.stages.classify.columns import added_schema, prefixed
from jpasbatch.stages.classify.committee import NamedCommittee
from jpasbatch.stages.classify.rows import classify_rows
from jpasbatch.stages.classify.tally import ClassifiedTables, RowTally
from jpasbatch.stages.run.progress import Progress, show_progress
from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.complete.table import CARDS, UNIT, CompleteTable, NextRows
from jpasbatch.storage.tables.output.writing import TableFile, output_ending, write_table
from jpasbatch.storage.tables.tables import iterate_raw

CHUNK_ROWS = 10_000
"""Rows that are in memory at once."""

QUIET_SECONDS = 2.0
"""After which progress is shown."""


@dataclass(frozen=True)
class ClassifyOptions:
    """How tables are classified.

    Attributes
    ----------
    cuts : QualityCuts
        Which rows are fit for classification.
    prefix : str
        Before the names of the columns that are added.
    filter_table : Path, optional
        A filter table as CEFCA publishes it in CSV, for tables of vectors without one of their own.
    overwrite : bool
        Whether an output that is there may be replaced.
    chunk_rows : int
    """

    cuts: QualityCuts = field(default_factory=QualityCuts)
    prefix: str = ""
    filter_table: Path | None = None
    overwrite: bool = False
    chunk_rows: int = CHUNK_ROWS


def classify_tables(
    tables: Sequence[Path], output: Path, named: NamedCommittee, options: ClassifyOptions = ClassifyOptions()
) -> ClassifiedTables:
    """Classify the rows of tables, and write them into one.

    Parameters
    ----------
    tables : sequence of Path
        In the order of the rows of the output; with the same columns, where they are several.
    output : Path
        Replaced at once, whole, or not at all.
    named : NamedCommittee
    options : ClassifyOptions

    Raises
    ------
    InputError
        When a table cannot be used, has columns of the names that are added, or the output cannot hold it or is there.
    """
    as_text = output_ending(output) == ".csv"
    _check_output(output, tables, options.overwrite)
    tally, start = RowTally(), time.monotonic()
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_complete(path, named.survey, options.chunk_rows, as_text))
            for path in tables
        ]
        schema = _result_schema(opened, named, options.prefix)
        file = stack.enter_context(write_table(output, schema, named.facts()))
        meter = Meter("classify: rows", sum(table.rows for table in opened))
        show = stack.enter_context(_shown_when_slow(meter))
        for table in opened:
            _classify_table(table, file, schema, named, options, tally, show)
    return tally.told(tables, output, named.committee.classes, time.monotonic() - start)


def _classify_table(
    table: CompleteTable,
    file: TableFile,
    schema: pa.Schema,
    named: NamedCommittee,
    options: ClassifyOptions,
    tally: RowTally,
    show: Any,
) -> None:
    rows = NextRows(table)
    for raw in iterate_raw(table.path, named.survey, options.chunk_rows, options.filter_table):
        found, normalised = classify_rows(raw, named.survey, named.committee, options.cuts)
        same = rows.take(len(raw))
        file.write(pa.Table.from_arrays([*same.columns, *found.columns], schema=schema))
        tally.add(found, normalised)
        show(len(raw))
    rows.finish()


def _check_output(output: Path, tables: Sequence[Path], overwrite: bool) -> None:
    if output.is_dir():
        raise InputError(f"--output {output}: is a folder; name a file")
    if any(output.resolve() == path.resolve() for path in tables):
        raise InputError(f"--output {output}: is one of the tables that are classified; name another file")
    if output.exists() and not overwrite:
        raise InputError(
            f"--output {output}: is there already; name another file, or allow to replace it (--overwrite)"
        )


def _result_schema(opened: list[CompleteTable], named: NamedCommittee, prefix: str) -> pa.Schema:
    """Return the columns of all tables, which must be the same, and those that are added.

    Raises
    ------
    InputError
        When columns differ, or two would have one name.
    """
    first = opened[0]
    for table in opened[1:]:
        difference = _difference(table.schema, first.schema)
        if difference:
            raise InputError(
                f"{table.path} and {first.path}: {difference}; tables of one output have the same columns: classify "
                "them one by one"
            )
    added = added_schema(named.survey, named.committee.classes)
    names = prefixed(added, prefix, first.schema.names, str(first.path))
    fields = [field.with_name(name) for field, name in zip(added, names, strict=True)]
    metadata = dict(first.schema.metadata or {})
    if len(opened) > 1:
        metadata.pop(CARDS, None)  # they are of the first table alone
    return pa.schema([*first.schema, *fields], metadata=metadata)


def _difference(one: pa.Schema, other: pa.Schema) -> str:
    """Return in what the columns of two tables differ; nothing where they are the same."""
    names = [name for name in (*one.names, *other.names) if (name in one.names) != (name in other.names)]
    if names:
        return f"only one has the column {names[0]!r}"
    for name in one.names:
        first, second = one.field(name), other.field(name)
        if first.type != second.type:
            return f"column {name!r} is {first.type} in one and {second.type} in the other"
        units = [(field.metadata or {}).get(UNIT, b"").decode() for field in (first, second)]
        if units[0] != units[1]:
            return f"column {name!r} is in {units[0] or 'no unit'!r} in one and {units[1] or 'no unit'!r} in the other"
    if one.names != other.names:
        return "their columns have another order"
    bands = [(schema.metadata or {}).get(FILTER_TABLE.encode()) for schema in (one, other)]
    return "" if bands[0] == bands[1] else "their tables FILTER differ"


@contextmanager
def _shown_when_slow(meter: Meter) -> Iterator[Any]:
    """Give a function that counts rows, and shows how far a stage is once it takes longer than `QUIET_SECONDS`."""
    with ExitStack() as stack:
        shown: list[Progress] = []

        def count(rows: int) -> None:
            meter.done += rows
            meter.rows += rows
            if not shown and meter.seconds > QUIET_SECONDS and meter.ended < meter.total:
                shown.append(stack.enter_context(show_progress(meter)))
            for progress in shown:
                progress.show()

        yield count
