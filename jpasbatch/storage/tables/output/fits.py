"""FITS binary tables of any length.

The width of a row is known when the last one is: texts have the width of the longest, and integers need a number that
stands for nothing where one is missing. So rows are kept in a file beside, as arrow, and written in a second pass, a
chunk in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.columns import FILTER_TABLE
from jpasbatch.storage.tables.complete.table import CARDS, DESCRIPTION, UCD, UNIT
from jpasbatch.storage.tables.output.columns import as_storable, numpy_column, storable_schema

BLOCK = 2880
CODES = {"b": "L", "u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
UNSIGNED = {"i1": ("u1", -(2**7)), "u2": ("i2", 2**15), "u4": ("i4", 2**31), "u8": ("i8", 2**63)}
"""Types that FITS has not, the one that stores them, and the zero that is added to what is stored."""

LONGEST_NAME = 60
"""Letters of a column's name that always fit into a line of the header."""

WIDER = {pa.uint8(): pa.int16(), pa.int8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}
"""In which integers are written of which some are missing, so that a number is free to say so."""


@dataclass
class _Extent:
    """What of a column is known when its last row was seen."""

    text: int = 0
    null: bool = False
    size: set[int] = field(default_factory=set)
    least: int = 0


class FitsFile:
    """A FITS file with one binary table, and the extension FILTER where the schema tells the order of bands.

    Raises
    ------
    InputError
        When FITS cannot hold a column: its name is not ASCII or differs from another in case only; its texts are not
        ASCII; its vectors differ in length, or hold texts.
    """

    def __init__(self, path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> None:
        self._path, self._facts = path, facts
        self._schema = storable_schema(schema, "FITS")
        _check_names(self._schema.names)
        self._extents = [_Extent() for _ in self._schema]
        self._beside = path.with_name(f"{path.name}.rows")
        self._writer = pa.ipc.new_file(self._beside, self._schema)
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        rows = as_storable(rows, self._schema)
        for extent, name, column in zip(self._extents, rows.column_names, rows.columns, strict=True):
            _extend(extent, pa.concat_arrays(column.chunks) if column.num_chunks else None, name)
        self._writer.write_table(rows)
        self._rows += rows.num_rows

    def finish(self) -> None:
        """Write the file."""
        from astropy.io import fits

        self._writer.close()
        columns = [_FitsColumn(one, extent) for one, extent in zip(self._schema, self._extents, strict=True)]
        with self._path.open("xb") as file, pa.memory_map(str(self._beside)) as source:
            file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
            file.write(self._header(columns).tostring().encode("ascii"))
            written = 0
            for batch in _batches(source):
                written += file.write(_records(batch, columns))
            file.write(bytes(-written % BLOCK))
            file.write(_filter_table(self._schema))

    def close(self) -> None:
        """Remove the file beside."""
        self._writer.close()
        self._beside.unlink(missing_ok=True)

    def _header(self, columns: list[_FitsColumn]) -> Any:
        from astropy.io import fits

        described = fits.ColDefs([column.describe() for column in columns])
        header = fits.BinTableHDU.from_columns(described, nrows=0, name="OBJECTS").header
        header["NAXIS2"] = self._rows
        for number, one in enumerate(self._schema, start=1):
            notes = one.metadata or {}
            if UCD in notes:
                header[f"TUCD{number}"] = _ascii(notes[UCD].decode())
            if DESCRIPTION in notes:
                header[f"TCOMM{number}"] = _ascii(notes[DESCRIPTION].decode())
        cards = (self._schema.metadata or {}).get(CARDS)
        if cards is not None:
            header.update(fits.Header.fromstring(cards.decode("ascii"), sep="\n"))
        for key, text in self._facts.items():
            header[keyword(key)] = _ascii(text)
        if header["NAXIS1"] != _row_type(columns).itemsize:
            raise AssertionError(f"a row has {header['NAXIS1']} bytes by its header and other by its columns")
        return header


def keyword(key: str) -> str:
    """Return the keyword of a header under which a fact about a table stands, such as ``JBCOMMIT``."""
    return f"JB{key[:6].upper()}"


def _check_names(names: list[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        if not name.strip() or len(name) > LONGEST_NAME or not all(" " <= letter <= "~" for letter in name):
            raise InputError(
                f"column {name!r}: FITS names columns in 1 to {LONGEST_NAME} letters of ASCII; rename it, or "
                "write .parquet"
            )
        twin = known.setdefault(name.strip().casefold(), name)
        if twin is not name:
            raise InputError(
                f"columns {twin!r} and {name!r}: FITS does not tell names apart by case; rename one, or write .parquet"
            )


def _extend(extent: _Extent, array: Any, name: str) -> None:
    """Take note of what a chunk of a column needs."""
    if array is None or not len(array):
        return
    kind = array.type
    if pa.types.is_list(kind):
        extent.size |= set(np.unique(np.diff(array.offsets.to_numpy())).tolist())
        if len(extent.size) > 1 or array.null_count:
            raise InputError(
                f"column {name!r} holds vectors of different lengths, which this FITS has no form for; write .parquet"
            )
        array, kind = array.flatten(), kind.value_type
    while pa.types.is_fixed_size_list(kind):
        extent.null |= array.null_count > 0
        array, kind = array.flatten(), kind.value_type
    extent.null |= array.null_count > 0
    if pa.types.is_string(kind):
        extent.text = max(
            extent.text, pc.call_function("max", [pc.call_function("binary_length", [array])]).as_py() or 0
        )
        ascii_only = pc.call_function("string_is_ascii", [array])
        if pc.call_function("all", [ascii_only]).as_py() is False:
            raise InputError(
                f"column {name!r} holds text that is not ASCII, as FITS needs it; write .parquet or .vot"
            )
    elif pa.types.is_integer(kind):
        extent.least = min(extent.least, pc.call_function("min", [array]).as_py() or 0)


class _FitsColumn:
    """How one column is written."""

    def __init__(self, schema_field: pa.Field, extent: _Extent) -> None:
        self.name, self.extent = schema_field.name, extent
        self.unit = (schema_field.metadata or {}).get(UNIT, b"").decode()
        self.shape: tuple[int, ...] = ()
        kind = schema_field.type
        if pa.types.is_list(kind):
            self.shape, kind = (next(iter(extent.size), 1),), kind.value_type
        while pa.types.is_fixed_size_list(kind):
            self.shape, kind = (*self.shape, kind.list_size), kind.value_type
        if pa.types.is_nested(kind) or (self.shape and pa.types.is_string(kind)):
            raise InputError(
                f"column {self.name!r} holds {schema_field.type}, which FITS has no form for; write .parquet"
            )
        self.zero, self.null = 0, None
        if pa.types.is_string(kind):
            self.stored, self.code = np.dtype(f"S{max(extent.text, 1)}"), "A"
            return
        if pa.types.is_float16(kind):
            kind = pa.float32()
        if pa.types.is_integer(kind) and extent.null:
            kind = WIDER.get(kind, kind)
        own = np.dtype(kind.to_pandas_dtype()).str[1:]
        stored, self.zero = UNSIGNED.get(own, (own, 0))
        self.stored = np.dtype("S1" if own[0] == "b" else f">{stored}")
        self.code = CODES["b" if own[0] == "b" else stored]
        if pa.types.is_integer(kind) and extent.null:
            self.null = self._free_number(stored)

    def _free_number(self, stored: str) -> int:
        least = int(np.iinfo(stored).min)
        if self.zero or self.extent.least <= least:
            raise InputError(
                f"column {self.name!r} lacks numbers in some rows, and FITS has none left that could say so (unsigned "
                f"ones of 64 bits, or {least} among them); write .parquet"
            )
        return least

    def describe(self) -> Any:
        """Return the column as astropy puts it into a header."""
        from astropy.io import fits

        repeats = self.stored.itemsize if self.code == "A" else int(np.prod(self.shape, dtype=int))
        dimensions = f"({','.join(map(str, reversed(self.shape)))})" if len(self.shape) > 1 else None
        return fits.Column(
            self.name.strip(),
            f"{repeats}{self.code}",
            unit=_ascii(self.unit) or None,
            null=self.null,
            bzero=self.zero or None,
            dim=dimensions,
        )

    def store(self, array: pa.Array) -> np.ndarray:
        """Return the values as they are stored, (n, *shape)."""
        if pa.types.is_list(array.type):
            size = self.shape[0]
            array = pa.FixedSizeListArray.from_arrays(array.flatten(), size)
        values = numpy_column(array)
        if self.code == "L":
            letters = np.where(np.ma.getdata(values), b"T", b"F")
            return np.where(np.ma.getmaskarray(values), b"\0", letters)
        if self.code == "A":
            return np.ma.getdata(values).astype(self.stored)  # all are ASCII, see `_extend`
        if self.zero:
            values = values.astype(np.float64) - self.zero if abs(self.zero) < 2**40 else _unsigned(values)
        if self.null is None:
            return np.asarray(np.ma.getdata(values))
        return np.where(np.ma.getmaskarray(values), self.null, np.ma.getdata(values).astype(np.int64))


def _unsigned(values: np.ndarray) -> np.ndarray:
    """Return unsigned integers of 64 bits less 2**63, without the rounding of floats."""
    return (np.asarray(values, dtype=np.uint64) ^ np.uint64(2**63)).view(np.int64)


def _row_type(columns: list[_FitsColumn]) -> np.dtype:
    return np.dtype([(f"c{number}", column.stored, column.shape) for number, column in enumerate(columns)])


def _batches(source: Any) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(source)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _records(batch: pa.RecordBatch, columns: list[_FitsColumn]) -> bytes:
    records = np.zeros(batch.num_rows, dtype=_row_type(columns))
    for number, column in enumerate(columns):
        records[f"c{number}"] = column.store(batch.column(number))
    return records.tobytes()


def _filter_table(schema: pa.Schema) -> bytes:
    """Return the extension FILTER, which says which band is where in vectors; nothing where the schema does not."""
    from io import BytesIO

    from astropy.io import fits

    text = (schema.metadata or {}).get(FILTER_TABLE.encode())
    if text is None:
        return b""
    content = json.loads(text)
    width = max(map(len, content["NAME"]))
    columns = [
        fits.Column("FILTER_ID", "J", array=content["FILTER_ID"]),
        fits.Column("NAME", f"{width}A", array=content["NAME"]),
    ]
    file = BytesIO()
    fits.BinTableHDU.from_columns(columns, name=FILTER_TABLE).writeto(file)
    return file.getvalue()[BLOCK:]  # without the primary header before it


def _ascii(text: str) -> str:
    """Return a text as a header of FITS holds it."""
    return text.encode("ascii", "replace").decode("ascii").replace("\n", " ")
