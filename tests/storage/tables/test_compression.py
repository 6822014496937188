"""Tables in the forms of `compress` and `fpack`: read within bounds as the plain ones, or refused by name."""

import bz2
import gzip
import shutil
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.types import UNTYPED
from jpasbatch.storage.tables import compression
from jpasbatch.storage.tables.carried import describe_carried
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.tables import iterate_raw, list_tables
from tests.parameters import texts_alone

MIB = 1 << 20
CLEAR, MOST_BITS = 256, 16
pytestmark = pytest.mark.skipif(shutil.which("gzip") is None, reason="NOT TESTED: no gzip, which undoes .Z")


def words_of(content: bytes) -> Iterable[int]:
    """Yield the codes of LZW for some content: numbers of words, of which each code adds one."""
    words = {bytes([byte]): byte for byte in range(256)}
    word = b""
    for byte in content:
        longer = word + bytes([byte])
        if longer in words:
            word = longer
            continue
        yield words[word]
        if len(words) + 1 < 1 << MOST_BITS:
            words[longer] = len(words) + 1  # 256 is the word that would clear them
        word = bytes([byte])
    if word:
        yield words[word]


def compressed(codes: Iterable[int]) -> bytes:
    """Return codes as `compress` writes them: 256 of 9 bits, 512 of 10, and so on to 16 bits, from the lowest bit."""
    content, bits, place = 0, 9, 0
    left = 1 << (bits - 1)
    for code in codes:
        if not left and bits < MOST_BITS:
            bits += 1
            left = 1 << (bits - 1)
        content |= code << place
        place, left = place + bits, left - 1
    return b"\x1f\x9d\x90" + content.to_bytes(-(-place // 8), "little")


def assert_same(path: Path, plain: Path, survey) -> None:
    [wanted], [found] = iterate_raw(plain, survey), iterate_raw(path, survey)
    assert found.source == str(path)
    assert found.band_names == wanted.band_names
    assert found.units == wanted.units
    for name, values in wanted.columns.items():
        np.testing.assert_array_equal(found.columns[name], values)
    with open_complete(path, survey, 5) as table, open_complete(plain, survey, 5) as other:
        assert table.schema.equals(other.schema)
        assert list(table.pieces) == list(other.pieces)


def refuse(path: Path, survey, words: str) -> None:
    for read in (lambda: list(iterate_raw(path, survey)), lambda: open_complete(path, survey, 5).__enter__()):
        with pytest.raises(InputError, match=words) as caught:
            read()
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["sums.fits", "bare.vot"])
def test_what_compress_wrote_is_read_as_the_plain_table(name, good, tmp_path):
    plain, survey = good[name]
    path = tmp_path / f"{name}.Z"
    content = compressed(words_of(plain.read_bytes()))
    path.write_bytes(content)
    assert list_tables(tmp_path) == [path]
    assert_same(path, plain, survey)
    for damaged in (content[: len(content) // 2], content[:-40], b"\x1f\x8b" + content[2:], b"", content[:2]):
        path.write_bytes(damaged)
        refuse(path, survey, "truncated|damaged|not a readable|no element found|FITS")


def test_what_grows_beyond_the_limit_is_refused_in_little_memory(good, tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "ALWAYS_ALLOWED", 8 * MIB)
    path = tmp_path / "zeros.fits.Z"
    path.write_bytes(compressed([0, *range(257, 257 + 12_000)]))  # 72 million zeros
    assert path.stat().st_size < 24_000
    tracemalloc.start()
    try:
        refuse(path, good["sums.fits"][1], "expands beyond 8388608 bytes")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_where_no_program_undoes_it_the_file_is_named(good, tmp_path, monkeypatch):
    path = tmp_path / "table.fits.Z"
    path.write_bytes(compressed(words_of(b"SIMPLE  =")))
    monkeypatch.setenv("PATH", str(tmp_path))
    refuse(path, good["sums.fits"][1], "only the program gzip undoes this")


def test_csv_that_could_lack_rows_without_a_sign_is_refused(tmp_path):
    (tmp_path / "table.csv.Z").write_bytes(b"")
    with pytest.raises(InputError, match=r"table.csv.Z: tables of this form are not read"):
        list_tables(tmp_path)
    with pytest.raises(InputError, match="not a known kind of table"):
        list_tables(tmp_path / "table.csv.Z")


def test_what_fpack_leaves_as_a_table_is_read(good, tmp_path):
    plain, survey = good["sums.fits"]
    path = tmp_path / "tile.fits.fz"
    with fits.open(plain) as hdus:
        image = fits.CompImageHDU(np.arange(10_000, dtype=np.int32).reshape(100, 100), name="IMAGE")
        fits.HDUList([hdus[0], image, *hdus[1:]]).writeto(path, checksum=True)
    assert list_tables(tmp_path) == [path]
    assert_same(path, plain, survey)


@pytest.mark.parametrize("name", ["tile.fits.fz", "tile.fits"])
def test_a_table_that_is_compressed_in_tiles_is_refused(name, good, tmp_path):
    plain, survey = good["bare.fits"]
    path = tmp_path / name
    with fits.open(plain) as hdus:
        hdus[1].header["ZTABLE"] = True
        hdus.writeto(path)
    refuse(path, survey, r"is compressed in tiles \(ZTABLE\), which is not read; undo it by funpack")


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_types_of_csv_are_found_by_its_values_compressed_or_not(ending, good, tmp_path):
    plain, survey = good["bare.csv"]
    path = tmp_path / f"table.csv{ending}"
    header, *rows = plain.read_text().splitlines()
    text = "\n".join([f"{header},EMPTY,WHOLE", *(f"{row},,7" for row in rows)])
    path.write_bytes(gzip.compress(text.encode()) if ending else text.encode())
    empty, whole = describe_carried(path, survey, [CarriedColumn("EMPTY"), CarriedColumn("WHOLE")])
    assert empty.type == pa.null()
    assert whole.metadata[UNTYPED] == b"csv"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "t.csv.gz",
            b"TILE_ID,NUMBER\n1,2\n",
            "is not compressed by gzip, as its name says: it begins with b'TILE_ID",
        ),
        (
            "t.csv.gz",
            bz2.compress(b"TILE_ID\n"),
            "is not compressed by gzip, as its name says: it begins as bzip2",
        ),
        ("t.csv.xz", b"TILE_ID,NUMBER\n1,2\n", "is not compressed by xz"),
        ("t.csv.gz", gzip.compress(b"TILE_ID\n" * 500)[:-10], "is truncated or damaged"),
        (
            "t.csv.gz",
            gzip.compress(b"SIMPLE  =                    T"),
            "is no text.*: it begins as FITS does",
        ),
        ("t.csv", b"PAR1" + bytes(90), "is no text, as the name of CSV says: it begins as Parquet does"),
    ],
    ids=texts_alone,
)
def test_a_file_that_is_not_what_its_name_says(tmp_path, survey, name, content, told):
    (tmp_path / name).write_bytes(content)
    refuse(tmp_path / name, survey, told)
