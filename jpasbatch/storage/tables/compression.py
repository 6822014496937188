"""Compressed tables: the plain content in a temporary file, bounded, so that a small file fills no disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jpasbatch.errors import InputError

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
"""How a file is read, by the last ending of its name."""

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


def _copy(packed: IO[bytes], plain: IO[bytes], limit: int, path: Path) -> None:
    while block := packed.read(BLOCK):
        plain.write(block)
        if plain.tell() > limit:
            raise InputError(f"{path}: expands beyond {limit} bytes; decompress it if it is genuine")
