"""How the types of carried columns in several files agree."""

import itertools

import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.types import UNTYPED, agree, carried_field, fits_into

KINDS = [
    pa.int8(),
    pa.int32(),
    pa.int64(),
    pa.uint16(),
    pa.float32(),
    pa.float64(),
    pa.bool_(),
    pa.string(),
    pa.list_(pa.float32(), 3),
    pa.list_(pa.float64(), 3),
    pa.list_(pa.float32(), 2),
    pa.null(),
]


def schema(kind, metadata=None):
    return pa.schema([pa.field("x", kind, metadata=metadata)])


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(KINDS, 2)))
def test_types_agree_whatever_file_comes_first(one, other):
    """Two files agree on the same type in either order, or are refused in either order."""

    def found(first, second):
        try:
            return agree({"a": schema(first), "b": schema(second)})[0].field("x").type
        except InputError:
            return None

    assert found(one, other) == found(other, one)


def test_only_more_bits_of_the_same_kind():
    """Signed with signed, unsigned with unsigned, floats with floats, and elements of lists likewise."""
    wide = {
        (pa.int8(), pa.int32()): pa.int32(),
        (pa.float32(), pa.float64()): pa.float64(),
        (pa.list_(pa.float32(), 3), pa.list_(pa.float64(), 3)): pa.list_(pa.float64(), 3),
        (pa.null(), pa.bool_()): pa.bool_(),
    }
    for (one, other), kind in wide.items():
        assert agree({"a": schema(one), "b": schema(other)})[0].field("x").type == kind
    for one, other in [(pa.int32(), pa.float64()), (pa.int64(), pa.uint16()), (pa.bool_(), pa.int8())]:
        with pytest.raises(InputError, match="give it one type in all tables"):
            agree({"a": schema(one), "b": schema(other)})
    guessed = {UNTYPED: b"csv"}
    assert (
        agree({"a": schema(pa.int64(), guessed), "b": schema(pa.float64(), guessed)})[0].field("x").type
        == pa.float64()
    )


def test_a_catalogue_takes_no_wider_type():
    """What is published keeps its types: narrower files fit, wider ones do not."""
    fits_into({"a": schema(pa.float32())}, schema(pa.float64()))
    with pytest.raises(InputError, match=r"a: .* holds double, but the catalogue holds float"):
        fits_into({"a": schema(pa.float64())}, schema(pa.float32()))


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.struct([("a", pa.int8())]), pa.list_(pa.string(), 2)])
def test_types_that_do_not_travel(kind):
    """Other types are refused with what was found."""
    with pytest.raises(InputError, match="numbers, texts, truth values"):
        carried_field(pa.field("x", kind), CarriedColumn("x"))
