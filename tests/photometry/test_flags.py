"""Flags of single bands: they reject the row, or the band."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.photometry.flags import FlagColumn
from jpasbatch.photometry.normalisation import FLAGGED, QualityCuts
from jpasbatch.photometry.table import photometry_from_table
from tests.photometry.real_table import J57, ROWS, magnitude_columns, read

BANDS = len(J57.bands)
BY_BAND = QualityCuts(flags=3, flagged="band")


def flagged(role: str, row: int, band: int, bits: int) -> dict[str, np.ndarray]:
    columns = magnitude_columns()
    columns[role][row, band] = bits
    return columns


@pytest.mark.parametrize("role", ["flags", "mask_flags"])
def test_a_flag_in_one_band_rejects_the_row_or_the_band(role):
    columns = flagged(role, 2, 5, 4)
    assert read(columns).reasons() == {role: 1}
    result = read(columns, cuts=BY_BAND)
    assert result.reasons() == {}
    assert result.values[FLAGGED] == 1
    photometry = photometry_from_table(result.accepted, J57)
    assert np.argwhere(~photometry.observed).tolist() == [[2, 5]]
    assert np.isnan(photometry.flux_err[2, 5])


def test_the_reference_band_takes_its_row_along():
    result = read(flagged("flags", 1, J57.reference_index, 64), cuts=BY_BAND)
    assert result.reasons() == {"reference band flagged": 1}


def test_what_is_left_of_the_flags_are_those_of_the_bands_that_count():
    columns = flagged("flags", 0, 3, 2)  # allowed
    columns["flags"][0, 4] = 64
    assert read(columns, cuts=BY_BAND).accepted["flags"][0].as_py() == 2


def test_a_masked_flag_is_no_permission():
    columns = magnitude_columns()
    mask = np.zeros((ROWS, BANDS), bool)
    mask[3, 7] = True
    columns["flags"] = np.ma.MaskedArray(columns["flags"], mask=mask)
    assert read(columns).reasons() == {"flags masked": 1}
    observed = photometry_from_table(read(columns, cuts=BY_BAND).accepted, J57).observed
    assert np.argwhere(~observed).tolist() == [[3, 7]]


def test_one_value_an_object_rejects_the_row_in_any_case():
    columns = magnitude_columns() | {"flags": np.arange(ROWS) % 2 * 4}
    assert read(columns, cuts=BY_BAND).reasons() == {"flags": ROWS // 2}


@given(st.sets(st.tuples(st.integers(0, ROWS - 1), st.integers(0, BANDS - 1)), max_size=30))
def test_bands_are_lost_where_they_are_flagged_and_nowhere_else(places):
    columns = magnitude_columns()
    for place in places:
        columns["flags"][place] = 8
    result = read(columns, cuts=BY_BAND)
    rejected = {row for row, band in places if band == J57.reference_index}
    assert set(result.rejected["row"].to_pylist()) == rejected
    lost = ~photometry_from_table(result.accepted, J57).observed
    kept = [row for row in range(ROWS) if row not in rejected]
    assert {(kept[row], band) for row, band in np.argwhere(lost).tolist()} == {
        place for place in places if place[0] not in rejected
    }
    assert result.values[FLAGGED] == len(places)


@pytest.mark.parametrize("by_band", [False, True])
@pytest.mark.parametrize(("kind", "allowed"), [(">i2", 0), ("<i2", 5), (">i4", 2), ("u1", 1), (">u2", 66)])
def test_flags_are_the_same_in_any_order_of_bytes(kind, by_band, allowed):
    rng = np.random.default_rng(allowed)
    values = rng.choice([0, 0, 0, 1, 2, 4, 64], (ROWS, BANDS))
    cuts = QualityCuts(flags=allowed, flagged="band" if by_band else "row")
    wanted, found = (
        read(magnitude_columns() | {"flags": values.astype(dtype)}, cuts=cuts) for dtype in (np.int64, kind)
    )
    assert found.rejected.equals(wanted.rejected)
    assert found.values == wanted.values
    assert found.accepted["flags"].equals(wanted.accepted["flags"])


def test_the_sign_bit_is_a_flag_as_well():
    column = FlagColumn(np.array([[0, -32768], [0, 1]], dtype=">i2"), np.zeros((2, 2), bool))
    assert column.combined().tolist() == [-32768, 1]
    assert column.combined().dtype == np.int32
