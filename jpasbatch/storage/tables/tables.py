"""Published tables on disk, read in chunks: FITS, VOTable, Parquet and CSV.

A reader yields rows as the file holds them (`RawTable`); nothing is interpreted here but the
container: checksums, truncation, names, units, and the order of bands in vectors.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.regular_files import require_regular
from jpasbatch.storage.tables.cefca_tiles import write_cefca_tile
from jpasbatch.storage.tables.columns import bands_agree
from jpasbatch.storage.tables.compression import OPENERS, WITHOUT_END
from jpasbatch.storage.tables.csv import iterate_csv, read_filter_csv
from jpasbatch.storage.tables.fits import iterate_fits
from jpasbatch.storage.tables.parquet import iterate_parquet
from jpasbatch.storage.tables.per_band import write_column_table
from jpasbatch.storage.tables.refusal import refusing, refusing_pieces
from jpasbatch.storage.tables.votable import iterate_votable

log = logging.getLogger(__name__)

__all__ = ["EXTENSIONS", "RawTable", "iterate_raw", "list_tables", "write_cefca_tile", "write_published"]

PLAIN_READERS = {
    ".fits": iterate_fits,
    ".fit": iterate_fits,
    ".csv": iterate_csv,
    ".vot": iterate_votable,
    ".votable": iterate_votable,
    ".xml": iterate_votable,
}
PARQUET = (".parquet", ".parq", ".pq")
TILED = ".fz"
"""What `fpack` adds to the name of a FITS file: it compresses images, and leaves tables alone unless told otherwise."""

READERS = {
    **PLAIN_READERS,
    **{
        f"{ending}{packed}": reader
        for ending, reader in PLAIN_READERS.items()
        for packed in OPENERS
        if not (ending == ".csv" and packed in WITHOUT_END)  # rows could be missing, and nothing would tell
    },
    f".fits{TILED}": iterate_fits,
    **dict.fromkeys(PARQUET, iterate_parquet),
}
EXTENSIONS = tuple(READERS)
"""Names that a table may end in (compared without case)."""

NOT_READ = tuple(
    f".{ending}"
    for ending in (
        *("fz", "z", "zip", "7z", "zst", "tar", "tgz"),
        *("ecsv", "tsv", "dat", "tbl", "asc", "ascii", "fts"),
        *("hdf", "hdf5", "h5", "feather", "arrow", "orc"),
    )
)
"""Endings of tables in forms that are not read: left out without a word, rows would be missing."""

COMPANIONS = (
    ".txt",
    ".md",
    ".rst",
    ".pdf",
    ".html",
    ".log",
    ".json",
    ".toml",
    ".yaml",
    ".yml",
    ".sha256",
    ".md5",
    ".png",
)
"""Endings of files that may lie beside tables and hold no rows."""


def iterate_raw(
    path: Path | str, survey: Survey, chunk_rows: int = 100_000, filter_table: Path | str | None = None
) -> Iterator[RawTable]:
    """Yield the rows of a published table in chunks, at least one (which may have no rows).

    Parameters
    ----------
    path : Path
        The format follows from the extension; see `EXTENSIONS`.
    survey : Survey
        Only the columns that it declares are read.
    chunk_rows : int
        Rows in a chunk at most.
    filter_table : Path, optional
        A filter table as CEFCA publishes it in CSV, for files that hold none of their own.

    Raises
    ------
    InputError
        If the file is missing, truncated or damaged, a checksum fails, or the order of bands in
        its vectors is unknown.
    """
    path = Path(path)
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows = {chunk_rows}: must be at least 1")
    reader = READERS[extension_of(path)]
    check_regular(path)
    listed = None if filter_table is None else read_filter_csv(Path(filter_table), survey)
    for raw in refusing_pieces(reader(path, survey, chunk_rows), path):
        yield bands_agree(raw, listed, survey)


def write_published(
    folder: Path, stem: str, rows: dict[str, np.ndarray], survey: Survey, origin: str = ""
) -> Path:
    """Write a table in the form in which a survey publishes its own, and return its path.

    Parameters
    ----------
    folder, stem
        Where, and the name without its extension: ``.fits`` for vectors, ``.parquet`` for columns.
    rows : dict of str to ndarray
        As `write_cefca_tile` and `write_column_table` take them; flags and stellarity may be missing.
    survey : Survey
    origin : str
        What the rows are: kept in the metadata of Parquet.
    """
    if survey.catalogue.layout == "columns":
        path = folder / f"{stem}.parquet"
        write_column_table(path, rows, survey, origin)
        return path
    number = len(rows["number"])
    unknown = {
        "flags": np.zeros(number, dtype=np.int32),
        "mask_flags": np.zeros(number, dtype=np.int32),
        "class_star": np.full(number, np.nan, dtype=np.float32),
    }
    path = folder / f"{stem}.fits"
    write_cefca_tile(path, unknown | rows, survey)
    return path


def list_tables(path: Path | str) -> list[Path]:
    """Return the tables of a folder (searched to its depths), or the one file, sorted.

    Links are followed once and resolved, so that a link that leads back up does no harm.

    Raises
    ------
    InputError
        If there is no table, or one file is listed twice under different names.
    """
    path = Path(path)
    _check_name(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        extension_of(path)
        check_regular(path)
        return [path.resolve()]
    found: dict[Path, Path] = {}
    for listed in sorted(_walk(path, set())):
        resolved = listed.resolve()
        if resolved in found:
            raise InputError(
                f"{path}: one file is listed twice, as {found[resolved]} and as {listed}; remove one of them"
            )
        found[resolved] = listed
    if not found:
        raise InputError(f"{path}: holds no table; a table ends in {', '.join(EXTENSIONS)}")
    return sorted(found)


def _walk(folder: Path, visited: set[Path]) -> Iterator[Path]:
    resolved = folder.resolve()
    if resolved in visited:
        return
    visited.add(resolved)
    with refusing(folder):
        entries = sorted(folder.iterdir())
    for entry in entries:
        _check_name(entry)
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, visited)
        elif entry.name.lower().endswith(EXTENSIONS):
            check_regular(entry)
            yield entry
        else:
            _leave_out(entry)


def _check_name(entry: Path) -> None:
    """Refuse a name that no record of text can hold."""
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        stored = os.fsencode(entry)
        try:
            stored.decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{stored!r}: its name is not text in UTF-8; rename it") from None
        raise InputError(
            f"{stored!r}: its name is text in UTF-8, and names are taken for {sys.getfilesystemencoding()} here; set "
            "LC_ALL=C.UTF-8, or rename it"
        ) from None


def _leave_out(entry: Path) -> None:
    """Refuse what may be a table that cannot be read; tell of anything else that is not known."""
    name = entry.name.lower()
    if name.endswith(NOT_READ) or plain_ending(name).endswith(NOT_READ):
        raise InputError(
            f"{entry}: tables of this form are not read, and its rows would be missing; write it as one that ends in "
            f"{', '.join((*PLAIN_READERS, *PARQUET))} (FITS, CSV and VOTable also with .gz, .bz2 or .xz; FITS and "
            "VOTable with .Z; .fits.fz), or move it out of the folder"
        )
    if not name.endswith(COMPANIONS):
        log.warning("%s: is no table that is known by its name, and is left out", entry)


def check_regular(path: Path) -> None:
    """Refuse what is no file of bytes: a pipe would be waited for, for ever.

    Raises
    ------
    InputError
        When there is nothing, a link that leads nowhere, or something else than a regular file.
    """
    if not path.exists():
        nothing = "is a link that leads nowhere" if path.is_symlink() else "there is no such file"
        raise InputError(f"{path}: {nothing}")
    try:
        require_regular(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; a table is a file") from None


def plain_ending(ending: str) -> str:
    """Return the ending of a table of the same form that is not compressed, as results are written."""
    for packed in (*OPENERS, TILED):
        ending = ending.removesuffix(packed)
    return ".parquet" if ending in PARQUET else ending


def extension_of(path: Path) -> str:
    """Return which of `EXTENSIONS` a name ends in.

    Raises
    ------
    InputError
        When it is none.
    """
    name = path.name.lower()
    for extension in sorted(EXTENSIONS, key=len, reverse=True):
        if name.endswith(extension):
            return extension
    raise InputError(f"{path}: not a known kind of table; it must end in {', '.join(EXTENSIONS)}")
