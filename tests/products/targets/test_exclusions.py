"""Tables that a rule names, as people write them: what cannot be meant is refused, and what does nothing is told."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.products.targets.exclusions import exclusions_of
from jpasbatch.products.targets.options import TargetProgramme, Veto
from jpasbatch.products.targets.targets import TargetTally
from jpasbatch.products.targets.told import list_warnings

BEYOND_FLOATS = 2**53 + 1


def rule_of(**named):
    return TargetProgramme(classes=("star",), **{key: str(value) for key, value in named.items()})


def write(path, content):
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("blanks.csv", b"object_id\n 7-1 \n7-2  \n", {"7-1", "7-2"}),
        ("mark.csv", b"\xef\xbb\xbfobject_id\r\n7-1\r\n", {"7-1"}),
        ("mark.txt", b"\xef\xbb\xbfobject_id\n7-1\n", {"7-1"}),
        ("whole.csv", f"object_id\n{BEYOND_FLOATS}\n".encode(), {str(BEYOND_FLOATS)}),
        ("long.csv", b"object_id\n18446744073709551617\n", {"18446744073709551617"}),
        ("gap.csv", b"object_id,n\n7,1\n,2\n", {"7"}),
        ("gap.parquet", pa.table({"id": pa.array([BEYOND_FLOATS, None], pa.int64())}), {str(BEYOND_FLOATS)}),
        ("texts.parquet", pa.table({"id": pa.array(["7-1", None])}), {"7-1"}),
        ("kinds.parquet", pa.table({"id": pa.array(["7-1", None]).dictionary_encode()}), {"7-1"}),
    ],
)
def test_identifiers_keep_their_digits(tmp_path, name, content, found):
    assert exclusions_of(rule_of(exclude=write(tmp_path / name, content))).identifiers == found


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("floats.csv", b"object_id\n1.0\n2.0\n", "have lost digits"),
        ("lists.parquet", pa.table({"id": pa.array([["7-1"]])}), "texts and whole numbers"),
        ("cases.csv", b"ra,RA,dec\n1,2,3\n", "'ra' and 'RA'; allowed is one of them"),
        (
            "ds9.csv",
            b"# Region file format: DS9\nfk5\ncircle(14:18:00,+52:30:00,1')\n",
            "region file of a viewer",
        ),
        ("mine.reg", b"galactic\ncircle(96,59,1')\n", "region file of a viewer"),
        ("none.csv", b"object_id\n", "leave the key out"),
        ("words.txt", b"one\ntwo words\nand three words\n", "no form of columns"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, name, content, told):
    with pytest.raises(InputError, match=told) as caught:
        exclusions_of(rule_of(exclude=write(tmp_path / name, content)))
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"ra,dec\n10,2\n10.0001,2\n", "rows 1 and 2 are the same field"),
        (b"ra,dec\n359.9999,2\n1,5\n0.0000,2\n", "rows 1 and 3 are the same field"),
        (b"ra,dec,fibres\n10,2,5\n", "'fibres'.*per_field"),
    ],
)
def test_fields_that_are_one_or_have_fibres_of_their_own(tmp_path, content, told):
    path = write(tmp_path / "fields.csv", content)
    with pytest.raises(InputError, match=told):
        exclusions_of(TargetProgramme(classes=("star",), per_field=3, fields=str(path)))


def test_a_table_that_takes_nothing_out_is_told(tmp_path):
    named = write(tmp_path / "named.csv", b"object_id\nX1\n")
    placed = write(tmp_path / "placed.csv", b"ra,dec\n14.2,52.0\n")
    circles = write(tmp_path / "circles.csv", b"ra,dec,radius\n14.2,52.0,0.1\n")
    rule = rule_of(exclude=named, exclude_circles=circles)
    told = list(list_warnings(TargetTally.create(rule).extract()))
    assert any('1 identifiers, such as "X1"' in one for one in told)
    assert any("`exclude_circles` takes no object out" in one for one in told)
    told = list(list_warnings(TargetTally.create(rule_of(exclude=placed)).extract()))
    assert any("has 1 positions" in one for one in told)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": ("m",), "above": 20.0, "below": 21.0}, "veto every number"),
        ({"columns": ("pmra", "pmdec"), "below": -1.0}, "never below 0"),
        ({"columns": ("pmra",), "errors": ("e",), "above": -3.0}, "never below 0"),
    ],
)
def test_vetoes_that_say_nothing_or_everything(options, told):
    with pytest.raises(ValueError, match=told):
        Veto(**options).check_relations()
    assert np.isfinite(Veto(columns=("m",), above=21.0, below=20.0).above)
