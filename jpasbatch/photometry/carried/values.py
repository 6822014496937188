"""Values of columns that travel, with null wherever one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.types import is_number


def canonical_rows(
    columns: Iterable[pa.ChunkedArray], carried: Sequence[CarriedColumn], schema: pa.Schema, source: str
) -> pa.Table:
    """Return carried columns in the types of the catalogue, with null wherever a value is missing.

    In lists of numbers an element that is missing becomes NaN, as in the fluxes.

    Parameters
    ----------
    columns : iterable of ChunkedArray
        As the file has them, in the order of the job.
    carried : sequence of CarriedColumn
    schema : Schema
        What `agree` returned.
    source : str
        For messages.

    Raises
    ------
    InputError
        If a value does not survive a wider type, or a list of whole numbers lacks an element.
    """
    arrays = [
        _canonical(column.combine_chunks(), one, field.type, source)
        for column, one, field in zip(columns, carried, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def with_carried(accepted: pa.Table, rejected: pa.Table, beside: pa.Table, first_row: int) -> pa.Table:
    """Return accepted rows with the columns that travel.

    Parameters
    ----------
    accepted, rejected : pyarrow.Table
        What became of n rows of a file: `jpasbatch.photometry.normalisation.Normalised`.
    beside : pyarrow.Table
        Of the same n rows; without columns where nothing travels.
    first_row : int
        Number of the first of them in the file.
    """
    if not beside.num_columns:
        return accepted
    kept = np.ones(beside.num_rows, dtype=bool)
    kept[rejected["row"].to_numpy() - first_row] = False
    chosen = beside.filter(pa.array(kept))
    schema = pa.schema([*accepted.schema, *beside.schema], metadata=accepted.schema.metadata)
    return pa.Table.from_arrays([*accepted.columns, *chosen.columns], schema=schema)


def _canonical(array: pa.Array, one: CarriedColumn, kind: pa.DataType, source: str) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):  # older versions of arrow return one of no chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    try:
        if pa.types.is_fixed_size_list(kind):
            return _canonical_lists(array, one, kind, source)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        array = array.cast(kind)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{source}: the carried column {one.column!r} is no column of {kind} ({error})"
        ) from None
    return _nulls_for_missing(array, one.missing)


def _nulls_for_missing(array: pa.Array, missing: float | None) -> pa.Array:
    kind = array.type
    absent = np.zeros(len(array), dtype=bool)
    if pa.types.is_string(kind):
        array = pc.call_function("utf8_trim_whitespace", [array])
        absent = (
            pc.call_function("equal", [array, pa.scalar("")]).fill_null(False).to_numpy(zero_copy_only=False)
        )
    elif is_number(kind):
        if pa.types.is_floating(kind):
            values = array.to_numpy(zero_copy_only=False)
            absent = np.isnan(values)
            if missing is not None:
                absent |= values == values.dtype.type(missing)
        elif missing is not None and float(missing).is_integer():
            whole = pa.scalar(int(missing), pa.int64())
            equal = pc.call_function("equal", [array, whole]) if kind != pa.uint64() or missing >= 0 else None
            absent = absent if equal is None else equal.fill_null(False).to_numpy(zero_copy_only=False)
    if not absent.any():
        return array
    return pc.call_function("if_else", [pa.array(absent), pa.scalar(None, kind), array])


def _canonical_lists(array: pa.Array, one: CarriedColumn, kind: pa.DataType, source: str) -> pa.Array:
    inner, width, present = kind.value_type, kind.list_size, array.is_valid().to_numpy(zero_copy_only=False)
    known = array.drop_null()
    lengths = pc.call_function("list_value_length", [known]).to_numpy(zero_copy_only=False)
    if (lengths != width).any():
        found = ", ".join(map(str, np.unique(lengths[lengths != width])[:3]))
        raise InputError(
            f"{source}: the carried column {one.column!r} holds lists of length {found}; wanted is {width}"
        )
    values = known.flatten().cast(inner)
    if not pa.types.is_floating(inner):
        if values.null_count or not present.all():
            raise _incomplete(one, source)
        return pa.FixedSizeListArray.from_arrays(values, width)
    numbers = np.full((len(array), width), np.nan, dtype=inner.to_pandas_dtype())
    numbers[present] = values.to_numpy(zero_copy_only=False).reshape(-1, width)
    if one.missing is not None:
        numbers[numbers == numbers.dtype.type(one.missing)] = np.nan
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1), inner), width)


def _incomplete(one: CarriedColumn, source: str) -> InputError:
    return InputError(
        f"{source}: the carried column {one.column!r} lacks elements of its lists, which only lists of floating "
        "point numbers may"
    )
