"""Published tables in FITS, read piece by piece once every checksum is verified."""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.storage.tables.columns import band_names_by_id, is_filter_table, wanted_columns
from jpasbatch.storage.tables.compression import plain_file
from jpasbatch.storage.tables.fits_headers import check_headers
from jpasbatch.storage.tables.fits_heap import check_descriptors

SUM_BYTES = 4 << 20
"""Of a file that are in memory while its checksum is made."""


def iterate_fits(path: Path, survey: Survey, chunk_rows: int) -> Iterator[RawTable]:
    """Yield chunks of a FITS file; see `jpasbatch.storage.tables.tables.iterate_raw`.

    Units are TUNIT; the order of bands is that of the extension FILTER.
    """
    with open_tables(path, survey) as (table, bands):
        names = table.columns.names
        wanted = wanted_columns(names, survey)
        others = tuple(other for other in names if other not in wanted)
        units = {column: (table.columns[column].unit or "").strip() for column in wanted}
        n_rows = table.header["NAXIS2"]
        for start in range(0, max(n_rows, 1), chunk_rows):
            rows = slice(start, min(start + chunk_rows, n_rows))
            try:
                with piece(table, rows) as found:
                    columns = {column: read_column(found, column) for column in wanted}
            except (ValueError, TypeError, OSError, UnicodeDecodeError, IndexError) as error:
                raise InputError(f"{path}: is damaged ({error})") from None
            yield RawTable(columns, units, bands, str(path), start, other_columns=others)


@contextmanager
def open_tables(path: Path, survey: Survey) -> Iterator[tuple[Any, tuple[str, ...] | None]]:
    """Open a FITS file; give its table of objects, and the order of bands that its extension FILTER tells, if any.

    Raises
    ------
    InputError
        When it cannot be read, a checksum does not hold, or it holds several tables of objects.
    """
    with ExitStack() as stack:
        name = stack.enter_context(plain_file(path))
        check_headers(name, path)
        file = stack.enter_context(name.open("rb"))  # astropy leaves it open where it refuses the content
        hdus = stack.enter_context(_open(file, path))
        _check_whole(hdus, name, path)
        table, bands = _choose_tables(hdus, survey, path)
        try:
            yield table, bands
        finally:
            # astropy would copy the whole of each, for whoever may hold a column
            for column in table.columns:
                del column.array


def _open(file: BinaryIO, path: Path) -> Any:
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            # truncation is checked below, on every file and not by a warning
            warnings.simplefilter("ignore")
            hdus: Any = fits.open(file, memmap=True, lazy_load_hdus=False, disable_image_compression=True)
            _ = [hdu.header.get("NAXIS2") for hdu in hdus]
    except Exception as error:  # astropy raises many kinds for damaged headers
        raise InputError(f"{path}: is not a readable FITS file ({error})") from None
    return hdus


def _check_whole(hdus: Any, name: Path, path: Path) -> None:
    """Refuse a file that ends early, and one whose stated checksums do not hold."""
    size, end = name.stat().st_size, 0
    for number, hdu in enumerate(hdus):
        place = hdu.fileinfo()
        header, data, end = place["hdrLoc"], place["datLoc"], place["datLoc"] + place["datSpan"]
        if end > size:
            raise InputError(f"{path}: is truncated: HDU {number} ends at byte {end}, the file at {size}")
        if "CHECKSUM" in hdu.header and _ones_complement_sum(name, header, end) not in (0, 0xFFFFFFFF):
            raise InputError(f"{path}: is damaged: the CHECKSUM of HDU {number} does not hold")
        if "DATASUM" in hdu.header and str(hdu.header["DATASUM"]).strip().isdigit():
            found = _ones_complement_sum(name, data, end)
            if found != int(hdu.header["DATASUM"]):
                raise InputError(f"{path}: is damaged: the DATASUM of HDU {number} does not hold")
    if end < size:
        raise InputError(
            f"{path}: is truncated or damaged: {size - end} bytes after the last HDU belong to none"
        )


def _ones_complement_sum(name: Path, begin: int, end: int) -> int:
    """Return the 32-bit ones' complement sum of bytes of a file; FITS standard 4.0, appendix J."""
    total = 0
    with name.open("rb") as file:
        file.seek(begin)
        for start in range(begin, end, SUM_BYTES):
            block = file.read(min(SUM_BYTES, end - start))
            words = np.frombuffer(block[: len(block) // 4 * 4], dtype=">u4")
            total += int(words.sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _choose_tables(hdus: Any, survey: Survey, path: Path) -> tuple[Any, tuple[str, ...] | None]:
    """Return the table of objects and the bands of the extension FILTER, if there is one."""
    from astropy.io import fits

    tables: list[Any] = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    tables = [hdu for hdu in tables if not hdu.header.get("ZIMAGE")]  # images, compressed in tiles
    tiled = [hdu.name or "without a name" for hdu in tables if hdu.header.get("ZTABLE")]
    if tiled:
        raise InputError(
            f"{path}: its table {tiled[0]} is compressed in tiles (ZTABLE), which is not read; undo it by funpack"
        )
    filters = [hdu for hdu in tables if is_filter_table(hdu.name)]
    tables = [hdu for hdu in tables if not is_filter_table(hdu.name)]
    with_positions = [
        hdu
        for hdu in tables
        if survey.catalogue.key(survey.catalogue.ra) in map(survey.catalogue.key, hdu.columns.names)
    ]
    if not tables:
        raise InputError(f"{path}: holds no table of objects")
    if len(with_positions) > 1 or len(filters) > 1:
        raise InputError(f"{path}: holds several tables of objects or of filters; one of each is read")
    bands = None
    if filters:
        try:
            with piece(filters[0], slice(0, int(filters[0].header["NAXIS2"]))) as found:
                columns = {name: read_column(found, name) for name in found.columns.names}
        except (ValueError, TypeError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: its table FILTER is damaged ({error})") from None
        bands = band_names_by_id(columns, path, survey)
    table = (with_positions or tables)[0]
    names = table.columns.names
    if one := [column.name for column in table.columns if column.bscale == 0]:
        raise InputError(
            f"{path}: is damaged: TSCAL of column {one[0]!r} is 0, which makes all its numbers one"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{path}: its table names a column twice")
    return table, bands


@contextmanager
def piece(table: Any, rows: slice) -> Iterator[Any]:
    """Give some rows of a table; when they have been read, none of their memory is kept.

    astropy converts columns of text, logical values and scaled numbers as a whole and keeps what came of it; of a
    slice it converts and keeps what the slice has. The file is mapped, and a page of it that was read counts as memory
    of this process until the system is told that it may go.

    Parameters
    ----------
    table : astropy.io.fits.BinTableHDU or TableHDU
    rows : slice
        With a start and a stop.

    Raises
    ------
    ValueError
        When a vector of varying length is said to lie outside the heap.
    """
    whole = table.data
    try:
        part = whole[rows]
        check_descriptors(table, part)
        yield part
    finally:
        _let_pages_go(whole)


def _let_pages_go(array: Any) -> None:
    """Let go of the pages of a mapped file that an array lies on; who reads them again gets them from the file."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)


def read_column(rows: Any, name: str) -> np.ndarray:
    """Return a column of the rows of a `piece`, masked where the file says that there is no value.

    TNULL is a stored number, before TSCAL and TZERO make another of it (FITS standard 4.0, section 7.3.2), or a text
    in a table of ASCII.
    """
    values = np.array(rows.field(name))
    column = rows.columns[name]
    if column.null in (None, "") or values.dtype.kind not in "iuf":
        return values
    stored = stored_values(rows, name)
    if stored.dtype.kind == "S":
        hidden = np.char.strip(stored) == str(column.null).strip().encode("ascii", "replace")
    elif stored.dtype.kind in "iu":
        hidden = stored == int(column.null)
    else:  # numbers with fractions have NaN, and no TNULL
        return values
    return np.ma.MaskedArray(values, mask=hidden.reshape(values.shape))


def stored_values(rows: Any, name: str) -> np.ndarray:
    """Return a column of the rows of a `piece` as the bytes of the file have it."""
    return rows.view(np.ndarray)[name]
