"""The headers of a FITS file, walked once before astropy reads it: sizes that are negative would lead it in circles.

FITS standard 4.0, sections 3.3 and 4.4: blocks of 2880 bytes, cards of 80; the data of an HDU take
``|BITPIX| / 8 x GCOUNT x (PCOUNT + NAXIS1 x ... x NAXISn)`` bytes, filled up to whole blocks.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import IO

from jpasbatch.errors import InputError

BLOCK, CARD = 2880, 80
MOST_HEADER_BLOCKS = 2000
"""Of one HDU: 72,000 cards; a table of 999 columns has fewer than 20,000."""

MOST_HDUS = 1000
MOST_AXES, MOST_COLUMNS = 999, 999
BITPIX = (8, 16, 32, 64, -32, -64)


def check_headers(name: Path, path: Path) -> None:
    """Refuse a file whose headers do not lead from its begin to its end.

    Parameters
    ----------
    name : Path
        The plain file.
    path : Path
        What errors call it.

    Raises
    ------
    InputError
        When a header has no end, a size is missing, negative or not allowed, or there are too many HDUs.
    """
    size, place = name.stat().st_size, 0
    with name.open("rb") as file:
        for number in range(MOST_HDUS):
            if place >= size:
                return
            file.seek(place)
            cards = _cards(file, number, path)
            if cards is None:  # what stands after the last HDU is told of where checksums are verified
                return
            place = file.tell() + _data_bytes(cards, number, path)
    raise InputError(f"{path}: holds more than {MOST_HDUS} HDUs")


def _cards(file: IO[bytes], number: int, path: Path) -> dict[str, str] | None:
    """Return the values of the cards of a header by keyword; None where no HDU begins."""
    cards: dict[str, str] = {}
    for block_number in range(MOST_HEADER_BLOCKS):
        block = file.read(BLOCK)
        if block_number == 0 and not block.startswith((b"SIMPLE  =", b"XTENSION=")):
            if number == 0:
                raise InputError(f"{path}: is not a readable FITS file (it does not begin with SIMPLE)")
            return None
        for start in range(0, len(block), CARD):
            card = block[start : start + CARD]
            if card[:8].rstrip() == b"END":
                return cards
            if card[8:9] == b"=":
                keyword = card[:8].decode("ascii", "replace").strip()
                cards.setdefault(keyword, card[10:].decode("ascii", "replace").split("/")[0].strip())
        if len(block) < BLOCK:
            raise InputError(
                f"{path}: is truncated, or not a readable FITS file: the header of HDU {number} has no end"
            )
    raise InputError(f"{path}: the header of HDU {number} is longer than {MOST_HEADER_BLOCKS * BLOCK} bytes")


def _data_bytes(cards: dict[str, str], number: int, path: Path) -> int:
    """Return how many bytes the data of an HDU take, with their filling."""

    def whole(keyword: str, allowed: range, default: int | None = None) -> int:
        text = cards.get(keyword)
        if text is None and default is not None:
            return default
        try:
            value = int(text or "")
        except ValueError:
            value = None
        if value is None or value not in allowed:
            found = "missing" if text is None else repr(text)
            raise InputError(
                f"{path}: is damaged: {keyword} of HDU {number} is {found}; allowed is {allowed[0]} to {allowed[-1]}"
            )
        return value

    large = range(1 << 62)
    bits = cards.get("BITPIX", "")
    if bits not in map(str, BITPIX):
        raise InputError(
            f"{path}: is damaged: BITPIX of HDU {number} is {bits or 'missing'!r}; allowed is "
            f"{', '.join(map(str, BITPIX))}"
        )
    axes = [whole(f"NAXIS{axis}", large) for axis in range(1, whole("NAXIS", range(MOST_AXES + 1)) + 1)]
    if "XTENSION" in cards:
        whole("TFIELDS", range(MOST_COLUMNS + 1), 0)
    numbers = prod(axes) if axes else 0
    total = abs(int(bits)) // 8 * whole("GCOUNT", large, 1) * (whole("PCOUNT", large, 0) + numbers)
    return -(-total // BLOCK) * BLOCK
