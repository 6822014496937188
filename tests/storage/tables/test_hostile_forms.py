"""Tables that lead elsewhere, stop in the middle, go round in circles, or come in other forms."""

import bz2
import gzip
import http.server
import lzma
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import load_survey
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.tables import iterate_raw, list_tables
from tests.storage.tables.test_tables import nepw_lines

VOTABLE = """<?xml version="1.0" encoding="utf-8"?>{doctype}
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">{info}
<TABLE name="objects"{nrows}><FIELD name="a" datatype="int"/><LINK href="https://example.org/about"/>
<DATA>{data}</DATA></TABLE>{after}</RESOURCE></VOTABLE>
"""
OUTER = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hosts">]>'
INCLUDED = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/hosts"/>'
CELLS = "<TABLEDATA><TR><TD>1</TD></TR><TR><TD>2</TD></TR></TABLEDATA>"


@pytest.fixture
def survey14():
    return load_survey("nepw14")


def document(path: Path, **parts: str) -> Path:
    content = {"doctype": "", "info": "", "nrows": "", "data": CELLS, "after": ""} | parts
    path.write_text(VOTABLE.format(**content), encoding="utf-8")
    return path


def both_readers_refuse(path: Path, survey, words: str) -> None:
    with pytest.raises(InputError, match=words) as found:
        list(iterate_raw(path, survey))
    assert str(path) in str(found.value)
    with pytest.raises(InputError, match=words), open_complete(path, survey, 10):
        pass


# VOTable


@pytest.fixture
def fetched():
    """Give the address of a server on this machine, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize("kind", ["BINARY", "BINARY2", "FITS"])
def test_a_stream_from_elsewhere_is_refused_and_never_fetched(kind, tmp_path, survey14, fetched):
    address, asked = fetched
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x00\x00\x00\x01")
    for href in (f"{address}/rows", secret.as_uri()):
        data = f'<{kind}><STREAM href="{href}"/></{kind}>'
        path = document(tmp_path / "table.vot", data=data)
        both_readers_refuse(path, survey14, "STREAM refers to")
    assert asked == []


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"doctype": OUTER, "info": "<INFO name='a' value='b'>&e;</INFO>"}, "declares entities"),
        ({"doctype": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>'}, "declares entities"),
        ({"info": INCLUDED}, "refers to 'file:///etc/hosts'"),
        ({"info": '<INFO name="QUERY_STATUS" value="ERROR">no column</INFO>'}, "service failed: 'no column'"),
        ({"after": '<INFO name="QUERY_STATUS" value="OVERFLOW"/>'}, "rows were cut off"),
        ({"after": '<INFO name="query_status" value="overflow"/>'}, "OVERFLOW"),
        ({"nrows": ' nrows="60"'}, "says that it has 60 rows .* holds 2"),
        ({"nrows": ' nrows="1"'}, "says that it has 1 rows .* holds 2"),
    ],
)
def test_documents_that_are_not_the_whole_table_are_refused(parts, words, tmp_path, survey14):
    both_readers_refuse(document(tmp_path / "table.vot", **parts), survey14, words)


def test_a_whole_answer_is_read(tmp_path, survey14):
    path = document(tmp_path / "table.vot", info='<INFO name="QUERY_STATUS" value="OK"/>', nrows=' nrows="2"')
    with open_complete(path, survey14, 10) as table:
        assert table.rows == 2


# compressed, and other names


def test_compressed_tables_are_read_as_the_plain_ones(tmp_path, survey14):
    lines = "\n".join(nepw_lines())
    plain = tmp_path / "table.csv"
    plain.write_text(lines)
    [wanted] = iterate_raw(plain, survey14)
    for ending, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        path = tmp_path / f"packed.csv{ending}"
        path.write_bytes(pack(lines.encode()))
        [found] = iterate_raw(path, survey14)
        assert found.source == str(path)
        for name, values in wanted.columns.items():
            np.testing.assert_array_equal(found.columns[name], values)
        with open_complete(path, survey14, 10) as table:
            assert table.rows == 5
        path.write_bytes(pack(lines.encode())[:-20])
        both_readers_refuse(path, survey14, "truncated or damaged")


@pytest.mark.parametrize("name", ["a.fz", "b.csv.Z", "c.tsv", "d.ecsv", "e.hdf5", "f.tar", "g.tbl.gz"])
def test_a_table_that_cannot_be_read_beside_good_ones_is_named(name, tmp_path):
    (tmp_path / "good.csv").write_text("x\n1\n")
    (tmp_path / "README.md").write_text("what this is")
    assert list_tables(tmp_path) == [(tmp_path / "good.csv").resolve()]
    (tmp_path / name).write_bytes(b"rows")
    with pytest.raises(InputError, match=f"{name}: tables of this form are not read"):
        list_tables(tmp_path)


def test_what_is_not_known_is_told_of(tmp_path, caplog):
    (tmp_path / "good.pq").write_text("")
    (tmp_path / "core.1234").write_bytes(b"")
    assert [path.name for path in list_tables(tmp_path)] == ["good.pq"]
    assert "core.1234: is no table that is known by its name, and is left out" in caplog.text


# what is no file, and headers that lead nowhere


def test_a_pipe_is_refused_and_not_waited_for(tmp_path, survey14):
    pipe = tmp_path / "table.fits"
    os.mkfifo(pipe)
    for read in (
        lambda: list(iterate_raw(pipe, survey14)),
        lambda: list_tables(pipe),
        lambda: list_tables(tmp_path),
    ):
        with pytest.raises(InputError, match="no regular file"):
            read()


def header_of(path: Path, keyword: str, value: str, hdu: int = 1) -> None:
    """Write another value into a card of a table's header."""
    content = bytearray(path.read_bytes())
    start = content.index(b"XTENSION") if hdu else 0
    place = content.index(f"{keyword:<8}=".encode(), start)
    content[place : place + 80] = f"{keyword:<8}= {value:>20}".encode().ljust(80)
    path.write_bytes(bytes(content))


@pytest.fixture
def table(tmp_path) -> Path:
    columns = [fits.Column("RA", "D", array=np.zeros(9)), fits.Column("DEC", "D", array=np.zeros(9))]
    path = tmp_path / "table.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("NAXIS2", "-5", "NAXIS2 of HDU 1 is '-5'"),
        ("NAXIS1", "-16", "NAXIS1 of HDU 1 is '-16'"),
        ("NAXIS2", "9.5", "NAXIS2 of HDU 1 is '9.5'"),
        ("NAXIS2", "", "NAXIS2 of HDU 1 is ''"),
        ("NAXIS", "-1", "NAXIS of HDU 1 is '-1'"),
        ("NAXIS", "99999", "NAXIS of HDU 1"),
        ("PCOUNT", "-2880", "PCOUNT of HDU 1 is '-2880'"),
        ("GCOUNT", "-1", "GCOUNT of HDU 1 is '-1'"),
        ("BITPIX", "7", "BITPIX of HDU 1 is '7'"),
        ("TFIELDS", "1000", "TFIELDS of HDU 1 is '1000'"),
    ],
)
def test_headers_that_lead_nowhere_are_refused_at_once(keyword, value, words, table, survey14):
    header_of(table, keyword, value)
    both_readers_refuse(table, survey14, words)


@pytest.mark.parametrize("content", [b"", b"no FITS at all", b"SIMPLE  =" + b" " * 4000])
def test_bytes_that_are_no_fits_are_refused(content, tmp_path, survey14):
    path = tmp_path / "table.fits"
    path.write_bytes(content)
    both_readers_refuse(path, survey14, "FITS|has no end|no table of objects|truncated")


# CSV as others write it


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("comment", ["", "#SELECT something FROM somewhere\n", "# made by hand\n# twice\n"])
def test_csv_with_other_separators_is_the_same_table(delimiter, comment, tmp_path, survey14):
    lines = nepw_lines()
    plain, path = tmp_path / "plain.csv", tmp_path / "other.csv"
    plain.write_text("\n".join(lines))
    path.write_text(comment + "\n".join(line.replace(",", delimiter) for line in lines))
    [wanted], [found] = iterate_raw(plain, survey14), iterate_raw(path, survey14)
    assert list(found.columns) == list(wanted.columns)
    for name, values in wanted.columns.items():
        np.testing.assert_array_equal(found.columns[name], values)
    with open_complete(path, survey14, 10) as table:
        assert table.rows == 5


@pytest.mark.parametrize("ending", ["\r", "\r\n"])
def test_lines_may_end_as_they_do_elsewhere(ending, tmp_path, survey14):
    rows = "AKR_ID,RA,DEC\n1,269.5,66.5\n2,269.6,66.6\n"
    path = tmp_path / "a.csv"
    path.write_bytes(rows.replace("\n", ending).encode())
    found = [row for raw in iterate_raw(path, survey14) for row in raw.columns["RA"].tolist()]
    assert found == [269.5, 269.6]


def test_a_header_behind_a_hash_is_a_header(tmp_path, survey14):
    header, *rows = nepw_lines()
    path = tmp_path / "table.csv"
    path.write_text("# a survey\n# " + header + "\n" + "\n".join(rows))
    [found] = iterate_raw(path, survey14)
    assert len(found.columns["RA"]) == 5
    assert (
        found.columns["AKR_ID"].tolist() == [str(68180 + n) for n in range(5)]
        or found.columns["AKR_ID"][0] == 68180
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no header line"),
        ("\n\n", "no header line"),
        ("# only a remark\n", "no header line"),
        ('"RA,DEC\n1,2\n', "cannot be read"),
        ('"RA\nx",DEC\n1,2\n', "cannot be read"),
        ("RA,RA\n1,2\n", "names a column twice"),
        ("x" * 200_000 + ",RA\n1,2\n", "cannot be read|larger"),
        ("x" * (1 << 20) + ",RA\n1,2\n", "more than 1048576 letters"),
        ("RA,DEC\n1,2,3\n", "not a valid table|no such|lacks|column"),
    ],
)
def test_csv_that_is_none_is_refused_by_name(content, words, tmp_path, survey14):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as found:
        list(iterate_raw(path, survey14))
    assert "table.csv" in str(found.value)
    with pytest.raises(InputError, match=words):
        read_whole(path, survey14)


def read_whole(path: Path, survey) -> None:
    with open_complete(path, survey, 10) as table:
        list(table.pieces)
