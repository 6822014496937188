"""The encoding of Protocol Buffers (protobuf.dev/programming-guides/encoding), read strictly.

Only what a committee's graph uses is read: whole numbers, single-precision fractions, and bytes. A message is bytes,
and a `Message` its fields by name; a field that a caller does not name is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jpasbatch.errors import InputError

Fields = Mapping[int, str]
"""Names of the fields of a message, by their numbers."""

Message = dict[str, Any]
"""Values of each field by its name: whole numbers, fractions, and bytes."""


def refused(reason: str) -> InputError:
    """Return the error to raise when a graph holds what no committee has."""
    return InputError(
        f"the graph of the committee holds what no committee has: {reason}. Restore the committee from a copy, or use "
        "the one that `jpasbatch train` wrote"
    )


def read_message(data: bytes, fields: Fields, what: str) -> Message:
    """Return the fields of a message by name."""
    found: Message = {}
    for number, value in _entries(data, what):
        if number not in fields:
            raise refused(f"{what} has a field number {number}")
        found.setdefault(fields[number], []).append(value)
    return found


def _entries(data: bytes, what: str) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield number and value of each field of a message."""
    place = 0
    while place < len(data):
        tag, place = _whole(data, place, what)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _whole(data, place, what)
            yield number, value
        elif kind == 2:
            length, place = _whole(data, place, what)
            if length > len(data) - place:
                raise refused(f"{what} ends in the middle")
            yield number, data[place : place + length]
            place += length
        elif kind == 5 and place + 4 <= len(data):
            yield number, struct.unpack_from("<f", data, place)[0]
            place += 4
        else:
            raise refused(f"{what} is not encoded as a graph is")


def _whole(data: bytes, place: int, what: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return (value - (1 << 64) if value >= 1 << 63 else value), place
    raise refused(f"{what} ends in the middle")


def bytes_of(value: int | float | bytes) -> bytes:
    """Return a value that must be bytes.

    Raises
    ------
    InputError
        When it is a number.
    """
    if not isinstance(value, bytes):
        raise refused("a number where a text or a part should be")
    return value


def texts_of(message: Message, key: str) -> list[str]:
    """Return all texts of a field."""
    return [bytes_of(value).decode(errors="replace") for value in message.get(key, [])]


def text_of(message: Message, key: str) -> str:
    """Return the last text of a field, which counts; empty where there is none."""
    return (texts_of(message, key) or [""])[-1]


def numbers_of(message: Message, key: str, what: str) -> tuple[int, ...]:
    """Return whole numbers, which may be packed."""
    found: list[int] = []
    for value in message.get(key, []):
        if isinstance(value, bytes):
            found += unpacked(value, what).tolist()
        elif isinstance(value, int):
            found.append(value)
        else:
            raise refused(f"{what} has a fraction where a whole number should be")
    return tuple(found)


def unpacked(data: bytes, what: str) -> np.ndarray:
    """Return the whole numbers of a packed field; trees have millions."""
    values = np.frombuffer(data, dtype=np.uint8)
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    last = np.flatnonzero(values < 0x80)
    if not len(last) or last[-1] != len(values) - 1:
        raise refused(f"{what} ends in the middle")
    first = np.concatenate([[0], last[:-1] + 1])
    if (last - first).max() > 9:
        raise refused(f"{what} is not encoded as a graph is")
    place = np.arange(len(values)) - np.repeat(first, last - first + 1)
    parts = (values & 0x7F).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.add.reduceat(parts, first).astype(np.int64)


def exactly(message: Message, key: str, number: int, what: str) -> list[int | float | bytes]:
    """Return the values of a field that occurs as often as it must.

    Raises
    ------
    InputError
        When it occurs more often, or less.
    """
    found = message.get(key, [])
    if len(found) != number:
        raise refused(f"{what} has {len(found)} of {key!r}, not {number}")
    return found
