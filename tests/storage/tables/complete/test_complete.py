"""All columns of a table come through, in the types of arrow, or are named."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.complete.table import CompleteTable, NextRows


def read(path, survey, **options) -> pa.Table:
    with open_complete(path, survey, 3, **options) as complete:
        pieces = list(complete.pieces)
        table = pa.concat_tables([complete.schema.empty_table(), *pieces])
        assert table.num_rows == complete.rows
        assert all(piece.num_rows <= 3 or path.suffix in (".vot", ".csv") for piece in pieces)
    return table


def fits_table(path, *columns):
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path, overwrite=True)
    return path


def test_every_type_of_fits(tmp_path, survey):
    ragged = np.empty(4, dtype=object)
    ragged[:] = [np.array([], "f4"), np.array([1, 2], "f4"), np.array([3], "f4"), np.array([4, 5, 6], "f4")]
    path = fits_table(
        tmp_path / "t.fits",
        fits.Column("ALPHA_J2000", "D", unit="deg", array=[1.0, 2.0, 3.0, 4.0]),
        fits.Column("gaps", "I", null=-7, array=[1, -7, 3, 4]),
        fits.Column("unsigned", "J", bzero=2**31, array=np.array([0, 1, 2**31, 2**32 - 1], "u4")),
        fits.Column("byte", "B", array=[0, 1, 254, 255]),
        fits.Column("text", "6A", array=["a", "", " b ", "cccccc"]),
        fits.Column("sure", "L", array=[True, False, True, False]),
        fits.Column("sures", "2L", array=[[True, False]] * 4),
        fits.Column("pairs", "2K", array=[[1, 2], [3, 4], [5, 6], [2**62, 8]]),
        fits.Column("cube", "6E", dim="(3,2)", array=np.arange(24, dtype="f4").reshape(4, 2, 3)),
        fits.Column("words", "6A", dim="(3,2)", array=[["ab", "cd"]] * 4),
        fits.Column("ragged", "PE()", array=ragged),
    )
    table = read(path, survey)
    assert table.schema.field("ALPHA_J2000").metadata == {b"unit": b"deg"}
    assert table["gaps"].to_pylist() == [1, None, 3, 4]
    assert table["unsigned"].to_pylist() == [0, 1, 2**31, 2**32 - 1]
    assert table.schema.field("unsigned").type == pa.uint32()
    assert table["byte"].to_pylist() == [0, 1, 254, 255]
    assert table["text"].to_pylist() == ["a", "", " b", "cccccc"]  # blanks at the end mean nothing in FITS
    assert table["sure"].to_pylist() == [True, False, True, False]
    assert table["sures"].to_pylist() == [[True, False]] * 4
    assert table["pairs"].to_pylist()[3] == [2**62, 8]
    assert table["cube"].to_pylist()[0] == [[0, 1, 2], [3, 4, 5]]
    assert table["words"].to_pylist()[0] == ["ab", "cd"]
    assert table["ragged"].to_pylist() == [[], [1, 2], [3], [4, 5, 6]]


def test_logical_values_that_are_not_known_stay_so(tmp_path, survey):
    path = fits_table(
        tmp_path / "t.fits",
        fits.Column("ALPHA_J2000", "D", array=[1.0, 2.0]),
        fits.Column("sure", "L", array=[True, False]),
    )
    content = bytearray(path.read_bytes())
    content[-2880 + 17] = 0  # the second row's
    path.write_bytes(content)
    assert read(path, survey)["sure"].to_pylist() == [True, None]


def test_what_arrow_has_no_form_for_is_named(tmp_path, survey):
    path = fits_table(
        tmp_path / "t.fits",
        fits.Column("ALPHA_J2000", "D", array=[1.0, 2.0]),
        fits.Column("wave", "C", array=[1j, 2j]),
    )
    with pytest.raises(InputError, match="'wave' holds values of type"):
        read(path, survey)


def test_types_of_csv_are_those_of_all_rows(tmp_path, survey, monkeypatch):
    monkeypatch.setattr("jpasbatch.storage.tables.csv.BLOCK_BYTES", 64)
    path = tmp_path / "t.csv"
    lines = [f"{row},{row},{row},{row}" for row in range(30)]
    lines[25], lines[27] = "25,,1.5,word", f"{2**53 + 1},nan,-99,007"
    path.write_text("whole,empty,real,text\n" + "\n".join(lines) + "\n")
    table = read(path, survey)
    assert [str(one) for one in table.schema.types] == ["int64", "int64", "double", "string"]
    assert table["whole"][27].as_py() == 2**53 + 1
    assert table["empty"].null_count == 2
    assert table["text"].to_pylist()[24:28] == ["24", "word", "26", "007"]
    texts = read(path, survey, as_text=True)
    assert set(texts.schema.types) == {pa.string()}
    assert texts.to_pylist()[27] == {"whole": str(2**53 + 1), "empty": "nan", "real": "-99", "text": "007"}


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "#SELECT x\na,b\n", "a,b\n\n \n"])
def test_csv_without_rows(tmp_path, survey, content):
    (tmp_path / "t.csv").write_text(content)
    table = read(tmp_path / "t.csv", survey)
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])


def test_csv_that_is_no_table(tmp_path, survey):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(InputError, match="not a valid table"):
        read(tmp_path / "t.csv", survey)
    (tmp_path / "t.csv").write_text("NUMBER\n1\n1.5\n")  # of the survey, which says that it is an integer
    with pytest.raises(InputError, match="'NUMBER' is not a column of int64"):
        read(tmp_path / "t.csv", survey)


def test_votable_keeps_units_masks_and_ragged_columns(tmp_path, survey):
    (tmp_path / "t.vot").write_text(
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD name="n" datatype="int" unit="adu" ucd="meta.id"><DESCRIPTION>a number</DESCRIPTION></FIELD>'
        '<FIELD name="v" datatype="double" arraysize="*"/><FIELD name="s" datatype="char" arraysize="*"/>'
        "<DATA><TABLEDATA><TR><TD>1</TD><TD>1 2</TD><TD>a</TD></TR><TR><TD></TD><TD>3</TD><TD></TD></TR>"
        "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    table = read(tmp_path / "t.vot", survey)
    assert table["n"].to_pylist() == [1, None]
    assert table.schema.field("n").metadata == {
        b"unit": b"adu",
        b"ucd": b"meta.id",
        b"description": b"a number",
    }
    assert table["v"].to_pylist() == [[1, 2], [3]]


def test_the_next_rows_however_they_were_cut(tmp_path):
    schema = pa.schema([("n", pa.int64())])

    def rows(*sizes):
        starts = np.cumsum((0, *sizes))
        pieces = (pa.table({"n": np.arange(a, a + size)}) for a, size in zip(starts, sizes, strict=False))
        return NextRows(CompleteTable(tmp_path / "t", schema, sum(sizes), pieces))

    one = rows(3, 0, 4, 1)
    assert [one.take(count)["n"].to_pylist() for count in (2, 0, 5, 1)] == [[0, 1], [], [2, 3, 4, 5, 6], [7]]
    one.finish()
    with pytest.raises(InputError, match="changed while it was read"):
        one.take(1)
    with pytest.raises(InputError, match="changed while it was read"):
        rows(3).finish()
