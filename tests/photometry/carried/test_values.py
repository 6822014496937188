"""Values of carried columns in the types of the catalogue."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.values import canonical_rows


def canonical(array, kind, missing=None):
    schema = pa.schema([pa.field("x", kind)])
    return canonical_rows(
        [pa.chunked_array([array])], [CarriedColumn("x", missing=missing)], schema, "a.fits"
    )["x"]


@given(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
    st.none() | st.integers(-(2**53), 2**53),
)
def test_whole_numbers_are_exact(values, missing):
    """Every whole number of 64 bits arrives as it is; the one that stands for nothing is null."""
    found = canonical(pa.array(values, pa.int64()), pa.int64(), None if missing is None else float(missing))
    assert found.to_pylist() == [None if value == missing else value for value in values]


@given(st.lists(st.none() | st.floats(width=32)), st.none() | st.floats(width=32, allow_nan=False))
def test_numbers_lose_nothing_but_nan(values, missing):
    """Numbers arrive bit by bit in a wider type; not a number, and the number for nothing, are null."""
    found = canonical(pa.array(values, pa.float32()), pa.float64(), missing).to_pylist()
    lost = [value is None or np.isnan(value) or value == missing for value in values]
    assert found == [None if gone else value for value, gone in zip(values, lost, strict=True)]


@given(st.lists(st.none() | st.lists(st.none() | st.floats(width=32), min_size=2, max_size=2)), st.booleans())
def test_lists_of_numbers(values, fixed):
    """Missing elements and missing lists become NaN, of lists with and without a declared length."""
    kind = pa.list_(pa.float32(), 2)
    found = canonical(pa.array(values, kind if fixed else pa.list_(pa.float32())), kind)
    wanted = [[np.nan if one is None else one for one in value or [None, None]] for value in values]
    matrix = np.array(found.to_pylist(), dtype=np.float32).reshape(-1, 2)
    assert np.array_equal(matrix, np.array(wanted, dtype=np.float32).reshape(-1, 2), equal_nan=True)
    assert all(chunk.flatten().null_count == 0 for chunk in found.chunks)


def test_lists_that_cannot_be():
    """Lists of another length, and gaps in lists of whole numbers, are refused by name."""
    with pytest.raises(InputError, match=r"a.fits: .*'x' holds lists of length 3; wanted is 2"):
        canonical(pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]]), pa.list_(pa.float64(), 2))
    with pytest.raises(InputError, match="lacks elements of its lists"):
        canonical(pa.array([[1, None]], pa.list_(pa.int32(), 2)), pa.list_(pa.int32(), 2))


def test_texts_are_trimmed_and_blank_is_null():
    """FITS pads texts and knows no null: blank is missing in every format."""
    found = canonical(pa.array(["a ", "", "  ", None]).dictionary_encode(), pa.string())
    assert found.to_pylist() == ["a", None, None, None]
