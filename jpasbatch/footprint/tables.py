"""Tables that users write or download: read in any common form, with named errors for whatever is wrong in them."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.footprint.containers import Content, ContentError, open_content, whole_fits

if TYPE_CHECKING:
    from astropy.table import Table

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs write before a text in UTF-8."""

SEXAGESIMAL = re.compile(r"\d\s*[:hd°]\s*\d|^\s*[+-]?\d+ +\d+ +\d")

REGIONS = (b"# Region file format", b"#CRTF")
"""How region files of viewers begin (DS9, CARTA): commands, and no table."""


class Given(NamedTuple):
    """A table that a key of the job file names.

    Attributes
    ----------
    key : str
        As ``[area] exclude_circles``; messages begin with it.
    path : Path
    table : Table
    """

    key: str
    path: Path
    table: Table

    def wrong(self, text: str) -> InputError:
        """Return an error that begins with the key and the file."""
        return InputError(f"{self.key} {self.path}: {text}")

    def name_of(self, *names: str) -> str | None:
        """Return the first of these columns that the table has, as the table writes it; case does not matter.

        Raises
        ------
        InputError
            When two columns differ in case alone: nobody knows which is meant.
        """
        for name in names:
            there = [one for one in self.table.colnames if one.lower() == name.lower()]
            if len(there) > 1:
                raise self.wrong(
                    f"has the columns {' and '.join(repr(one) for one in there)}; allowed is one of them"
                )
            if there:
                return there[0]
        return None

    def column(self, *names: str) -> str:
        """Return the first of these columns that the table has.

        Raises
        ------
        InputError
            When it has none of them.
        """
        found = self.name_of(*names)
        if found is None:
            raise self.wrong(
                f"the column {' or '.join(repr(name) for name in names)} is missing; found "
                f"{', '.join(self.table.colnames)}"
            )
        return found

    def numbers(self, name: str, unit: str = "") -> np.ndarray:
        """Return a column as float64, (rows,), in this unit if the file names one.

        Raises
        ------
        InputError
            When a value is missing or no finite number, or the unit is another kind.
        """
        column: Any = self.table[name]
        if getattr(column, "mask", None) is not None and np.any(column.mask):
            raise self.wrong(f"column {name!r}, row {int(np.flatnonzero(column.mask)[0]) + 1}: has no value")
        try:
            values = self._as_numbers(name)
            if unit and column.unit is not None:
                values = (values * column.unit).to_value(unit)
        except (TypeError, ValueError) as error:  # also astropy's UnitConversionError and UnitTypeError
            raise self.wrong(
                f"column {name!r}: {' '.join(str(error).split())}; allowed are numbers"
            ) from None
        if values.ndim != 1 or not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0]) if values.ndim == 1 else 0
            raise self.wrong(
                f"column {name!r}, row {row + 1}: found {values[row]}; allowed is one finite number a row"
            )
        return values

    def _as_numbers(self, name: str) -> np.ndarray:
        """Return a column as float64; a cell that is no number is named with its row."""
        column: Any = self.table[name]
        try:
            return np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError):
            if column.ndim != 1:
                raise
        for row, cell in enumerate(column):
            try:
                float(cell)
            except (TypeError, ValueError):
                text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
                sexagesimal = SEXAGESIMAL.search(text) is not None
                told = ": sexagesimal; write degrees" if sexagesimal else ""
                raise self.wrong(
                    f"column {name!r}, row {row + 1}: found {text[:40]!r}; allowed are numbers{told}"
                ) from None
        raise self.wrong(f"column {name!r}: holds {column.dtype}; allowed are numbers")

    def positions(self, ra: str, dec: str) -> tuple[np.ndarray, np.ndarray]:
        """Return right ascension and declination, degrees, float64 (rows,).

        Raises
        ------
        InputError
            When a column is missing, or a value is not on the sphere.
        """
        found = []
        for name, low, high in ((self.column(ra), 0.0, 360.0), (self.column(dec), -90.0, 90.0)):
            values = self.numbers(name, "deg")
            beyond = np.flatnonzero((values < low) | (values > high))
            if len(beyond):
                raise self.wrong(
                    f"column {name!r}, row {beyond[0] + 1}: found {values[beyond[0]]:g}; allowed is {low:g} to "
                    f"{high:g} (degrees)"
                )
            found.append(values)
        return found[0], found[1]


def read_given(key: str, path: Path) -> Given:
    """Read a table that a key of the job file names.

    Raises
    ------
    InputError
        When the file is missing, cannot be read, or has no rows.
    """
    if not path.is_file():
        raise InputError(f"{key} {path}: there is no such file")
    _refuse_regions(key, path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "OverflowError converting"
            )  # of long identifiers, which stay texts
            table = _read_table(open_content(path))
    except ContentError as error:
        raise InputError(f"{key} {path}: {error}") from None
    except (
        Exception
    ) as error:  # what a reader raises for a file of another form is not declared by any of them
        told = " ".join(str(error).split())[:200]
        if "Unable to guess" in told:  # it lists some hundred forms
            told = "its lines have no form of columns with a line of names above them"
        raise InputError(f"{key} {path}: cannot be read as a table ({told})") from None
    given = Given(key, path, table)
    if not len(table):
        raise given.wrong("has no rows; leave the key out where there is nothing to name")
    return given


def _refuse_regions(key: str, path: Path) -> None:
    with path.open("rb") as file:
        begin = file.read(64).removeprefix(BYTE_ORDER_MARK)
    if begin.startswith(REGIONS) or path.suffix.lower() in (".reg", ".crtf"):
        raise InputError(
            f"{key} {path}: is a region file of a viewer, and no table. Read it with regions.Regions.read (package "
            "regions), and write its circles as columns ra, dec, radius, or its corners as polygon, ra, dec, in degrees"
        )


def _read_table(content: Content) -> Table:
    from astropy.table import Table

    source, form = content
    if form == "fits":
        return _read_fits(source)
    if form != "parquet":
        return Table.read(_named_or_text(source, form), format=form)
    import pyarrow.parquet as pq

    return Table({name: _values(column) for name, column in _columns(pq.read_table(source))})


def _read_fits(source: Path | io.BytesIO) -> Table:
    """Read the one table of a FITS file, whose checksums hold where it has any."""
    from astropy.table import Table

    with whole_fits(source, memmap=False) as units:
        tables = [unit for unit in units if unit.header.get("XTENSION") in ("BINTABLE", "TABLE")]
        if len(tables) != 1:
            names = ", ".join(repr(unit.name) for unit in tables) or "none"
            raise ContentError(
                f"holds {len(tables)} tables ({names}); allowed is one: keep the one that is meant"
            )
        return Table.read(tables[0], format="fits")


def _named_or_text(source: Path | io.BytesIO, form: str) -> Any:
    """Return what astropy reads: the lines of a text, without byte order mark, and anything else as it is."""
    if not form.startswith("ascii"):
        return source
    data = source.getvalue() if isinstance(source, io.BytesIO) else source.read_bytes()
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise ContentError(
            f"is no text in UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from None


def _columns(table: Any) -> list[tuple[str, Any]]:
    return list(zip(table.column_names, table.columns, strict=True))


def _values(column: Any) -> Any:
    """Return an Arrow column as an array; nulls are masked, and numbers beside them keep their type and digits."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not column.null_count:
        return column.to_numpy()
    texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not (texts or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_numpy()
    return np.ma.array(column.fill_null("" if texts else 0).to_numpy(), mask=column.is_null().to_numpy())
