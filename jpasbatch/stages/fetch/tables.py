"""Answers as Parquet tables that ``ingest`` reads: units, UCDs and descriptions stay with their columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.stages.fetch.answers import Answer
from jpasbatch.storage.stores.files import written_aside

ROWS_OF_A_GROUP = 50_000
FORM = 1
"""Of the files: raised when the same answer is written otherwise."""

KEPT = ("unit", "ucd", "description", "utype", "xtype")


def write_answer(answer: Answer, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write an answer as Parquet, whole or not at all; the same answer gives the same bytes.

    Parameters
    ----------
    answer : Answer
    path : Path
    metadata : mapping of str to object
        Of the file, JSON-able; ``FILTER`` tells ``ingest`` the order of bands in vectors.

    Raises
    ------
    InputError
        When two columns have the same name, or one holds what Parquet has no form for.
    """
    table = to_arrow(answer).replace_schema_metadata(
        {key: json.dumps(value, sort_keys=True) for key, value in metadata.items()}
    )
    with written_aside(path) as aside:
        pq.write_table(
            table, aside, row_group_size=ROWS_OF_A_GROUP, compression="zstd", write_page_checksum=True
        )


def to_arrow(answer: Answer) -> pa.Table:
    """Return an answer as a table of Arrow; each field holds its unit, UCD and description."""
    items, array = answer.table.fields, answer.table.array
    counts = Counter(item.name.lower() for item in items)
    twice = [name for name, number in counts.items() if number > 1]
    if twice:
        raise InputError(
            f"the answer has {counts[twice[0]]} columns named {twice[0]!r}; give them names in [fetch] columns "
            "(... AS name)"
        )
    columns = [_column(array[name], item.name) for item, name in zip(items, array.dtype.names, strict=True)]
    fields = [
        pa.field(item.name, column.type, metadata=_notes(item))
        for item, column in zip(items, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _notes(item: Any) -> dict[str, str]:
    found = {key: getattr(item, key, None) for key in KEPT}
    return {key: " ".join(str(value).split()) for key, value in found.items() if value not in (None, "")}


def _column(values: np.ma.MaskedArray, name: str) -> pa.Array:
    """Return a column of Arrow: nulls where a value is missing, except that a missing float stays NaN."""
    mask: np.ndarray = np.ma.getmaskarray(values)
    data = np.asarray(np.ma.getdata(values))
    if data.dtype == object:
        return _objects(data, mask, name)
    if data.dtype.kind not in "biuf":
        return pa.array(
            [None if gone else str(one) for one, gone in zip(data, mask.tolist(), strict=True)], pa.string()
        )
    if data.ndim > 2:
        raise InputError(
            f"column {name!r} holds arrays of {data.ndim - 1} dimensions in each row; leave it out of "
            "[fetch] columns, or select its elements"
        )
    flat, missing = data.reshape(-1), mask.reshape(-1)
    if flat.dtype.kind == "f":
        flat, missing = np.where(missing, np.nan, flat).astype(flat.dtype.newbyteorder("=")), None
    array = pa.array(flat.astype(flat.dtype.newbyteorder("=")), mask=missing)
    if data.ndim == 1:
        return array
    return pa.FixedSizeListArray.from_arrays(array, data.shape[1])


def _objects(data: np.ndarray, mask: np.ndarray, name: str) -> pa.Array:
    """Return a column whose values differ in length: text, or vectors of numbers."""
    gone: Any = mask.reshape(len(data), -1).all(axis=1) if data.size else np.zeros(len(data), dtype=bool)
    if not any(isinstance(one, np.ndarray) for one in data):
        texts = [None if lost or one is None else _text(one) for one, lost in zip(data, gone, strict=True)]
        return pa.array(texts, pa.string())
    kinds = {one.dtype.kind for one in data if isinstance(one, np.ndarray)}
    if not kinds <= set("biuf") or any(np.ndim(one) != 1 for one in data if isinstance(one, np.ndarray)):
        raise InputError(
            f"column {name!r} holds arrays that are no vectors of numbers; leave it out of [fetch] columns"
        )
    vectors = [None if not isinstance(one, np.ndarray) else _vector(one) for one in data]
    inner = next(one.type for one in vectors if one is not None)
    return pa.array([None if one is None else one.to_pylist() for one in vectors], pa.list_(inner))


def _vector(values: np.ndarray) -> pa.Array:
    plain = np.asarray(np.ma.getdata(values))
    plain = plain.astype(plain.dtype.newbyteorder("="))
    mask = np.ma.getmaskarray(values)
    if plain.dtype.kind == "f":
        return pa.array(np.where(mask, np.nan, plain).astype(plain.dtype))
    return pa.array(plain, mask=mask)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
