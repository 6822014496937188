"""Numbers of figures come back as they were, with their units, and never as a formula."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.pages.numbers import checked_numbers, csv_bytes

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@given(st.lists(st.tuples(st.floats(allow_infinity=False), st.integers(-(2**62), 2**62), TEXT), max_size=8))
def test_numbers_come_back(rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    numbers = {
        "flux (uJy)": np.array(columns[0], dtype=np.float64),
        "objects (number)": np.array(columns[1], dtype=np.int64),
        "object": np.array(columns[2], dtype=object),
    }
    header, *lines = read(csv_bytes(numbers))
    assert header == list(numbers)
    assert len(lines) == len(rows)
    for line, (real, whole, text) in zip(lines, rows, strict=True):
        assert (line[0] == "") if np.isnan(real) else (float(line[0]) == real)
        assert int(line[1]) == whole
        assert line[2].removeprefix("'") == text.removeprefix("'")
        assert not line[2].startswith(("=", "+", "-", "@", "\t"))


def test_single_precision_stays_short():
    assert csv_bytes({"p (probability)": np.array([0.1], dtype=np.float32)}) == b"p (probability)\n0.1\n"


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({}, "columns of one length"),
        ({"a (mag)": np.zeros(2), "b (mag)": np.zeros(3)}, "columns of one length"),
        ({"density": np.zeros(2)}, "'density' of a figure has no unit"),
        ({"density ()": np.zeros(2)}, "no unit"),
        ({"(deg2)": np.arange(2)}, "no unit"),
    ],
)
def test_numbers_without_a_unit_are_refused(numbers, told):
    with pytest.raises(ValueError, match=told):
        checked_numbers(numbers)
