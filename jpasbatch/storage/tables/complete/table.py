"""All columns of a table as arrow, piece by piece, whatever kind of file they came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.columns import FILTER_TABLE

UNIT, DESCRIPTION, UCD = b"unit", b"description", b"ucd"
"""Metadata of a field: what FITS and VOTable say of a column beside its name."""


Select = Callable[[Sequence[str]], Sequence[str]]
"""Chooses columns of a table: takes the names of all, returns those that are read, in their order."""


CARDS = b"fits.header"
"""Metadata of a schema: the cards of a FITS header that say something of the table and not of its form."""


@dataclass(frozen=True)
class CompleteTable:
    """A table that is open for reading, with all of its columns.

    Attributes
    ----------
    path : Path
    schema : pyarrow.Schema
        Units, descriptions and UCDs are metadata of the fields. Where the file says which band is where in its
        vectors, the metadata of the schema do too (see `band_metadata`).
    rows : int
    pieces : iterator of pyarrow.Table
        The rows in the order of the file, cut anywhere.
    """

    path: Path
    schema: pa.Schema
    rows: int
    pieces: Iterator[pa.Table]


def every_column(names: Sequence[str]) -> Sequence[str]:
    """Return all names: the `Select` of a reader of everything."""
    return names


class NextRows:
    """Hands out the next rows of a complete table, however they were cut."""

    def __init__(self, table: CompleteTable) -> None:
        # without a chunk: arrow makes no empty array of some types
        self._table, self._held = table, pa.Table.from_batches([], table.schema)

    def take(self, rows: int) -> pa.Table:
        """Return the next rows.

        Raises
        ------
        InputError
            When fewer are left.
        """
        while self._held.num_rows < rows:
            piece = next(self._table.pieces, None)
            if piece is None:
                raise self._changed()
            self._held = pa.concat_tables([self._held, piece])
        taken, self._held = self._held.slice(0, rows), self._held.slice(rows)
        return taken

    def finish(self) -> None:
        """Check that no row is left.

        Raises
        ------
        InputError
            When one is.
        """
        if self._held.num_rows or any(piece.num_rows for piece in self._table.pieces):
            raise self._changed()

    def _changed(self) -> InputError:
        return InputError(
            f"{self._table.path}: changed while it was read; wait until it is whole and try again"
        )


def refuse_repeated(names: list[str], path: Path | str) -> None:
    """Refuse a table that names a column twice.

    Raises
    ------
    InputError
        When it does.
    """
    repeated = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if repeated:
        raise InputError(
            f"{path}: {', '.join(map(repr, repeated[:5]))} names more than one of its columns; rename them, so that "
            "each has a name of its own"
        )


def band_metadata(bands: tuple[str, ...] | None) -> dict[bytes, bytes]:
    """Return metadata of a schema that say which band is where in vectors, as the reader of Parquet takes them."""
    if bands is None:
        return {}
    content = {"FILTER_ID": list(range(1, len(bands) + 1)), "NAME": list(bands)}
    return {FILTER_TABLE.encode(): json.dumps(content).encode()}
