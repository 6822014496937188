"""Numbers that no measurement is, and sources that lie elsewhere than their identifiers say."""

import healpy
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.products.targets.checking.catalogue import check_catalogue
from jpasbatch.products.targets.checking.plausibility import GAIA_BITS, GAIA_ORDER, plausibility_faults
from jpasbatch.products.targets.checking.values import Catalogue
from tests.products.targets.checking.test_checking import NAME, card, cell, edited, parts_of, written


@pytest.fixture(scope="module")
def good(sky) -> bytes:
    return written(sky)


def swapped(column):
    def edit(units):
        values = units[1].data[column]
        units[1].data[column] = values.byteswap()

    return edit


def gaia(*identifiers):
    def edit(units):
        units[1].data["GAIA_ID"][: len(identifiers)] = identifiers
        units[1].data["GAIA_DR"][: len(identifiers)] = b"DR2"

    return edit


def source_at(ra, dec):
    pixel = int(healpy.ang2pix(2**GAIA_ORDER, ra, dec, nest=True, lonlat=True))
    return str((pixel << GAIA_BITS) + 4711).encode()


SOME = None
"""Half of the rows or so: some numbers whose bytes are in the other order look like others."""

FAULTS = [
    (swapped("MAG_I"), "number-size", "MAG_I", "error", SOME),
    (swapped("MAG_G_ERR"), "number-size", "MAG_G_ERR", "error", SOME),
    (cell("APS_Z", 1e-41, 2), "number-size", "APS_Z", "error", (3,)),
    (cell("APS_Z", -9.99, 3), "redshift", "APS_Z", "error", (4,)),
    (cell("APS_Z", 99.0, 4), "redshift-far", "APS_Z", "warning", (5,)),
    (cell("MAG_R", 0.0, 2), "magnitude-zero", "MAG_R", "warning", (3,)),
    (cell("MAG_R_ERR", 99.0, 3), "error-large", "MAG_R_ERR", "error", (4,)),
    (cell("GAIA_DEC", -75.0, 8), "never-rises", "GAIA_DEC", "error", (9,)),
    (cell("GAIA_DEC", -50.0, 9), "low", "GAIA_DEC", "warning", (10,)),
    (cell("IFU_PA", 10.0, 2), "mos-angle", "IFU_PA", "warning", (3,)),
    (card(0, "CAT_CC", "somebody"), "address", "CAT_CC", "warning", ()),
    (card(0, "DATETIME", "9999-01-01T00:00:00"), "datetime", "DATETIME", "error", ()),
    (gaia(b"0", b"9" * 20, b"9" * 25, source_at(10.0, 50.0)), "gaia-id-size", "GAIA_ID", "error", (1, 2, 3)),
    (lambda units: None, "gaia-id-position", "GAIA_ID", "error", (4,)),
]


def test_each_is_found(good):
    """All are planted in one list: a check takes a tenth of a second."""

    def plant(units):
        for edit, *_ in FAULTS:
            edit(units)

    found = {(one.rule, one.column): one for one in check_catalogue(edited(good, plant), NAME)}
    for _, rule, column, severity, rows in FAULTS:
        assert (rule, column) in found
        assert found[rule, column].severity == severity
        if rows is SOME:
            assert len(found[rule, column].rows) > 5
        else:
            assert found[rule, column].rows == rows
    untouched = {(one.rule, one.column) for one in check_catalogue(good, NAME)}
    assert not untouched & {(rule, column) for _, rule, column, *_ in FAULTS}


def test_sources_where_their_identifiers_say_are_no_fault(good):
    data = parts_of(good)[1].data
    identifiers = [source_at(ra, dec) for ra, dec in zip(data["GAIA_RA"], data["GAIA_DEC"], strict=True)]
    found = check_catalogue(edited(good, gaia(*identifiers)), NAME)
    assert not [one for one in found if one.column == "GAIA_ID"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(width=32), min_size=3, max_size=3), st.binary(max_size=25))
def test_no_number_stops_the_check(numbers, identifier):
    kinds = [
        ("GAIA_ID", "S25"),
        ("GAIA_RA", ">f8"),
        ("GAIA_DEC", ">f8"),
        ("MAG_R_ERR", ">f4"),
        ("APS_Z", ">f4"),
    ]
    rows = np.zeros(1, dtype=kinds)
    rows["GAIA_ID"] = identifier
    rows["GAIA_RA"], rows["GAIA_DEC"], rows["MAG_R_ERR"] = numbers
    for fault in plausibility_faults(Catalogue(rows)):
        assert fault.rows == (1,)
