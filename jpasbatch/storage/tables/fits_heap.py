"""Vectors of varying length in a FITS table: their descriptors must lie within the heap.

FITS standard 4.0, sections 7.3.5 and 7.3.6: a descriptor is a number of elements and an offset in bytes; the heap has
``PCOUNT - (THEAP - NAXIS1 x NAXIS2)`` bytes. astropy takes what is there of a vector that reaches beyond.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

ELEMENT_BITS = {
    "L": 8,
    "X": 1,
    "B": 8,
    "I": 16,
    "J": 32,
    "K": 64,
    "A": 8,
    "E": 32,
    "D": 64,
    "C": 64,
    "M": 128,
}
DESCRIPTOR = re.compile(r"[01]?[PQ]([A-Z])")


def check_descriptors(table: Any, rows: Any) -> None:
    """Refuse rows of a table of which a vector lies, or reaches, outside the heap.

    Parameters
    ----------
    table : astropy.io.fits.BinTableHDU or TableHDU
    rows : astropy.io.fits.FITS_rec
        Of that table.

    Raises
    ------
    ValueError
        With the name of the column.
    """
    letters = {
        column.name: found[1] for column in table.columns if (found := DESCRIPTOR.match(str(column.format)))
    }
    if not letters:
        return
    header = table.header
    begin = header["NAXIS1"] * header["NAXIS2"]
    size = header.get("PCOUNT", 0) - (header.get("THEAP", begin) - begin)
    for name, letter in letters.items():
        stored = rows.view(np.ndarray)[name].astype(np.int64).reshape(-1, 2)
        number, offset = stored.T
        bits = ELEMENT_BITS.get(letter, 8)
        most = (size - offset) * 8 // bits
        wrong = (number < 0) | (number > 0) & ((offset < 0) | (offset > size) | (number > most))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"column {name!r} has a vector of {number[row]} elements at byte {offset[row]} of a heap of {size}"
            )
