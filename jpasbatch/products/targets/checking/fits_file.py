"""A FITS file as it is, fault by fault: a reader that neither repairs nor trusts what it reads.

Readers of FITS mend what they can, and some loop on headers that are wrong. A checker must see the bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jpasbatch.products.targets.checking.violation import Violation, shortened
from jpasbatch.products.targets.fits_table import BLOCK, OnesComplementSum

Card = str | int | float | bool | None
"""Value of a header card; None: it has none."""

CARD = 80
MOST_BLOCKS = 2000
"""Of a header; a catalogue of 999 columns with ten cards each has 278."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EDed][+-]?\d+)?")
ALL_ONES = 0xFFFFFFFF


@dataclass
class Unit:
    """One header with its data.

    Attributes
    ----------
    cards : list of (str, Card)
        Keywords and values in their order; comments have the value None.
    header, data : bytes
        As they are in the file, padding included.
    data_bytes : int
        What the header says of the data, without padding.
    """

    cards: list[tuple[str, Card]] = field(default_factory=list)
    header: bytes = b""
    data: bytes = b""
    data_bytes: int = 0

    @property
    def values(self) -> dict[str, Card]:
        """The first value of each keyword."""
        return dict(reversed(self.cards))

    @property
    def names(self) -> list[str]:
        """Keywords in their order, without comments."""
        return [name for name, _ in self.cards if name not in ("", "COMMENT", "HISTORY", "END")]

    def whole(self, name: str, default: int = 0) -> int:
        """Return a card as a whole number; the default where it is none."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else default


def read_units(data: bytes) -> tuple[list[Unit], list[Violation]]:
    """Return the units of a FITS file as far as they can be read, and the faults of its form."""
    faults: list[Violation] = []
    if not data.startswith(b"SIMPLE  ="):
        text = shortened(data[:9].decode("latin-1"))
        return [], [Violation("not-fits", "file", text, "a FITS file begins with SIMPLE  =")]
    if len(data) % BLOCK:
        text = f"{len(data)} bytes"
        faults.append(
            Violation("file-size", "file", text, f"a multiple of {BLOCK} bytes: it was cut, or added to")
        )
    units: list[Unit] = []
    start = 0
    while start < len(data):
        where = f"unit {len(units)}"
        if units and not data[start:].startswith(b"XTENSION"):
            text = f"{len(data) - start} bytes after the last unit"
            faults.append(Violation("trailing-bytes", "file", text, "nothing after the last unit"))
            break
        unit, problem = _read_unit(data, start, where)
        faults += problem
        if unit is None:
            break
        units.append(unit)
        start += len(unit.header) + -(-unit.data_bytes // BLOCK) * BLOCK
    return units, faults


def _read_unit(data: bytes, start: int, where: str) -> tuple[Unit | None, list[Violation]]:
    unit, faults = Unit(), []
    place = start
    while True:
        block = data[place : place + BLOCK]
        if len(block) < BLOCK or place - start > MOST_BLOCKS * BLOCK:
            return None, [
                Violation("header-end", "file", f"no card END in {where}", "a header that ends with END")
            ]
        place += BLOCK
        cards = [block[at : at + CARD] for at in range(0, BLOCK, CARD)]
        if _take(cards, unit, where, faults):
            break
    unit.header = data[start:place]
    sizes = [unit.whole(f"NAXIS{axis}", -1) for axis in range(1, max(unit.whole("NAXIS"), 0) + 1)]
    if any(size < 0 for size in sizes) or len(sizes) > 9:
        text = f"NAXIS = {unit.whole('NAXIS')}, sizes {sizes}"
        return None, [
            *faults,
            Violation("data-size", "file", text, f"sizes of {where} that are not negative"),
        ]
    cells = 1
    for size in sizes:
        cells *= size
    width = abs(unit.whole("BITPIX", 8)) // 8
    unit.data_bytes = width * (cells + max(unit.whole("PCOUNT"), 0)) if sizes else 0
    padded = -(-unit.data_bytes // BLOCK) * BLOCK
    unit.data = data[place : place + padded]
    if len(unit.data) < unit.data_bytes:
        text = f"{len(unit.data)} bytes of data in {where}"
        faults.append(Violation("truncated", "file", text, f"{unit.data_bytes}, as its header says"))
    if unit.data[unit.data_bytes :].strip(b"\0"):
        text = f"bytes that are not null after the {unit.data_bytes} of data in {where}"
        faults.append(Violation("data-padding", where, text, "nulls, or more rows: see NAXIS2", "NAXIS2"))
    return unit, faults


def _take(cards: list[bytes], unit: Unit, where: str, faults: list[Violation]) -> bool:
    """Add the cards of a block to a unit, and return whether END is among them."""
    for raw in cards:
        if any(not 32 <= byte <= 126 for byte in raw):
            text = shortened(raw.decode("latin-1").rstrip())
            faults.append(Violation("card-characters", where, text, "printable ASCII"))
        text = raw.decode("latin-1")
        name = text[:8].rstrip()
        if name == "END":
            if b"".join(cards)[cards.index(raw) * CARD :].strip() != b"END":
                faults.append(Violation("header-padding", where, "text after END", "blanks after END"))
            return True
        if text[8:10] == "= " and name not in ("COMMENT", "HISTORY"):
            value, sound = _value(text[10:])
            unit.cards.append((name, value))
        else:
            sound = name in ("", "COMMENT", "HISTORY")
            if name:
                unit.cards.append((name, None))
        if not sound:
            allowed = "a text in quotes, a number, T or F, after '= '"
            faults.append(Violation("card-value", where, shortened(text[8:].strip()), allowed, name))
    return False


def _value(text: str) -> tuple[Card, bool]:
    """Return the value of a card, and whether it has the form of one (FITS standard 4.0, section 4.2)."""
    text = text.strip()
    if text.startswith("'"):
        match = re.match(r"'((?:[^']|'')*)'\s*(?:/|$)", text)
        return (match[1].replace("''", "'").rstrip(), True) if match else (text, False)
    text = text.split("/")[0].strip()
    if text in ("T", "F"):
        return text == "T", True
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text), True
    if _NUMBER.fullmatch(text):
        return float(text.upper().replace("D", "E")), True
    return text, not text


def checksum_faults(unit: Unit, where: str) -> list[Violation]:
    """Return what is wrong with CHECKSUM and DATASUM (FITS standard 4.0, appendix J)."""
    faults = []
    data_sum = OnesComplementSum()
    data_sum.add(unit.data)
    for name in ("CHECKSUM", "DATASUM"):
        if name not in unit.values:
            faults.append(Violation("checksum-missing", where, "no such card", "a checksum", name))
    written = unit.values.get("DATASUM")
    if "DATASUM" in unit.values and written != str(data_sum.value):  # a text, though it is a number
        faults.append(
            Violation(
                "datasum", where, shortened(written), f"'{data_sum.value}', that of the data", "DATASUM"
            )
        )
    whole = OnesComplementSum()
    whole.add(unit.header)
    whole.add(unit.data)
    if "CHECKSUM" in unit.values and whole.value not in (0, ALL_ONES):
        text = f"the unit sums to {whole.value:08X}"
        faults.append(
            Violation("checksum", where, text, "all ones: it was changed after it was written", "CHECKSUM")
        )
    return faults
