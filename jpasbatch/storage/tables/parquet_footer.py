"""Whether the footer of a Parquet file sends its reader to other files, seen before any reader of Parquet opens it.

The footer is a struct of Thrift's compact protocol (``parquet.thrift``: FileMetaData, field 4: row groups; RowGroup,
field 1: column chunks; ColumnChunk, field 1: path of the file that holds it). It is walked here because arrow ends the
whole process where it is asked for the path of a chunk whose statistics are damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jpasbatch.errors import InputError

MAGIC = b"PAR1"
TAIL = 8
DEEPEST = 24
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
ROW_GROUPS, CHUNKS, FILE_PATH = 4, 1, 1


def check_footer(path: Path) -> None:
    """Refuse a file whose columns are said to lie in other files, and a footer that has no end.

    Raises
    ------
    InputError
        When it is so, or the file is not Parquet.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - TAIL, 0))
        tail = file.read(TAIL)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > size - TAIL - len(MAGIC):
            raise InputError(f"{path}: is truncated or damaged (it does not end as Parquet does)")
        file.seek(size - TAIL - length)
        footer = _Footer(file.read(length))
    try:
        elsewhere = footer.file_path()
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: is truncated or damaged (footer: {error})") from None
    if elsewhere is not None:
        raise InputError(
            f"{path}: refers to {elsewhere[:200]!r} for a column; only what is in the file itself is read"
        )


class _Footer:
    """Reads a struct from begin to end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def file_path(self) -> str | None:
        """Return the first path of another file, if there is one."""
        for field, kind in self._fields():
            if (field, kind) != (ROW_GROUPS, LIST):
                self._skip(kind)
                continue
            for _ in self._structs():
                if (found := self._of_row_group()) is not None:
                    return found
        return None

    def _of_row_group(self) -> str | None:
        for field, kind in self._fields():
            if (field, kind) != (CHUNKS, LIST):
                self._skip(kind)
                continue
            for _ in self._structs():
                found = None
                for part, type_of_part in self._fields():
                    if (part, type_of_part) == (FILE_PATH, BINARY):
                        found = self._take(self._varint()).decode("utf-8", "replace")
                    else:
                        self._skip(type_of_part)
                if found is not None:
                    return found
        return None

    def _take(self, size: int) -> bytes:
        taken = self._content[self._place : self._place + size]
        if len(taken) < size:
            raise ValueError("ends early")
        self._place += size
        return taken

    def _varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("holds a number of more than 64 bits")

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; who asks reads or skips its value."""
        field = 0
        while (head := self._take(1)[0]) != 0:
            delta = head >> 4
            if delta:
                field += delta
            else:
                coded = self._varint()
                field = (coded >> 1) ^ -(coded & 1)
            yield field, head & 0xF

    def _elements(self) -> tuple[int, int]:
        head = self._take(1)[0]
        number = head >> 4
        return (self._varint() if number == 15 else number), head & 0xF

    def _structs(self) -> Iterator[None]:
        number, kind = self._elements()
        if number and kind != STRUCT:
            raise ValueError("a list does not hold structs")
        yield from (None for _ in range(number))

    def _skip(self, kind: int, depth: int = 0, listed: bool = False) -> None:
        if depth > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} times")
        if kind in (TRUE, FALSE):  # in a struct the type is the value
            self._take(int(listed))
        elif kind in (BYTE, DOUBLE):
            self._take(1 if kind == BYTE else 8)
        elif kind in (I16, I32, I64):
            self._varint()
        elif kind == BINARY:
            self._take(self._varint())
        elif kind in (LIST, SET):
            number, of = self._elements()
            for _ in range(number):
                self._skip(of, depth + 1, listed=True)
        elif kind == MAP:
            if number := self._varint():
                kinds = self._take(1)[0]
                for _ in range(number):
                    self._skip(kinds >> 4, depth + 1, listed=True)
                    self._skip(kinds & 0xF, depth + 1, listed=True)
        elif kind == STRUCT:
            for _, of in self._fields():
                self._skip(of, depth + 1)
        else:
            raise ValueError(f"holds a field of unknown type {kind}")
