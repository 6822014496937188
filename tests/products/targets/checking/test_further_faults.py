"""Faults that were thought of when the rules were there already, most with checksums that are right again."""

import numpy as np
import pytest

from jpasbatch.products.targets.checking.catalogue import check_catalogue
from jpasbatch.products.targets.checking.fits_file import BLOCK, read_units
from jpasbatch.products.targets.fits_table import OnesComplementSum, encode_checksum
from tests.products.targets.checking.test_checking import NAME, cell, column_card, edited, written

CARD = 80


@pytest.fixture(scope="module")
def good(sky) -> bytes:
    return written(sky)


def resealed(data: bytes) -> bytes:
    """Return a file with the checksums of all units made anew, whatever else is wrong with it."""
    units, _ = read_units(data)
    parts = []
    for unit in units:
        header, total = bytearray(unit.header), OnesComplementSum()
        total.add(unit.data)
        for name, text in (("DATASUM", str(total.value)), ("CHECKSUM", "0" * 16)):
            place = header.index(f"{name:8}= ".encode())
            value = f"'{text:8}'"
            header[place + 10 : place + 30] = f"{value:20}".encode()
        whole = OnesComplementSum()
        whole.add(bytes(header))
        whole.add(unit.data)
        place = header.index(b"CHECKSUM= ")
        header[place + 11 : place + 27] = encode_checksum(whole.value).encode()
        parts += [bytes(header), unit.data]
    return b"".join(parts)


def card_at(data: bytes, name: str) -> int:
    return data.index(f"{name:8}= ".encode())


def with_card(data: bytes, name: str, text: str, offset: int = 8) -> bytes:
    """Return a file in which a card has other text from its value indicator on."""
    place = card_at(data, name)
    return data[: place + offset] + f"{text:{CARD - offset}}".encode() + data[place + CARD :]


def with_more_cards(data: bytes, *cards: str) -> bytes:
    """Return a file whose table has more cards before its END: there is room for some."""
    start = data.index(b"XTENSION")
    place = start + data[start:].index(b"END" + b" " * 77)
    new = b"".join(f"{card:80}".encode() for card in cards)
    free = data[place + CARD : place + CARD + len(new)]
    assert not free.strip()
    return data[:place] + new + data[place : place + CARD] + data[place + CARD + len(new) :]


def table_data(data: bytes) -> int:
    return len(data) - len(read_units(data)[0][1].data)


def swapped(data: bytes, one: str, other: str) -> bytes:
    first, second = card_at(data, one), card_at(data, other)
    cards = data[first : first + CARD], data[second : second + CARD]
    changed = data[:first] + cards[1] + data[first + CARD :]
    return changed[:second] + cards[0] + changed[second + CARD :]


def last_byte(data: bytes) -> bytes:
    return data[:-1] + b"x"


def after_end(data: bytes) -> bytes:
    place = data.index(b"END" + b" " * 77)
    return data[: place + 20] + b"X" + data[place + 21 :]


def both(units):
    units[1].data["CNAME"][1:3] = b"WVE_14180000+5230000"
    units[1].data["TARGUSE"][1:3] = b"G"


def across_the_circle(units):
    units[1].data["GAIA_RA"][3:5] = (360.0, 0.0)
    units[1].data["GAIA_DEC"][3:5] = 52.0


def large_unit(units):
    units[1].data["PROGTEMP"] = b"41331"
    units[1].data["TARGPRIO"] = 9.0


OF_BYTES = {
    "fewer rows than data": (
        lambda data: with_card(data, "NAXIS2", "=                   19"),
        ("data-padding", "NAXIS2"),
    ),
    "more rows than data": (
        lambda data: with_card(data, "NAXIS2", "=                   21"),
        ("targid-value", "TARGID"),
    ),
    "bytes after the data": (last_byte, ("data-padding", "NAXIS2")),
    "text after END": (after_end, ("header-padding", "")),
    "text without quotes": (lambda data: with_card(data, "CAT_CC", "= A. Nother"), ("card-value", "CAT_CC")),
    "quote not closed": (
        lambda data: with_card(data, "STL_NME1", "= 'A. Leader"),
        ("card-value", "STL_NME1"),
    ),
    "no value indicator": (
        lambda data: with_card(data, "CAT_NME2", "  A. Nother"),
        ("card-value", "CAT_NME2"),
    ),
    "number for a text": (lambda data: with_card(data, "CAT_NME1", "= 7"), ("card-type", "CAT_NME1")),
    "SIMPLE = F": (
        lambda data: with_card(data, "SIMPLE", "=                    F"),
        ("primary-structure", "SIMPLE"),
    ),
    "EXTEND = F": (
        lambda data: with_card(data, "EXTEND", "=                    F"),
        ("primary-structure", "EXTEND"),
    ),
    "BITPIX a truth value": (
        lambda data: (
            data[: data.index(b"XTENSION")]
            + with_card(data[data.index(b"XTENSION") :], "GCOUNT", "=                    T")
        ),
        ("table-structure", "GCOUNT"),
    ),
    "null as a text": (lambda data: with_card(data, "TNULL23", "= '-1      '"), ("column-tnull", "HEALPIX")),
    "property a truth value": (
        lambda data: with_card(data, "TPROP1", "=                    F"),
        ("column-tprop", "CNAME"),
    ),
    "card of a column twice": (
        lambda data: with_more_cards(data, "TDISP7  = 'F8.3    '"),
        ("card-twice", "TDISP7"),
    ),
    "card of no column": (
        lambda data: with_more_cards(data, "TTYPE70 = 'NOTES   '"),
        ("card-of-no-column", "TTYPE70"),
    ),
    "comment of a column": (
        lambda data: with_more_cards(data, "TCOMM7  = 'ours    '"),
        ("column-tcomm", "TARGPRIO"),
    ),
    "cards of a column in another order": (
        lambda data: swapped(data, "TFORM7", "TDISP7"),
        ("column-card-order", "TARGPRIO"),
    ),
}
"""Edits of bytes that astropy would mend or refuse."""

OF_CELLS = {
    "a full circle": (cell("GAIA_RA", 360.0), ("full-circle", "GAIA_RA")),
    "one position on both sides of the circle": (across_the_circle, ("position-twice", "GAIA_RA")),
    "a name twice": (both, ("cname-twice", "CNAME")),
    "a name without coordinates": (cell("CNAME", "WVE_1"), ("cname-public", "CNAME")),
    "a motion without an epoch": (cell("GAIA_EPOCH", np.nan), ("null-value", "GAIA_EPOCH")),
    "a release of nobody": (cell("GAIA_DR", "EDRX"), ("gaia_dr-public", "GAIA_DR")),
    "a magnitude that is sure": (cell("MAG_R_ERR", 0.0), ("error-zero", "MAG_R_ERR")),
    "an infinite error": (cell("MAG_R_ERR", np.inf), ("infinite", "MAG_R_ERR")),
    "a programme of mode 0": (cell("PROGTEMP", "01331"), ("progtemp-public", "PROGTEMP")),
    "a binning of 9": (cell("PROGTEMP", "11339"), ("progtemp-public", "PROGTEMP")),
    "a chain without a number": (cell("PROGTEMP", "11331+"), ("progtemp-value", "PROGTEMP")),
    "constraints that are none": (cell("OBSTEMP", "DZCEB"), ("obstemp-public", "OBSTEMP")),
    "a filler in small letters": (cell("TARGPROG", "QSO|bw"), ("targprog-public", "TARGPROG")),
    "a priority below 10 of the large unit": (large_unit, ("ifu-priority", "TARGPRIO")),
    "a dither with fibres": (cell("IFU_DITHER", 3), ("mos-dither", "IFU_DITHER")),
    "a spaxel with fibres": (cell("IFU_SPAXEL", "C14"), ("mos-spaxel", "IFU_SPAXEL")),
    "a unit of another case": (column_card("TUNIT", "GAIA_PMRA", "MAS/YR"), ("column-tunit", "GAIA_PMRA")),
}


def found(data: bytes) -> set[tuple[str, str]]:
    return {(one.rule, one.column) for one in check_catalogue(data, NAME)}


def test_what_is_planted_was_not_there(good):
    assert resealed(good) == good
    before = found(good)
    for wanted in (wanted for _, wanted in (*OF_BYTES.values(), *OF_CELLS.values())):
        assert wanted not in before


@pytest.mark.parametrize("what", OF_BYTES)
def test_faults_of_bytes_are_found_though_checksums_are_right(good, what):
    edit, wanted = OF_BYTES[what]
    changed = resealed(edit(good))
    assert len(changed) % BLOCK == 0
    assert changed != good
    rules = found(changed)
    assert wanted in rules
    assert not {"checksum", "datasum"} & {rule for rule, _ in rules}


@pytest.mark.parametrize("what", OF_CELLS)
def test_faults_of_values_are_found(good, what):
    edit, wanted = OF_CELLS[what]
    assert wanted in found(edited(good, edit))


def test_a_checksum_of_the_data_only(good):
    """DATASUM is right, and CHECKSUM is that of something else."""
    place = good.rindex(b"CHECKSUM= ") + 11
    changed = good[:place] + good[:place][-16:][::-1] + good[place + 16 :]
    rules = {rule for rule, _ in found(changed)}
    assert "checksum" in rules
    assert "datasum" not in rules
    number = good.rindex(b"DATASUM = ")
    value = good[number + 10 : number + 30].replace(b"'", b" ")
    assert ("datasum", "DATASUM") in found(good[: number + 10] + value + good[number + 30 :])


def test_odd_modes_do_not_forbid_a_list(good):
    data = edited(good, cell("PROGTEMP", "11339"))
    assert all(one.severity == "warning" for one in check_catalogue(data, NAME))
