"""Tables of any columns are written and read again as they were, or refused by name."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.output.writing import ENDINGS, output_ending, write_table

INTEGERS = (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64())
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, table, cut=3, facts=None):
    with write_table(path, table.schema, facts or {}) as file:
        for start in range(0, table.num_rows, cut):
            file.write(table.slice(start, cut))
    return path


def read(path, survey):
    with open_complete(path, survey, 4) as complete:
        return pa.concat_tables([complete.schema.empty_table(), *complete.pieces])


@st.composite
def columns(draw, rows):
    """Draw a column that FITS can hold: numbers with and without gaps, texts, logical values, vectors."""
    kind = draw(st.sampled_from([*INTEGERS, pa.float32(), pa.float64(), pa.string(), pa.bool_()]))
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        least = int(limits.min) + (1 if limits.min else 0)
        cells = st.integers(least, int(limits.max))
    elif pa.types.is_floating(kind):
        cells = st.floats(width=kind.bit_width, allow_nan=False)
    elif pa.types.is_string(kind):
        cells = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
    else:
        cells = st.booleans()
    if kind != pa.uint64() and draw(st.booleans()):
        cells = st.none() | cells
    size = draw(st.sampled_from([None, None, 1, 4])) if kind not in (pa.string(),) else None
    if size:
        cells = st.lists(cells, min_size=size, max_size=size)
        kind = pa.list_(kind, size)
    return pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), kind)


def known(cells):
    """Return cells; FITS has one form for no text and an empty one, and for no number and NaN."""
    flat = [known(cell) if isinstance(cell, list) else cell for cell in cells]
    return [None if cell == "" or cell != cell else cell for cell in flat]


@FEW
@given(data=st.data(), rows=st.integers(0, 7))
def test_fits_gives_back_what_it_was_given(data, rows, tmp_path_factory, survey):
    found = data.draw(st.lists(columns(rows), min_size=1, max_size=5))
    table = pa.table({f"c{number}": column for number, column in enumerate(found)})
    path = write(tmp_path_factory.mktemp("t") / "t.fits", table)
    with fits.open(path) as hdus:
        hdus.verify("exception")
    again = read(path, survey)
    assert again.num_rows == rows
    for name in table.column_names:
        cells, kind = known(again[name].to_pylist()), table[name].type
        if pa.types.is_fixed_size_list(kind) and kind.list_size == 1:  # to FITS a vector of one is a number
            cells = [[cell] for cell in cells]
        assert cells == known(table[name].to_pylist())


@FEW
@given(data=st.data(), rows=st.integers(1, 7))
def test_parquet_gives_back_what_it_was_given(data, rows, tmp_path_factory, survey):
    table = pa.table({"c": data.draw(columns(rows)), "d": data.draw(columns(rows))})
    assert read(write(tmp_path_factory.mktemp("t") / "t.parquet", table), survey).equals(table)


def test_lists_of_one_length_are_vectors_of_fits(tmp_path, survey):
    table = pa.table({"v": pa.array([[1.0, 2.0], [3.0, None]], pa.list_(pa.float64()))})
    assert known(read(write(tmp_path / "t.fits", table), survey)["v"].to_pylist()) == [[1, 2], [3, None]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[1.0], [1.0, 2.0]]), "different lengths"),
        (pa.array([[1.0], None]), "different lengths"),
        (pa.array([["a"], ["b"]]), "no form for"),
        (pa.array(["a", "é"]), "not ASCII"),
        (pa.array([{"a": 1}, {"a": 2}]), "no form for"),
        (pa.array([b"a", b"b"]), "no form for"),
        (pa.array([2**63, None], pa.uint64()), "lacks numbers"),
        (pa.array([-(2**63), None], pa.int64()), "lacks numbers"),
    ],
)
def test_what_fits_cannot_hold_is_named(tmp_path, column, words):
    path = tmp_path / "t.fits"
    path.write_text("precious")
    with pytest.raises(InputError, match=words) as caught:
        write(path, pa.table({"strange": column}))
    assert "'strange'" in str(caught.value)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_times_become_text(tmp_path, survey):
    when = pa.array([0, None], pa.timestamp("s"))
    for ending in (".fits", ".vot"):
        assert known(
            read(write(tmp_path / f"t{ending}", pa.table({"t": when})), survey)["t"].to_pylist()
        ) == [
            "1970-01-01 00:00:00",
            None,
        ]


def test_ecsv_is_what_astropy_reads(tmp_path):
    fields = [
        pa.field("n", pa.int32(), metadata={"unit": "adu", "description": "a, 'number'"}),
        pa.field("s", pa.string()),
    ]
    fields += [
        pa.field("v", pa.list_(pa.float32(), 2)),
        pa.field("f", pa.float32(), metadata={"unit": "1e-19 erg/s/cm2/A"}),
    ]
    cells = [[1, None, 3, 4], ["a b", '"', None, "#x"], [[1, 2]] * 4, [0.1, None, 2, 3]]
    table = pa.Table.from_arrays(
        [pa.array(one, field.type) for one, field in zip(cells, fields, strict=True)],
        schema=pa.schema(fields),
    )
    found = Table.read(
        write(tmp_path / "t.ecsv", table, cut=1, facts={"survey": "s: 'x'"}), format="ascii.ecsv"
    )
    assert found["n"].tolist() == [1, None, 3, 4]
    assert found["s"].tolist()[:2] == ["a b", '"']
    assert found["s"].tolist()[3] == "#x"
    assert np.array(found["v"].tolist()).shape == (4, 2)
    assert found["f"].dtype == np.float32
    assert found["n"].description == "a, 'number'"
    assert found.meta["survey"] == "s: 'x'"
    assert "# - {name: f, unit: 1e-19 erg/s/cm2/A, datatype: float32}" in (tmp_path / "t.ecsv").read_text()


def test_csv_has_the_shortest_numbers_that_come_back(tmp_path):
    table = pa.table(
        {
            "f": pa.array([0.1, None, 1e-30], pa.float32()),
            "d": [0.1, float("nan"), 1 / 3],
            "s": ["a,b", None, '"'],
        }
    )
    text = write(tmp_path / "t.csv", table, cut=2).read_text()
    assert text == 'f,d,s\n0.1,0.1,"a,b"\n,,\n1e-30,0.3333333333333333,""""\n'


def test_endings(tmp_path):
    assert output_ending(tmp_path / "a.b.FITS") == ".fits"
    with pytest.raises(InputError) as caught:
        output_ending(tmp_path / "a.fits.gz")
    assert all(ending in str(caught.value) for ending in ENDINGS)


SCALARS = {
    **{str(kind): (kind, [1, 0, None]) for kind in (*INTEGERS, pa.float32(), pa.float64())},
    "half": (pa.float16(), [np.float16(1.5), np.float16(0), None]),
    "bool": (pa.bool_(), [True, False, None]),
    "text": (pa.string(), ["a", "b", None]),
    "bytes": (pa.binary(), [b"\xff", b"", None]),
    "duration": (pa.duration("s"), [1, 2, None]),
}
FORMS = {
    "scalar": (lambda kind: kind, lambda cells: cells),
    "vector": (lambda kind: pa.list_(kind, 2), lambda cells: [cells[:2], cells[1::-1], cells[:2]]),
    "null within": (lambda kind: pa.list_(kind, 2), lambda cells: [cells[:2], cells[1:], None]),
    "varying": (pa.list_, lambda cells: [cells[:1], cells[:2], []]),
    "null in varying": (pa.list_, lambda cells: [cells[:1], cells, []]),
    "of lists": (lambda kind: pa.list_(pa.list_(kind)), lambda cells: [[cells[:1]], [cells[:2], []], []]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", [".fits", ".vot", ".ecsv", ".csv", ".parquet"])
def test_every_type_is_written_and_read_again_or_refused_by_name(ending, form, tmp_path, survey):
    wrapped, cells_of = FORMS[form]
    written = 0
    for name, (kind, cells) in SCALARS.items():
        table = pa.table({"some": pa.array(cells_of(cells), wrapped(kind))})
        path = tmp_path / f"{name}{ending}"
        refused = None
        try:
            write(path, table)
        except InputError as error:
            refused = str(error)
        if refused is not None:
            assert "some" in refused, name
            assert not path.exists()
            continue
        written += 1
        if ending in (".vot", ".parquet"):
            assert plain(read(path, survey)["some"]) == plain(table["some"]), name
    assert written or ending == ".csv" or form in ("varying", "null in varying", "of lists")


def plain(column):
    """Return cells in which nothing, a vector of nothing and an empty vector are one, as in VOTable."""

    def cell(one):
        if isinstance(one, list):
            found = [cell(part) for part in one]
            return None if all(part is None for part in found) else found
        return None if one is None or one != one or one == "" else one

    return [cell(one) for one in column.to_pylist()]


def test_what_xml_cannot_hold_is_no_part_of_a_votable(tmp_path, survey):
    with pytest.raises(InputError, match="XML cannot hold its name"):
        write(tmp_path / "named.vot", pa.table({"a\x01b": [1]}))
    noted = pa.schema([pa.field("a", pa.int64(), metadata={b"unit": b"m\x02"})])
    write(tmp_path / "noted.vot", pa.table({"a": [1]}, schema=noted), facts={"committee": "one\x00two"})
    assert read(tmp_path / "noted.vot", survey)["a"].to_pylist() == [1]


def test_a_vector_that_uses_every_number_has_none_for_null(tmp_path):
    every = pa.array([[*range(256), None]], pa.list_(pa.uint8(), 257))
    with pytest.raises(InputError, match="column 'a' has vectors of which some elements are null"):
        write(tmp_path / "a.vot", pa.table({"a": every}))
