"""The one way to write a table chunk by chunk, by the ending of its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.tables.output.ecsv import EcsvFile
from jpasbatch.storage.tables.output.fits import FitsFile
from jpasbatch.storage.tables.output.plain import CsvFile, ParquetFile
from jpasbatch.storage.tables.output.votable import VotableFile


class TableFile(Protocol):
    """A file of a table that takes rows until it is finished."""

    def write(self, rows: pa.Table) -> None:
        """Add rows, of the schema that the file was opened with."""
        ...

    def finish(self) -> None:
        """Write what is still to be written; nothing may be added afterwards."""
        ...

    def close(self) -> None:
        """Let go of what was opened, after a failure too."""
        ...


KINDS = {
    ".fits": FitsFile,
    ".fit": FitsFile,
    ".vot": VotableFile,
    ".votable": VotableFile,
    ".xml": VotableFile,
    ".parquet": ParquetFile,
    ".csv": CsvFile,
    ".ecsv": EcsvFile,
}
ENDINGS = tuple(KINDS)
"""Names that a written table may end in (compared without case)."""


def output_ending(path: Path) -> str:
    """Return which of `ENDINGS` a name ends in.

    Raises
    ------
    InputError
        When it is none.
    """
    ending = path.suffix.lower()
    if ending not in KINDS:
        raise InputError(
            f"{path}: tables are written with the endings {', '.join(ENDINGS)}; choose one of them"
        )
    return ending


@contextmanager
def write_table(path: Path, schema: pa.Schema, facts: Mapping[str, str]) -> Iterator[TableFile]:
    """Write a table aside, chunk by chunk; it replaces `path` when the block ends, whole and flushed, or not at all.

    Parameters
    ----------
    path : Path
        The format follows from the ending; see `ENDINGS`.
    schema : pyarrow.Schema
        Of the rows; units, descriptions and UCDs are metadata of its fields.
    facts : mapping of str to str
        What the table is: in the metadata of Parquet, the header of FITS, the ECSV's and VOTable's. CSV has no place.

    Raises
    ------
    InputError
        When the format cannot hold a column, or the folder does not exist.
    """
    kind = KINDS[output_ending(path)]
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    with written_aside(path) as aside, closing(kind(aside, schema, facts)) as file:
        yield file
        file.finish()
