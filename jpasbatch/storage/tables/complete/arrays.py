"""Columns of numpy, as FITS and VOTable give them, to arrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError


def arrow_array(values: np.ndarray, name: str, source: str) -> pa.Array:
    """Return a column as an arrow array; what is masked becomes null.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Masked or not, of any byte order. Vectors become lists of fixed size, arrays of more dimensions lists of lists.
    name, source : str
        For messages.

    Raises
    ------
    InputError
        When arrow has no such type: complex numbers, vectors without elements, mixed objects.
    """
    if values.dtype.kind not in "biufUSO" or 0 in values.shape[1:]:
        what = "vectors of length 0" if 0 in values.shape[1:] else f"values of type {values.dtype}"
        raise InputError(
            f"{source}: column {name!r} holds {what}, which cannot be handed on; take the column out"
        )
    shape, flat = values.shape, values.reshape(-1)
    convert = _objects if values.dtype.kind == "O" else _plain
    array = convert(flat, name, source)
    for size in reversed(shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _plain(flat: np.ndarray, name: str, source: str) -> pa.Array:
    mask, data = np.ma.getmaskarray(flat), np.asarray(np.ma.getdata(flat))
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    if data.dtype.kind not in "US":
        return pa.array(data, mask=mask if mask.any() else None)
    try:
        texts = (
            data.astype("U").tolist() if data.dtype.kind == "U" else [one.decode() for one in data.tolist()]
        )
    except UnicodeDecodeError:
        raise InputError(f"{source}: column {name!r} holds text that is not UTF-8") from None
    return pa.array(texts, pa.string(), mask=mask if mask.any() else None)


def _objects(flat: np.ndarray, name: str, source: str) -> pa.Array:
    """Return cells that are objects: texts, numbers, or vectors of differing lengths."""
    hidden = np.ma.getmaskarray(flat)
    cells = [
        None if absent or cell is None or cell is np.ma.masked else _cell(cell)
        for cell, absent in zip(np.ma.getdata(flat).tolist(), hidden.tolist(), strict=True)
    ]
    try:
        array = pa.array(cells)
    except (pa.ArrowException, OverflowError):
        raise InputError(
            f"{source}: column {name!r} mixes values of different types; take the column out"
        ) from None
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _cell(cell: Any) -> Any:
    if isinstance(cell, np.ma.MaskedArray):
        return cell.tolist()
    if isinstance(cell, np.ndarray):
        return [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in cell.tolist()]
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell


def field_of(name: str, kind: pa.DataType, notes: Mapping[bytes, str]) -> pa.Field:
    """Return the field of a column, with those notes that say something as its metadata."""
    kept = {key: str(text) for key, text in notes.items() if text}
    return pa.field(name, kind, metadata=kept or None)
