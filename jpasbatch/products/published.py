"""Tables that products publish: the same rows as ECSV, for people and astropy, and as Parquet; with units."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.products.protocol import Findings, Writer
from jpasbatch.version import __version__


def description(findings: Findings, created: str) -> dict[str, str]:
    """Return what every published table says of itself.

    Parameters
    ----------
    findings : Findings
        Of all products.
    created : str
        ISO date and time.
    """
    setting = findings.setting
    return {
        "created": created,
        "software": f"jpasbatch {__version__}",
        "survey": setting.survey.name,
        "classes": ",".join(setting.class_names),
        "probabilities": "under the class mix of this sky" if setting.corrected else "the committee's own",
        **setting.provenance,
    }


def table_writers(
    name: str, table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]
) -> dict[str, Writer]:
    """Return a table as two files, ``<name>.ecsv`` and ``<name>.parquet``.

    Parameters
    ----------
    name : str
        Path in the output folder, without an ending.
    table : pyarrow.Table
        Columns of text and numbers.
    units : mapping of str to str
        As astropy reads them, by column; the others have none.
    described : mapping of str to str
        What is said of the table; see `description`.
    """

    def write_ecsv(file: BinaryIO) -> None:
        file.write(ecsv_bytes(table, units, described))

    def write_parquet(file: BinaryIO) -> None:
        pq.write_table(_described(table, units, described), file)

    return {f"{name}.ecsv": write_ecsv, f"{name}.parquet": write_parquet}


def ecsv_bytes(table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]) -> bytes:
    """Return a table as ECSV; arguments as those of `table_writers`."""
    from astropy.table import Table

    columns = {column: _plain(table[column]) for column in table.column_names}
    known = {column: unit for column, unit in units.items() if column in columns}
    written = Table(columns, units=known, meta=dict(described))
    text = io.StringIO()
    written.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    values = column.to_numpy(zero_copy_only=False)
    return values.astype(str) if pa.types.is_string(column.type) else values


def _described(table: pa.Table, units: Mapping[str, str], described: Mapping[str, str]) -> pa.Table:
    """Return a table whose fields carry their units, and whose schema carries what is said of it."""
    fields = [
        field.with_metadata({"unit": units[field.name]}) if field.name in units else field
        for field in table.schema
    ]
    metadata = {f"jpasbatch.{key}": value for key, value in described.items()}
    return table.cast(pa.schema(fields, metadata=metadata))
