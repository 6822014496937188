"""Faults that are planted in a target list, one at a time: each is found, by rule, row and column."""

import io
from typing import NamedTuple

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.products.targets.checking.catalogue import check_catalogue
from jpasbatch.products.targets.checking.columns import read_rows
from jpasbatch.products.targets.checking.fits_file import read_units
from jpasbatch.products.targets.checking.violation import row_ranges
from jpasbatch.products.targets.fits_table import write_binary_table
from jpasbatch.products.targets.targets import TargetProgramme, select_targets
from jpasbatch.products.targets.weave import Submission, write_weave_catalogue

NAME = "WQ_2027A1.fits"
COMPLETE = Submission(
    leader_name_1="A. Leader",
    leader_email="leader@institute.org",
    contact_name_1="An Author",
    contact_email="author@institute.org",
    magnitude_comments={"g": "gSDSS", "r": "rSDSS", "i": "iSDSS"},
    observing_programme="11331",
    observing_constraints="DACEB",
)


def written(sky, submission=COMPLETE) -> bytes:
    programme = TargetProgramme(min_probability=0.4)
    targets, file = select_targets(sky[2], programme, 1).slice(0, 20), io.BytesIO()
    write_weave_catalogue(file, [targets], programme, submission, "2027-01-15T12:00:00+00:00")
    return file.getvalue()


@pytest.fixture(scope="session")
def good(sky) -> bytes:
    return written(sky)


def rules(data, name=NAME) -> set[tuple[str, str]]:
    return {(one.rule, one.column) for one in check_catalogue(data, name) if one.severity == "error"}


class Part(NamedTuple):
    """A header and its rows, which astropy would mend if it had them."""

    header: fits.Header
    data: np.ndarray


def parts_of(data: bytes) -> list[Part]:
    units, _ = read_units(data)
    rows, _ = read_rows(units[1])
    headers = [fits.Header.fromstring(unit.header.decode()) for unit in units]
    return [Part(headers[0], np.zeros(0)), Part(headers[1], rows.copy())]


def edited(good: bytes, edit) -> bytes:
    """Return the list after `edit` of its parts, with checksums that are right again."""
    parts = parts_of(good)
    rows = edit(parts)
    file = io.BytesIO()
    write_binary_table(file, parts[0].header, parts[1].header, [parts[1].data if rows is None else rows])
    return file.getvalue()


def cell(column, value, row=2):
    def edit(units):
        units[1].data[column][row] = value

    return edit


def card(unit, name, value):
    def edit(units):
        units[unit].header[name] = value

    return edit


def without_card(unit, name):
    return lambda units: units[unit].header.remove(name)


def same(column):
    def edit(units):
        units[1].data[column][3] = units[1].data[column][4]

    return edit


def same_position(units):
    for column in ("GAIA_RA", "GAIA_DEC"):
        units[1].data[column][3] = units[1].data[column][4]


def number_of(units, column) -> int:
    return units[1].data.dtype.names.index(column) + 1


def column_card(prefix, column, value):
    def edit(units):
        header, name = units[1].header, f"{prefix}{number_of(units, column)}"
        if value is None:
            header.remove(name)
        else:
            header[name] = value

    return edit


def raw_swap(good: bytes, one: bytes, other: bytes) -> bytes:
    assert good.count(one) >= 1
    return good.replace(one, other)


PLANTED = {
    "no priority": (cell("TARGPRIO", np.nan), ("null-value", "TARGPRIO")),
    "priority 0": (cell("TARGPRIO", 0.0), ("range", "TARGPRIO")),
    "priority 11": (cell("TARGPRIO", 11.0), ("range", "TARGPRIO")),
    "no right ascension": (cell("GAIA_RA", np.nan), ("null-value", "GAIA_RA")),
    "right ascension 361": (cell("GAIA_RA", 361.0), ("range", "GAIA_RA")),
    "declination -95": (cell("GAIA_DEC", -95.0), ("range", "GAIA_DEC")),
    "declination infinite": (cell("GAIA_DEC", np.inf), ("infinite", "GAIA_DEC")),
    "no epoch": (cell("GAIA_EPOCH", np.nan), ("null-value", "GAIA_EPOCH")),
    "epoch 2000": (cell("GAIA_EPOCH", 2000.0), ("range", "GAIA_EPOCH")),
    "epoch of another release": (cell("GAIA_DR", "DR3"), ("epoch-release", "GAIA_EPOCH")),
    "half a motion": (cell("GAIA_PMRA", 3.0), ("half-motion", "GAIA_PMRA")),
    "motion without error": (cell("GAIA_PMDEC", 3.0), ("error-missing", "GAIA_PMDEC_ERR")),
    "error without motion": (cell("GAIA_PMRA_ERR", 0.1), ("value-missing", "GAIA_PMRA")),
    "negative error": (cell("GAIA_PMRA_ERR", -0.1), ("range", "GAIA_PMRA_ERR")),
    "parallax too large": (cell("GAIA_PARAL", 900.0), ("parallax", "GAIA_PARAL")),
    "Gaia without release": (cell("GAIA_ID", "123456"), ("gaia-release", "GAIA_DR")),
    "Gaia not digits": (cell("GAIA_ID", "Gaia 12"), ("gaia_id-value", "GAIA_ID")),
    "magnitude -99": (cell("MAG_R", -99.0), ("magnitude", "MAG_R")),
    "magnitude 99": (cell("MAG_G", 99.0), ("magnitude", "MAG_G")),
    "magnitude without error": (cell("MAG_I_ERR", np.nan), ("error-missing", "MAG_I_ERR")),
    "negative magnitude error": (cell("MAG_I_ERR", -1.0), ("range", "MAG_I_ERR")),
    "no identifier": (cell("TARGID", ""), ("targid-value", "TARGID")),
    "identifier twice": (same("TARGID"), ("targid-twice", "TARGID")),
    "position twice": (same_position, ("position-twice", "GAIA_RA")),
    "name given": (cell("CNAME", "WVE_14180000+5230000"), ("cname-given", "CNAME")),
    "name of another form": (cell("CNAME", "J1418+5230"), ("cname-form", "CNAME")),
    "unknown use": (cell("TARGUSE", "X"), ("targuse-value", "TARGUSE")),
    "unknown class": (cell("TARGCLASS", "QUASAR"), ("targclass-value", "TARGCLASS")),
    "unknown survey": (cell("TARGSRVY", "QSO"), ("targsrvy-value", "TARGSRVY")),
    "two surveys": (cell("TARGSRVY", "WA"), ("several-surveys", "TARGSRVY")),
    "another file": (cell("TARGCAT", "WQ_2026B1.fits"), ("targcat-name", "TARGCAT")),
    "programme of four digits": (cell("PROGTEMP", "1133"), ("progtemp-value", "PROGTEMP")),
    "constraints in small letters": (cell("OBSTEMP", "daceb"), ("obstemp-value", "OBSTEMP")),
    "pixel of elsewhere": (cell("HEALPIX", 1), ("pixel", "HEALPIX")),
    "pixel too large": (cell("HEALPIX", 12289), ("range", "HEALPIX")),
    "dither 4": (cell("IFU_DITHER", 4), ("dither", "IFU_DITHER")),
    "flag 7": (cell("APS_GAND_MODE", 7), ("range", "APS_GAND_MODE")),
    "flags not of bits": (cell("APS_FLAG", "01x"), ("aps_flag-value", "APS_FLAG")),
    "wrong extension": (card(1, "EXTNAME", "WQ TARGETS"), ("extname", "EXTNAME")),
    "wrong version": (card(0, "DATAMVER", "7.00"), ("datamver", "DATAMVER")),
    "wrong trimester": (card(0, "TRIMESTE", "2027C1"), ("trimester", "TRIMESTE")),
    "time with offset": (card(0, "DATETIME", "2027-01-15T12:00:00+00:00"), ("datetime", "DATETIME")),
    "no such day": (card(0, "DATETIME", "2027-02-30T12:00:00"), ("datetime", "DATETIME")),
    "leader blank": (card(0, "STL_NME1", ""), ("blank-card", "STL_NME1")),
    "address of no form": (card(0, "CAT_MAIL", "author"), ("address", "CAT_MAIL")),
    "card missing": (without_card(0, "CAT_CC"), ("card-missing", "CAT_CC")),
    "card unknown": (card(0, "AUTHOR", "me"), ("card-unknown", "AUTHOR")),
    "display changed": (column_card("TDISP", "TARGPRIO", "F8.3"), ("column-tdisp", "TARGPRIO")),
    "unit changed": (column_card("TUNIT", "GAIA_RA", "hourangle"), ("column-tunit", "GAIA_RA")),
    "null changed": (column_card("TNULL", "HEALPIX", -99), ("column-tnull", "HEALPIX")),
    "limit changed": (column_card("TLMAX", "TARGPRIO", 20.0), ("column-tlmax", "TARGPRIO")),
    "descriptor changed": (column_card("TUCD", "MAG_R", "phot.mag"), ("column-tucd", "MAG_R")),
    "property missing": (column_card("TPROP", "MAG_R", None), ("column-tprop", "MAG_R")),
    "column renamed": (column_card("TTYPE", "MAG_R", "MAG_RR"), ("column-missing", "MAG_R")),
    "column twice": (column_card("TTYPE", "MAG_R", "MAG_G"), ("column-twice", "MAG_G")),
    "scaled column": (column_card("TSCAL", "HEALPIX", 2.0), ("scaled-column", "TSCAL23")),
}


def test_ours_passes(good):
    assert [one for one in check_catalogue(good, NAME) if one.severity == "error"] == []
    with fits.open(io.BytesIO(good), checksum=True) as units:
        names = list(units[0].header)
        assert names[-3:] == ["DATETIME", "CHECKSUM", "DATASUM"]
        assert units[0].header["DATETIME"] == "2027-01-15T12:00:00"


@pytest.mark.parametrize("what", PLANTED)
def test_each_planted_fault_is_found(good, what):
    edit, wanted = PLANTED[what]
    found = rules(edited(good, edit))
    assert wanted in found
    # what follows from one fault may be several, but never checksums, which are right
    assert not {"checksum", "datasum"} & {rule for rule, _ in found}


def test_rows_are_named(good):
    (fault,) = (
        one for one in check_catalogue(edited(good, cell("TARGPRIO", 0.0)), NAME) if one.rule == "range"
    )
    assert fault.rows == (3,)
    assert fault.to_dict()["rows"] == [3]
    assert fault.found == "0.0"
    assert "1.0 to 10.0" in fault.allowed


def test_faults_of_bytes(good):
    header = good.index(b"XTENSION")
    data = header + good[header:].index(b"END" + b" " * 77) // 2880 * 2880 + 2880
    flipped = bytearray(good)
    flipped[data + 40] ^= 1
    assert {("datasum", "DATASUM"), ("checksum", "CHECKSUM")} <= rules(bytes(flipped))
    cut = {rule for rule, _ in rules(good[:-2880])}
    assert "truncated" in cut
    assert "file-size" in {rule for rule, _ in rules(good[:-7])}
    assert "file-size" in {rule for rule, _ in rules(good + b"x")}
    assert "trailing-bytes" in {rule for rule, _ in rules(good + bytes(2880))}
    assert "not-fits" in {rule for rule, _ in rules(b"")}
    assert "not-fits" in {rule for rule, _ in rules(b"TARGID,RA\n")}
    assert "no-table" in {rule for rule, _ in rules(good[:header])}
    assert "header-end" in {rule for rule, _ in rules(good[: header + 2880])}
    negative = raw_swap(good, b"NAXIS2  =                   20", b"NAXIS2  =                   -5")
    assert "data-size" in {rule for rule, _ in rules(negative)}
    wide = raw_swap(good, b"TFORM7  = 'E       '", b"TFORM7  = 'D       '")
    assert {"row-width", "column-tform"} <= {rule for rule, _ in rules(wide)}
    accent = raw_swap(good, b"A. Leader", b"\xc1. Leader")
    assert "card-characters" in {rule for rule, _ in rules(accent)}
    swapped = (
        raw_swap(good, b"CAT_NME1", b"CAT_TEMP")
        .replace(b"CAT_NME2", b"CAT_NME1")
        .replace(b"CAT_TEMP", b"CAT_NME2")
    )
    assert "card-order" in {rule for rule, _ in rules(swapped)}
    columns = raw_swap(good, b"'MAG_G   '", b"'MAG_T   '").replace(b"'MAG_R   '", b"'MAG_G   '")
    assert "column-order" in {rule for rule, _ in rules(columns.replace(b"'MAG_T   '", b"'MAG_R   '"))}
    place = good.index(b"2241-")
    assert ("text-after-null", "TARGID") in rules(good[: place + 3] + b"\0" + good[place + 4 :])
    assert ("text-characters", "TARGID") in rules(good[:place] + b"\xf1" + good[place + 1 :])


def test_checksums_that_are_missing(good):
    bare = raw_swap(raw_swap(good, b"CHECKSUM=", b"CHECKSUX="), b"DATASUM =", b"DATASUX =")
    assert {("checksum-missing", "CHECKSUM"), ("checksum-missing", "DATASUM")} <= rules(bare)


def test_the_name_of_the_file(good):
    assert ("file-name", "") in rules(good, "targets.fits")
    assert ("targcat-name", "TARGCAT") in rules(good, "WQ_2027A2.fits")


def test_open_time(sky):
    programme = TargetProgramme(programme="WS2027A1-001", min_probability=0.4)
    targets, file = select_targets(sky[2], programme, 1).slice(0, 5), io.BytesIO()
    write_weave_catalogue(file, [targets], programme, COMPLETE, "2027-01-15T12:00:00")
    assert rules(file.getvalue(), "WS2027A1-001.fits") == set()
    later = edited(file.getvalue(), card(0, "TRIMESTE", "2027A2"))
    assert ("survey-trimester", "TRIMESTE") in rules(later, "WS2027A1-001.fits")


def test_what_is_blank_cannot_be_submitted(sky):
    found = rules(written(sky, Submission()))
    assert {("blank-card", name) for name in ("STL_NME1", "STL_MAIL", "CAT_NME1", "CAT_MAIL")} <= found
    assert {("progtemp-value", "PROGTEMP"), ("obstemp-value", "OBSTEMP")} <= found


def test_no_rows_and_further_tables(good):
    assert ("no-rows", "NAXIS2") in rules(edited(good, lambda parts: parts[1].data[:0]))
    table = good[good.index(b"XTENSION") :]
    assert "further-unit" in {rule for rule, _ in rules(good + table)}


def test_warnings_do_not_forbid(good):
    def unlike(units):
        units[1].data["TARGCLASS"][0] = "SKY"

    data = edited(good, unlike)
    assert rules(data) == set()
    assert "sky-class" in {one.rule for one in check_catalogue(data, NAME)}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_flip_of_a_byte_is_silent_or_breaks_the_check(good, data):
    place = data.draw(st.integers(0, len(good) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(good)
    changed[place] ^= mask
    assert any(one.severity == "error" for one in check_catalogue(bytes(changed), NAME))


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=6000))
def test_any_bytes_are_checked(noise):
    assert check_catalogue(noise, NAME)
    read_units(b"SIMPLE  =" + noise)


def test_ranges_of_rows():
    assert row_ranges((1, 2, 3, 7, 9, 10)) == "1-3, 7, 9-10"
    assert row_ranges(tuple(range(1, 40, 2)), most=3) == "1, 3, 5 and 17 more"
