"""Columns of arrow to numpy, as FITS, VOTable and ECSV hold them."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.photometry.units import readable_unit
from jpasbatch.storage.tables.complete.table import DESCRIPTION, UCD, UNIT


def storable_schema(schema: pa.Schema, what: str) -> pa.Schema:
    """Return a schema in the types that formats of astronomy have: times, dates and decimals become text.

    Raises
    ------
    InputError
        When a column has no counterpart: structures, maps, bytes.
    """
    return pa.schema(
        [field.with_type(_storable(field.type, field.name, what)) for field in schema],
        metadata=schema.metadata,
    )


def _storable(kind: pa.DataType, name: str, what: str) -> pa.DataType:
    types = pa.types
    if types.is_dictionary(kind):
        return _storable(kind.value_type, name, what)
    if types.is_fixed_size_list(kind):
        return pa.list_(_storable(kind.value_type, name, what), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_storable(kind.value_type, name, what))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return kind
    texts = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    timely = (types.is_timestamp, types.is_date, types.is_time, types.is_decimal)
    if any(test(kind) for test in (*texts, *timely)):
        return pa.string()
    raise InputError(f"column {name!r} holds {kind}, which {what} has no form for; write .parquet")


def as_storable(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows in the types of `storable_schema`."""
    arrays = []
    for field, column in zip(schema, rows.columns, strict=True):
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(whole, pa.ChunkedArray):
            whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
        if pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_decode()
        arrays.append(whole if whole.type == field.type else whole.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def numpy_column(array: pa.Array) -> np.ndarray:
    """Return a storable column as numpy has it.

    Numbers and logical values: their own type, masked where integers and logical values are null, NaN where floats
    are; texts: objects of str, masked where null; lists of fixed size: (n, size, ...); other lists: objects, each an
    array.
    """
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        inner = numpy_column(_elements(array))
        return inner.reshape(len(array), kind.list_size, *inner.shape[1:])
    if pa.types.is_list(kind):
        cells = np.empty(len(array), dtype=object)
        for row, cell in enumerate(array):
            cells[row] = numpy_column(pa.array(cell.as_py() or [], kind.value_type))
        return cells
    hidden = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return array.fill_null(pa.scalar(np.nan, kind)).to_numpy(zero_copy_only=False)
    fill: Any = "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else 0
    filled = array.fill_null(pa.scalar(fill, kind)).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(filled, mask=hidden) if hidden.any() else filled


def _elements(array: pa.Array) -> pa.Array:
    """Return the elements of lists of fixed size, nulls in the place of those of a list that is null."""
    if not array.null_count:
        return array.flatten()
    size = array.type.list_size
    start = array.offset * size
    elements = array.values.slice(start, len(array) * size)
    hidden = np.repeat(array.is_null().to_numpy(zero_copy_only=False), size)
    return pc.call_function("if_else", [pa.array(hidden), pa.scalar(None, elements.type), elements])


def astropy_table(
    rows: pa.Table,
    facts: dict[str, Any] | None = None,
    units: Literal["understood", "verbatim"] | None = "understood",
) -> Any:
    """Return rows as an astropy Table, with units and descriptions; texts have the width of the longest.

    Parameters
    ----------
    rows : pyarrow.Table
    facts : dict, optional
        Its ``meta``.
    units : {"understood", "verbatim"}, optional
        Units as astropy understands them, or as the texts that they are, to be written again; none with None.

    Raises
    ------
    InputError
        When a column has no counterpart.
    """
    from astropy.table import Column, MaskedColumn, Table

    schema = storable_schema(rows.schema, "astropy")
    table: Any = Table(meta=facts or {})
    for field, array in zip(schema, as_storable(rows, schema).columns, strict=True):
        values = numpy_column(
            pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], field.type)
        )
        if pa.types.is_string(field.type):
            values = values.astype(f"U{max(map(len, np.ma.getdata(values)), default=0) or 1}")
        notes = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
        kind = MaskedColumn if isinstance(values, np.ma.MaskedArray) else Column
        table[field.name] = kind(
            values,
            unit=_unit(notes.get(UNIT.decode(), ""), units),
            description=notes.get(DESCRIPTION.decode()),
        )
        if UCD.decode() in notes:
            table[field.name].meta["ucd"] = notes[UCD.decode()]
    return table


def _unit(text: str, how: str | None) -> Any:
    from astropy import units

    parse: Any = units.Unit
    if not text or how is None:
        return None
    if how == "verbatim":
        return units.UnrecognizedUnit(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)  # several slashes are "discouraged", and usual
        return parse(readable_unit(text), parse_strict="silent")
