"""Compressed tables: the plain content in a temporary file, bounded, so that a small file fills no disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from jpasbatch.errors import InputError
from jpasbatch.regular_files import first_bytes, packed_otherwise


class Unpacked(Protocol):
    """Plain content that is read from its begin to its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, no more than ``size``; none at the end."""
        ...


class _Output:
    """What a process writes; at its end the process must have ended well."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        block = self._process.stdout.read(size)
        if not block and self._process.wait():
            raise EOFError("gzip could not decompress it")
        return block


@contextmanager
def _open_lzw(path: Path) -> Iterator[Unpacked]:
    """Open a file of `compress` (LZW, magic number 1F 9D), which ``gzip`` of every Unix undoes in 1 MiB of memory."""
    program = shutil.which("gzip")
    if program is None:
        raise InputError(
            f"{path}: only the program gzip undoes this, and it is not here; decompress it first"
        )
    with path.open("rb", buffering=0) as packed:  # whose place is that of the process below
        if packed.read(2) != b"\x1f\x9d":
            raise EOFError("it does not begin as files of compress do")
        packed.seek(0)
        process = subprocess.Popen(
            [program, "-dc"],
            stdin=packed,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt of this process is no damage of the file
        )
        with process:
            try:
                yield _Output(process)
            finally:
                process.kill()


OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".z": _open_lzw,
}
"""How a file is read, by the last ending of its name (compared without case)."""

WITHOUT_END = (".z",)
"""Compression that has neither checksum nor mark of its end: who is inside must know where it ends."""

EXPANSION_LIMIT = 100
ALWAYS_ALLOWED = 256 << 20
"""Bytes that a compressed file may always grow to; beyond, `EXPANSION_LIMIT` times its size."""

BLOCK = 1 << 20


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """Give the path of the plain content: of the file itself, or of a temporary one that is removed at the end.

    Raises
    ------
    InputError
        When a compressed file is truncated or damaged, or grows beyond the limit.
    """
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        yield path
        return
    wrong = packed_otherwise(path, first_bytes(path))
    if wrong is not None:
        raise InputError(f"{path}: {wrong}")
    limit = max(ALWAYS_ALLOWED, EXPANSION_LIMIT * path.stat().st_size)
    with tempfile.NamedTemporaryFile(suffix=Path(path.stem).suffix) as plain:
        try:
            with opener(path) as packed:
                _copy(packed, plain, limit, path)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise InputError(f"{path}: is truncated or damaged ({error})") from None
        plain.flush()
        try:
            yield Path(plain.name)
        except InputError as error:  # people know the file by its own name
            raise InputError(str(error).replace(plain.name, str(path))) from None


def _copy(packed: Unpacked, plain: IO[bytes], limit: int, path: Path) -> None:
    while block := packed.read(BLOCK):
        plain.write(block)
        if plain.tell() > limit:
            raise InputError(f"{path}: expands beyond {limit} bytes; decompress it if it is genuine")
