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


PACKED_AS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
"""How files with these endings are compressed, by the name that their first bytes have in `BEGINNINGS`."""

BEGINNING = 64
"""Bytes of a file that tell what it is."""


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


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file, `BEGINNING` at most."""
    with path.open("rb") as file:
        return file.read(BEGINNING)


def known_as(begin: bytes) -> str | None:
    """Return what a file is whose first bytes are these; None for what may be text."""
    return next((name for first, name in BEGINNINGS.items() if begin.startswith(first)), None)


def what_begins(begin: bytes) -> str:
    """Return how a file begins, as a part of a sentence: ``begins as FITS does``."""
    found = known_as(begin)
    return f"begins as {found} does" if found else f"begins with {begin[:16]!r}"


def packed_otherwise(path: Path, begin: bytes) -> str | None:
    """Return what is wrong with a file that is not compressed as its name says, as a part of a sentence.

    None where it is, where its name says nothing of that, and where it is empty.
    """
    wanted = PACKED_AS.get(path.suffix.lower())
    if wanted is None or not begin or known_as(begin) == wanted:
        return None
    return f"is not compressed by {wanted}, as its name says: it {what_begins(begin)}; give it the name of what it is"
