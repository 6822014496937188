"""Small files that people name, read with a bound: a pipe would be waited for, and a device read, for ever."""

from __future__ import annotations

import errno
from pathlib import Path

LARGEST_TEXT = 64 << 20
"""Bytes of a job file, survey file or list; real ones have some kilobytes."""

BEGINNINGS = {
    b"SIMPLE  =": "FITS",
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x89HDF": "HDF5",
    b"%PDF": "PDF",
}
"""First bytes of files that are no text, and what they are."""


def require_regular(path: Path) -> None:
    """Refuse what is no file of bytes.

    Raises
    ------
    OSError
        When it is a pipe, socket, device or folder. Whether something is there at all is left to who opens it.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file, but a folder, pipe, socket or device", str(path))


def read_text(path: Path) -> str:
    """Return the text of a small file.

    Raises
    ------
    OSError
        When it cannot be read, is no regular file, or is larger than `LARGEST_TEXT`.
    UnicodeDecodeError
        When it is not UTF-8.
    """
    require_regular(path)
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise OSError(errno.EFBIG, f"is larger than {LARGEST_TEXT} bytes", str(path))
    return content.decode("utf-8-sig")  # some programs write a byte order mark before a text


def known_as(begin: bytes) -> str | None:
    """Return what a file is whose first bytes are these; None for what may be text."""
    return next((name for first, name in BEGINNINGS.items() if begin.startswith(first)), None)


def what_begins(begin: bytes) -> str:
    """Return how a file begins, as a part of a sentence: ``begins as FITS does``."""
    found = known_as(begin)
    return f"begins as {found} does" if found else f"begins with {begin[:16]!r}"
