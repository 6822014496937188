"""Tables that users write or download: read in any common form, with named errors for whatever is wrong in them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jpasbatch.errors import InputError

if TYPE_CHECKING:
    from astropy.table import Table

FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".gz": "fits",
    ".parquet": "parquet",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
}
"""By the end of a file's name; any other is text in columns, whose form is guessed."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs write before a text in UTF-8; it is no part of the first column's name."""

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
            values = np.asarray(column, dtype=np.float64)
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
    form = FORMATS.get(path.suffix.lower(), "ascii")
    _refuse_regions(key, path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "OverflowError converting"
            )  # of long identifiers, which stay texts
            warnings.filterwarnings("error", ".*truncated")  # astropy reads on, and makes up the rest
            table = _read_table(path, form)
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


def _read_table(path: Path, form: str) -> Table:
    from astropy.table import Table

    if form != "parquet":
        return Table.read(_named_or_text(path, form), format=form)
    import pyarrow.parquet as pq

    return Table({name: _values(column) for name, column in _columns(pq.read_table(path))})


def _named_or_text(path: Path, form: str) -> Any:
    """Return the path of a table; its text in place of it where that begins with a byte order mark."""
    if not form.startswith("ascii"):
        return path
    with path.open("rb") as file:
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            return path
        return file.read().decode("utf-8").splitlines()


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
