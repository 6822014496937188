"""What a file is by its first bytes and its name: compressed or not, and of which form."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from jpasbatch.regular_files import (
    BEGINNING,
    PACKED_AS,
    first_bytes,
    known_as,
    packed_otherwise,
    what_begins,
)

FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".parquet": "parquet",
    ".vot": "votable",
    ".xml": "votable",
    ".votable": "votable",
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
}
"""By the end of a file's name; any other is text in columns, whose form is guessed."""

NAMED = {"fits": "FITS", "parquet": "Parquet"}
"""Forms whose first bytes are known."""


OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
"""What opens the plain content of a compressed file, by the end of its name."""

LARGEST = 1 << 30
"""Bytes that a compressed list may grow to."""


class ContentError(ValueError):
    """A file is not what its name says: what was found and what to do, without the name of the file."""


class Content(NamedTuple):
    """Where a table is read from, and its form as astropy calls it (or "parquet")."""

    source: Path | io.BytesIO
    form: str


def open_content(path: Path) -> Content:
    """Return the plain content of a file, and its form.

    Raises
    ------
    ContentError
        When it is empty, its compression is damaged or another than its name says, or its first bytes are those of
        another form.
    """
    begin, ending = first_bytes(path), path.suffix.lower()
    opener = OPENERS.get(ending)
    if opener is None:
        form = FORMATS.get(ending, "ascii")
        _check_form(begin, form, path.suffix)
        return Content(path, form)
    if not begin:
        raise ContentError("is empty (0 bytes)")
    wrong = packed_otherwise(path, begin)
    if wrong is not None:
        raise ContentError(wrong)
    data = _unpacked(path, opener, PACKED_AS[ending])
    ending = Path(path.stem).suffix.lower()
    form = FORMATS.get(ending, "ascii") if ending else _guessed(data[:BEGINNING])
    _check_form(data[:BEGINNING], form, ending)
    return Content(io.BytesIO(data), form)


@contextmanager
def whole_fits(source: Path | io.BytesIO, memmap: bool) -> Iterator[list[Any]]:
    """Open a FITS file and give its units; one that was cut off, or whose checksums do not hold, is an error.

    Of both astropy warns, and reads on: it makes up what is missing.
    """
    from astropy.io import fits

    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.filterwarnings("error", ".*(truncated|(Checksum|Datasum) verification failed)")
        # opened here: astropy leaves a file open that it cannot read
        opened = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        yield list(stack.enter_context(fits.open(opened, checksum=True, memmap=memmap)))


def _unpacked(path: Path, opener: Callable[[IO[bytes]], Any], name: str) -> bytes:
    try:
        with path.open("rb") as file, opener(file) as plain:
            data = plain.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ContentError(
            f"its {name} compression is cut off or damaged ({error}); copy or compress it again"
        ) from None
    if len(data) > LARGEST:
        raise ContentError(f"grows beyond {LARGEST:,} bytes; decompress it first if it is genuine")
    return data


def _guessed(begin: bytes) -> str:
    """Return the form of a compressed file whose name says none."""
    forms = {name: form for form, name in NAMED.items()}
    if begin.lstrip().startswith(b"<"):
        return "votable"
    return forms.get(known_as(begin) or "", "ascii")


def _check_form(begin: bytes, form: str, ending: str) -> None:
    if not begin:
        raise ContentError("is empty (0 bytes)")
    found, wanted = known_as(begin), NAMED.get(form)
    if found != wanted:
        what = wanted or ("VOTable" if form == "votable" else "text")
        raise ContentError(
            f"is no {what}, as its name{f' (*{ending})' if ending else ''} says: it {what_begins(begin)}"
        )
