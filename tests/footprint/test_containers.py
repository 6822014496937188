"""Lists whose content is not what their names say, compressed ones among them: each is told what it is."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from jpasbatch.errors import InputError
from jpasbatch.footprint import containers
from jpasbatch.footprint.tables import read_given
from tests.parameters import texts_alone

TEXT = b"ra,dec,radius\n214.5,52.5,0.1\n"


def fits_bytes(*tables, checksum=False) -> bytes:
    file = io.BytesIO()
    units = [fits.BinTableHDU(Table(one)) for one in tables]
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(file, checksum=checksum)
    return file.getvalue()


STARS = {"ra": [214.5, 215.0], "dec": [52.5, 52.0], "radius": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stars.csv.gz", gzip.compress(TEXT)),
        ("stars.csv.bz2", bz2.compress(TEXT)),
        ("stars.csv.xz", lzma.compress(TEXT)),
        ("stars.gz", gzip.compress(TEXT)),
        ("stars.gz", gzip.compress(fits_bytes(STARS))),
        ("stars.fits.gz", gzip.compress(fits_bytes(STARS, checksum=True))),
        ("stars.csv", b"\xef\xbb\xbf" + TEXT.replace(b"\n", b"\r\n")),
        ("stars.csv", TEXT.replace(b"\n", b"\r")),
    ],
    ids=texts_alone,
)
def test_a_list_is_read_as_it_is_packed(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    given = read_given("key", tmp_path / name)
    assert given.numbers("radius")[0] == 0.1
    assert [given.positions("ra", "dec")[0][0], given.positions("ra", "dec")[1][0]] == [214.5, 52.5]


def damaged(data: bytes) -> bytes:
    return data[:-5760] + bytes([data[-5760] ^ 1]) + data[-5759:]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("stars.csv.gz", gzip.compress(TEXT)[:-9], "its gzip compression is cut off or damaged"),
        (
            "stars.csv.gz",
            gzip.compress(TEXT)[:12] + b"\xff" * 30,
            "its gzip compression is cut off or damaged",
        ),
        ("stars.csv.gz", TEXT, "is not compressed by gzip, as its name says: it begins with b'ra,dec,radius"),
        ("stars.csv.gz", bz2.compress(TEXT), "is not compressed by gzip.*begins as bzip2 does"),
        ("stars.csv.xz", lzma.compress(TEXT)[:-4], "its xz compression is cut off or damaged"),
        ("stars.csv.gz", b"", r"is empty \(0 bytes\)"),
        ("stars.csv.gz", gzip.compress(b""), r"is empty \(0 bytes\)"),
        (
            "stars.csv.gz",
            gzip.compress(fits_bytes(STARS)),
            r"is no text, as its name \(\*.csv\) says.*as FITS",
        ),
        ("stars.fits.gz", gzip.compress(TEXT), r"is no FITS, as its name \(\*.fits\) says.*b'ra,dec"),
        ("stars.fits", TEXT, "is no FITS, as its name"),
        ("stars.csv", fits_bytes(STARS), "is no text, as its name.*begins as FITS does"),
        ("stars.csv.zip", b"PK\x03\x04" + bytes(99), "is no text, as its name.*begins as zip does"),
        ("stars.csv", TEXT.decode().encode("utf-16"), "is no text in UTF-8: .* at byte 0; save it as UTF-8"),
        ("stars.fits", fits_bytes(STARS, STARS), r"holds 2 tables \('', ''\); allowed is one"),
        ("stars.fits", fits_bytes(), r"holds 0 tables \(none\); allowed is one"),
        ("stars.fits", damaged(fits_bytes(STARS, checksum=True)), "verification failed"),
        ("stars.fits", fits_bytes(STARS)[:-2800], "cannot be read as a table .*truncated"),
    ],
    ids=texts_alone,
)
def test_a_list_that_is_not_what_its_name_says(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"^key .*{name}: .*{message}"):
        read_given("key", tmp_path / name)


def test_a_compressed_list_that_grows_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "LARGEST", 1000)
    path = tmp_path / "stars.csv.gz"
    path.write_bytes(gzip.compress(TEXT + b" " * 2000))
    with pytest.raises(InputError, match="grows beyond 1,000 bytes"):
        read_given("key", path)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("14:14:42", "allowed are numbers: sexagesimal; write degrees"),
        ("14h14m42s", "allowed are numbers: sexagesimal; write degrees"),
        ("north", "allowed are numbers$"),
    ],
)
def test_a_cell_that_is_no_number_is_named_with_its_row(tmp_path, cell, told):
    path = tmp_path / "stars.csv"
    path.write_text(f"ra,dec\n1.0,2.0\n{cell},2.0\n")
    with pytest.raises(InputError, match=rf"column 'ra', row 2: found '{cell}'; {told}"):
        read_given("key", path).positions("ra", "dec")
    assert np.array_equal(read_given("key", path).numbers("dec"), [2.0, 2.0])
