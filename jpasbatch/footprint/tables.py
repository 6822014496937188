"""Tables that users write or download: read in any common form, with named errors for whatever is wrong in them."""

from __future__ import annotations

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
        """Return the first of these columns that the table has, as the table writes it; case does not matter."""
        there = {name.lower(): name for name in self.table.colnames}
        return next((there[name.lower()] for name in names if name.lower() in there), None)

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
    from astropy.table import Table

    if not path.is_file():
        raise InputError(f"{key} {path}: there is no such file")
    form = FORMATS.get(path.suffix.lower(), "ascii")
    try:
        if form == "parquet":
            import pyarrow.parquet as pq

            table = Table({name: column.to_numpy() for name, column in _columns(pq.read_table(path))})
        else:
            table = Table.read(path, format=form)
    except (
        Exception
    ) as error:  # what a reader raises for a file of another form is not declared by any of them
        raise InputError(
            f"{key} {path}: cannot be read as a table ({' '.join(str(error).split())[:200]})"
        ) from None
    given = Given(key, path, table)
    if not len(table):
        raise given.wrong("has no rows")
    return given


def _columns(table: Any) -> list[tuple[str, Any]]:
    return list(zip(table.column_names, table.columns, strict=True))
