"""VOTable, which is kept in memory until it is written as a whole: the format has no other way in astropy."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.table import UCD, UNIT
from jpasbatch.storage.tables.output.columns import as_storable, astropy_table, storable_schema


class VotableFile:
    """A VOTable, binary; what the table is are its INFOs, and the order of bands is a TABLE named FILTER."""

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        self._path, self._facts = path, facts
        self._schema = votable_schema(schema)
        self._parts: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        self._parts.append(as_storable(rows, self._schema))

    def finish(self) -> None:
        """Write the file."""
        from astropy.io import votable

        rows = pa.concat_tables([self._schema.empty_table(), *self._parts])
        with warnings.catch_warnings():
            # of units that it does not know, and names that cannot be IDs, which are written as they are
            warnings.simplefilter("ignore")
            votable.writeto(self._document(rows), str(self._path), tabledata_format="binary2")

    def _document(self, rows: pa.Table) -> Any:
        from astropy.io.votable import tree
        from astropy.table import Table

        table = astropy_table(rows.replace_schema_metadata(None), units=None)
        for name in table.colnames:
            if table[name].dtype == object:  # astropy asks each vector of a varying length for its mask
                table[name][:] = _masked_cells(table[name])
        document = tree.VOTableFile.from_table(table)
        objects = document.get_first_table()
        objects.name = "objects"
        for item, one in zip(objects.fields, self._schema, strict=True):
            notes = one.metadata or {}
            item.unit, item.ucd = (notes[key].decode() if key in notes else None for key in (UNIT, UCD))
            if not pa.types.is_primitive(one.type) and not pa.types.is_string(one.type):
                _mark_nulls(item, table[one.name])
        for key, text in self._facts.items():
            objects.infos.append(tree.Info(name=f"jpasbatch_{key}", value=NOT_IN_XML.sub("?", text)))
        bands = (self._schema.metadata or {}).get(FILTER_TABLE.encode())
        if bands:
            content = json.loads(bands)
            listed = Table({key: content[key] for key in ("FILTER_ID", "NAME")})
            filters = tree.VOTableFile.from_table(listed).get_first_table()
            filters.name = FILTER_TABLE
            document.resources[0].tables.append(filters)
        return document

    def close(self) -> None:
        """Let go of the rows."""
        self._parts.clear()


def _masked_cells(column: Any) -> np.ndarray:
    """Return vectors of varying length as masked arrays, whether they have a mask or not."""
    cells = np.empty(len(column), dtype=object)
    for row, cell in enumerate(column):
        cells[row] = np.ma.MaskedArray(cell, mask=np.ma.getmaskarray(cell))
    return cells


def _mark_nulls(item: Any, column: Any) -> None:
    """Let a number stand for the elements of vectors that are null: BINARY2 marks whole vectors only.

    Raises
    ------
    InputError
        When they are truth values, or there is no such number.
    """
    cells = [np.ma.ravel(cell) for cell in column]
    elements = np.ma.concatenate(cells) if cells else np.ma.empty(0)
    if not np.ma.is_masked(elements) or elements.dtype.kind == "f":  # NaN stands for itself
        return
    if elements.dtype.kind in "iu":
        limits, used = np.iinfo(str(elements.dtype)), set(np.unique(elements.compressed()).tolist())
        candidates = (*range(limits.min, limits.min + 3), *range(limits.max, limits.max - 256, -1))
        if (number := next((number for number in candidates if number not in used), None)) is not None:
            item.values.null = number
            return
    raise InputError(
        f"column {item.name!r} has vectors of which some elements are null, and VOTable has no form for these; "
        "write .parquet"
    )


WIDER = {
    pa.int8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.float16(): pa.float32(),
}
"""Types that VOTable lacks, and the next one that holds all of their values."""

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def votable_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema in the types that VOTable has.

    Raises
    ------
    InputError
        When a column, or its name, has no form there.
    """
    for field in schema:
        if NOT_IN_XML.search(field.name):
            raise InputError(f"column {field.name!r}: XML cannot hold its name; rename it, or write .parquet")
    found = storable_schema(schema, "VOTable")
    fields = []
    for field in found:
        notes = {key: NOT_IN_XML.sub("?", text.decode()) for key, text in (field.metadata or {}).items()}
        fields.append(field.with_type(_votable_type(field.type, field.name)).with_metadata(notes or None))
    return pa.schema(fields, metadata=found.metadata)


def _votable_type(kind: pa.DataType, name: str, within: bool = False) -> pa.DataType:
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_votable_type(kind.value_type, name, True), kind.list_size)
    if pa.types.is_list(kind):
        if pa.types.is_nested(kind.value_type) or within:
            raise _no_form(kind, name)
        return pa.list_(_votable_type(kind.value_type, name, True))
    if kind == pa.uint64() or (within and pa.types.is_string(kind)):
        raise _no_form(kind, name)
    return WIDER.get(kind, kind)


def _no_form(kind: pa.DataType, name: str) -> InputError:
    return InputError(f"column {name!r} holds {kind}, which VOTable has no form for; write .parquet")
