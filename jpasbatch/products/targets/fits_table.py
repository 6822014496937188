"""A FITS binary table written row chunk by row chunk, with CHECKSUM and DATASUM, in bounded memory.

The number of rows and the checksums are known at the end only: the headers are written twice, the second
time over the first. Checksums follow appendix J of the FITS standard 4.0 (Pence et al. 2010, A&A 524, A42).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from jpasbatch.errors import InputError

if TYPE_CHECKING:
    from astropy.io.fits import Header

BLOCK = 2880
WORD = 4

# letters and digits only: what lies between them in ASCII is skipped
_EXCLUDED = frozenset((*range(0x3A, 0x41), *range(0x5B, 0x61)))


class OnesComplementSum:
    """The running 32-bit ones'-complement sum of a stream of bytes."""

    def __init__(self) -> None:
        self.value = 0
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Add bytes; they need not come in whole words."""
        data = self._rest + data
        whole = len(data) - len(data) % WORD
        self._rest = data[whole:]
        total = self.value + int(np.frombuffer(data[:whole], dtype=">u4").sum(dtype=np.uint64))
        while total > 0xFFFFFFFF:
            total = (total & 0xFFFFFFFF) + (total >> 32)
        self.value = total


def encode_checksum(total: int) -> str:
    """Return the 16 characters that bring a header of the given sum to all ones."""
    complement = 0xFFFFFFFF - total
    characters = [0] * 16
    for place in range(4):
        byte = (complement >> (24 - 8 * place)) & 0xFF
        quotient, remainder = divmod(byte, 4)
        four = [quotient + remainder + 0x30, *[quotient + 0x30] * 3]
        for first in (0, 2):
            while four[first] in _EXCLUDED or four[first + 1] in _EXCLUDED:
                four[first] += 1
                four[first + 1] -= 1
        for row, character in enumerate(four):
            characters[4 * row + place] = character
    characters = characters[-1:] + characters[:-1]  # the value begins one byte after a word of the card
    return bytes(characters).decode("ascii")


def write_binary_table(file: BinaryIO, primary: Header, table: Header, chunks: Iterable[np.ndarray]) -> int:
    """Write a primary header without data and one binary table.

    Parameters
    ----------
    file : binary file
        Open for writing, seekable.
    primary, table : astropy.io.fits.Header
        Complete but for NAXIS2, CHECKSUM and DATASUM, which are set.
    chunks : iterable of structured arrays
        Big-endian rows of NAXIS1 bytes.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    InputError
        When the file cannot be sought in.
    """
    if not file.seekable():
        raise InputError("a FITS table is written to a file, not to a pipe: its header is completed last")
    file.write(_header_bytes(primary, 0))
    start = file.tell()
    file.write(_header_bytes(table, 0))
    total, rows, size = OnesComplementSum(), 0, 0
    row_bytes = int(str(dict(table.items())["NAXIS1"]))
    for chunk in chunks:
        data = chunk.tobytes()
        if len(data) != len(chunk) * row_bytes:
            raise ValueError(f"rows have {chunk.itemsize} bytes, the header says {row_bytes}")
        file.write(data)
        total.add(data)
        rows, size = rows + len(chunk), size + len(data)
    padding = bytes(-size % BLOCK)
    file.write(padding)
    total.add(padding)
    table["NAXIS2"] = rows
    file.seek(start)
    file.write(_header_bytes(table, total.value))
    file.seek(0, io.SEEK_END)
    return rows


def _header_bytes(header: Header, data_sum: int) -> bytes:
    # where a header has none, in the order of the templates of WEAVE; else where its template has them
    header["CHECKSUM"] = ("0" * 16, "checksum of the whole unit")
    header["DATASUM"] = (str(data_sum), "checksum of the data unit")
    total = OnesComplementSum()
    total.add(header.tostring().encode("ascii"))
    total.add(data_sum.to_bytes(WORD, "big"))
    header["CHECKSUM"] = encode_checksum(total.value)
    return header.tostring().encode("ascii")
