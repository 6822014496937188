"""The one way to open a table with all of its columns, by the ending of its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.complete.csv import open_complete_csv
from jpasbatch.storage.tables.complete.fits import open_complete_fits
from jpasbatch.storage.tables.complete.parquet import open_complete_parquet
from jpasbatch.storage.tables.complete.table import CompleteTable, Select, every_column
from jpasbatch.storage.tables.complete.votable import open_complete_votable
from jpasbatch.storage.tables.refusal import refusing, refusing_pieces
from jpasbatch.storage.tables.tables import PARQUET, check_regular, extension_of


@contextmanager
def open_complete(
    path: Path, survey: Survey, chunk_rows: int, as_text: bool = False, select: Select = every_column
) -> Iterator[CompleteTable]:
    """Open a published table with all of its columns, or with those that are chosen.

    Parameters
    ----------
    path : Path
        Of a table that `jpasbatch.storage.tables.tables.iterate_raw` reads.
    survey : Survey
    chunk_rows : int
        Rows that are in memory at once, where the format allows to read a part.
    as_text : bool
        Keep cells of CSV as they are written; other formats have types.
    select : callable
        Which columns are read; only these need a counterpart in arrow.

    Raises
    ------
    InputError
        When it cannot be read, or a column cannot be handed on.
    """
    with ExitStack() as stack:
        with refusing(path):
            table = stack.enter_context(_reader(path, survey, chunk_rows, as_text, select))
        yield replace(table, pieces=refusing_pieces(table.pieces, path))


def _reader(
    path: Path, survey: Survey, chunk_rows: int, as_text: bool, select: Select
) -> AbstractContextManager[CompleteTable]:
    ending = extension_of(path)
    check_regular(path)
    if ending in PARQUET:
        return open_complete_parquet(path, chunk_rows, select)
    if ending.startswith(".csv"):
        return open_complete_csv(path, survey, as_text, select)
    if ending.startswith(".fit"):
        return open_complete_fits(path, survey, chunk_rows, select)
    return open_complete_votable(path, survey, select)
