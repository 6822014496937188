"""ECSV: text with units and types, of which astropy writes each chunk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.output.columns import as_storable, astropy_table, storable_schema


class EcsvFile:
    """An ECSV file; vectors are JSON in a cell."""

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        self._schema, self._facts = storable_schema(schema, "ECSV"), dict(facts)
        for field in self._schema:
            if pa.types.is_list(field.type) and pa.types.is_nested(field.type.value_type):
                raise InputError(
                    f"column {field.name!r} holds {field.type}, which ECSV has no form for; write .parquet"
                )
        self._file = path.open("x", encoding="utf-8")
        self._file.write("".join(self._parts(schema.empty_table())[0]))

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._file.writelines(self._parts(rows)[1])

    def finish(self) -> None:
        """Write what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _parts(self, rows: pa.Table) -> tuple[list[str], list[str]]:
        """Return the lines of the header, column names included, and those of the rows."""
        text = io.StringIO()
        table = astropy_table(as_storable(rows, self._schema), self._facts, units="verbatim")
        table.write(text, format="ascii.ecsv")
        lines = text.getvalue().splitlines(keepends=True)
        header = next(number for number, line in enumerate(lines) if not line.startswith("#")) + 1
        return lines[:header], lines[header:]
