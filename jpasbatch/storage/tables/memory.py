"""Tables that are in memory already (astropy, pandas, arrow), in the form in which readers of files give them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import FILTER_TABLE, bands_agree, wanted_columns
from jpasbatch.storage.tables.complete.table import refuse_repeated
from jpasbatch.storage.tables.parquet import numpy_of, schema_bands, unit_of


def raw_of_arrow(
    table: pa.Table, survey: Survey, bands: tuple[str, ...] | None = None, has_units: bool = True
) -> RawTable:
    """Return an arrow table as a reader of Parquet would; see `jpasbatch.storage.tables.parquet.iterate_parquet`.

    Parameters
    ----------
    table : pyarrow.Table
    survey : Survey
    bands : tuple of str, optional
        Order of the bands in vectors, where the metadata ``FILTER`` do not tell.
    has_units : bool
        Whether the table could state units; where not, those of the survey apply.

    Raises
    ------
    InputError
        When a column occurs twice, or the order of bands is unknown.
    """
    source = "the table"
    refuse_repeated(table.column_names, source)
    wanted = wanted_columns(table.column_names, survey)
    columns = {name: numpy_of(_whole(table.column(name)), name, source) for name in wanted}
    units = {name: unit_of(table.schema.field(name)) for name in wanted}
    others = tuple(name for name in table.column_names if name not in wanted)
    raw = RawTable(
        columns,
        units,
        schema_bands(source, table.schema, survey),
        source,
        has_units=has_units,
        other_columns=others,
    )
    return bands_agree(raw, bands, survey)


def raw_of_astropy(table: Any, survey: Survey, bands: tuple[str, ...] | None = None) -> RawTable:
    """Return an astropy Table or QTable as a reader of FITS would.

    Parameters
    ----------
    table : astropy.table.Table
        With units where they are needed. The order of bands may stand in ``meta["FILTER"]``, as `jpasbatch.read_table`
        puts it there.
    survey : Survey
    bands : tuple of str, optional
        Order of the bands in vectors, where ``meta`` does not tell.

    Raises
    ------
    InputError
        When the order of bands is unknown.
    """
    wanted = wanted_columns(table.colnames, survey)
    columns, units = {}, {}
    for name in wanted:
        column = table[name]
        units[name] = "" if column.unit is None else str(column.unit)
        values = column.value if hasattr(column, "value") else column
        plain = np.ma.asarray(values) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        # "masked" of astropy is a habit of a table; only a mask that hides something counts
        columns[name] = np.ma.getdata(plain) if not np.ma.getmaskarray(plain).any() else plain
    others = tuple(name for name in table.colnames if name not in wanted)
    raw = RawTable(columns, units, _listed(table.meta.get(FILTER_TABLE)), "the table", other_columns=others)
    return bands_agree(raw, bands, survey)


def _listed(text: Any) -> tuple[str, ...] | None:
    """Return the bands that the metadata of a table list, separated by commas."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise InputError(
            f"the table: meta['{FILTER_TABLE}'] must be the names of the bands, separated by commas"
        )
    return tuple(name.strip() for name in text.split(","))


def listed_bands(schema: pa.Schema) -> str | None:
    """Return the bands that the metadata of a schema tell, as ``meta`` of an astropy Table holds them."""
    text = (schema.metadata or {}).get(FILTER_TABLE.encode())
    return None if text is None else ",".join(json.loads(text)["NAME"])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
