"""Tables whose form is right and whose content is not what it says; errors of parsers that name the file."""

import contextlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.storage.tables.complete.opening import open_complete
from jpasbatch.storage.tables.parquet_footer import check_footer
from jpasbatch.storage.tables.tables import iterate_raw, list_tables, write_cefca_tile
from tests.storage.tables.test_tables import nepw_lines

FLUX = "FLUX_APER_3_0"
ROWS = 6


@pytest.fixture
def tile(tmp_path, survey) -> Path:
    """Return a good tile of six rows without checksums, so that tests may change it."""
    shape = (ROWS, len(survey.bands))
    rows = {
        "tile_id": np.full(ROWS, 2406),
        "number": np.arange(ROWS),
        "ra": np.linspace(214, 215, ROWS),
        "dec": np.linspace(52, 53, ROWS),
        "flux": np.full(shape, 10, np.float32),
        "flux_err": np.ones(shape, np.float32),
        "flags": np.zeros(shape, int),
        "mask_flags": np.zeros(shape, int),
        "class_star": np.zeros(ROWS),
    }
    path = tmp_path / "tile.fits"
    write_cefca_tile(path, rows, survey)
    with fits.open(path) as hdus:
        fits.HDUList([hdus[0], *(fits.BinTableHDU(hdu.data, name=hdu.name) for hdu in hdus[1:])]).writeto(
            path.with_name("plain.fits")
        )
    path.unlink()
    return path.with_name("plain.fits")


def change(path: Path, table: str, name: str, column: fits.Column) -> None:
    """Put another column in the place of one of a table."""
    with fits.open(path, memmap=False) as hdus:
        columns = [column if one.name == name else one for one in hdus[table].columns]
        hdus[table] = fits.BinTableHDU.from_columns(columns, name=table)
        hdus.writeto(path, overwrite=True)


# FITS: what stands for nothing


def test_a_null_of_a_scaled_column_is_none(tile, survey):
    stored = np.full((ROWS, 60), 10, np.int16)
    stored[2, 4] = -32768
    change(tile, "FLAMBDADUALOBJ", FLUX, fits.Column(FLUX, "60I", unit="1e-19 erg/s/cm2/A", array=stored))
    with fits.open(tile, mode="update", memmap=False) as hdus:
        header = hdus["FLAMBDADUALOBJ"].header
        number = next(key[5:] for key, value in header.items() if value == FLUX)
        header[f"TNULL{number}"], header[f"TSCAL{number}"] = -32768, 0.00860595703125
    [raw] = iterate_raw(tile, survey)
    assert np.argwhere(np.ma.getmaskarray(raw.columns[FLUX])).tolist() == [[2, 4]]
    assert raw.columns[FLUX][0, 0] == pytest.approx(0.0860595703125)


@pytest.mark.parametrize("null", [99999, -99999])
def test_a_null_outside_its_type_hides_nothing(null, tile, survey):
    with fits.open(tile, mode="update", memmap=False) as hdus:
        header = hdus["FLAMBDADUALOBJ"].header
        number = next(key[5:] for key, value in header.items() if value == "FLAGS")
        header[f"TNULL{number}"] = null
    [raw] = iterate_raw(tile, survey)
    assert not np.ma.getmaskarray(raw.columns["FLAGS"]).any()


# filter tables


@pytest.mark.parametrize("identifier", [1.5, np.nan, np.inf])
def test_a_filter_id_that_is_no_whole_number_is_refused(identifier, tile, survey):
    identifiers = np.arange(1, 61, dtype=np.float64)
    identifiers[3] = identifier
    change(tile, "FILTER", "FILTER_ID", fits.Column("FILTER_ID", "D", array=identifiers))
    with pytest.raises(InputError, match="FILTER_ID must hold whole numbers"):
        list(iterate_raw(tile, survey))


def test_a_filter_id_that_is_null_is_refused(tile, survey):
    identifiers = np.arange(1, 61, dtype=np.int16)
    identifiers[3] = -1
    change(tile, "FILTER", "FILTER_ID", fits.Column("FILTER_ID", "I", null=-1, array=identifiers))
    with pytest.raises(InputError, match="FILTER_ID must hold whole numbers"):
        list(iterate_raw(tile, survey))


def test_names_of_filters_that_contradict_their_wavelengths_are_refused(tile, survey):
    names = np.array(survey.band_names)
    names[[3, 4]] = names[[4, 3]]
    change(tile, "FILTER", "NAME", fits.Column("NAME", "8A", array=names))
    with pytest.raises(InputError, match=r"plain.fits: its filter table gives band J04.0 the wavelength"):
        list(iterate_raw(tile, survey))


@pytest.mark.parametrize("factor", [1.0, 0.1, 1e-4, 1e-10])
def test_wavelengths_may_be_in_any_unit(factor, tile, survey):
    change(tile, "FILTER", "WAVELENGTH", fits.Column("WAVELENGTH", "D", array=survey.wavelengths * factor))
    [raw] = iterate_raw(tile, survey)
    assert raw.band_names == survey.band_names


def test_a_filter_table_of_csv_is_held_to_the_same(tmp_path, tile, survey):
    listed = tmp_path / "filters.csv"
    wavelengths = survey.wavelengths.copy()
    wavelengths[[10, 11]] = wavelengths[[11, 10]]
    rows = [f"{number + 1},{name},{wavelengths[number]}" for number, name in enumerate(survey.band_names)]
    listed.write_text("filter_id,name,wavelength\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"filters.csv: its filter table gives band"):
        list(iterate_raw(tile, survey, filter_table=listed))


# Parquet


def parquet(path: Path, table: pa.Table, **metadata: object) -> Path:
    content = {key: json.dumps(value) for key, value in metadata.items()}
    pq.write_table(table.replace_schema_metadata(content), path)
    return path


@pytest.mark.parametrize(
    ("table", "metadata", "words"),
    [
        (pa.table([[1], [2]], names=["FLAGS", "FLAGS"]), {}, "'FLAGS' names more than one"),
        (pa.table({"FLAGS": [[[1]], [[2]]]}), {}, "holds lists of list"),
        (pa.table({"FLAGS": [[{"a": 1}]]}), {}, "holds lists of struct"),
        (
            pa.table({"FLAGS": [1]}),
            {"FILTER": {"FILTER_ID": [1, 2], "NAME": ["a"]}},
            "2 values of FILTER_ID and 1",
        ),
        (
            pa.table({"FLAGS": [1]}),
            {"FILTER": {"FILTER_ID": [[1]], "NAME": ["a"]}},
            "must hold whole numbers",
        ),
        (
            pa.table({"FLAGS": [1]}),
            {"FILTER": {"FILTER_ID": [True], "NAME": ["a"]}},
            "must hold whole numbers",
        ),
        (
            pa.table({"FLAGS": [1]}),
            {"FILTER": {"FILTER_ID": [1.2], "NAME": ["a"]}},
            "must hold whole numbers",
        ),
        (pa.table({"FLAGS": [1]}), {"FILTER": [1]}, "metadata FILTER must be JSON"),
    ],
)
def test_parquet_that_is_no_table_of_numbers_is_refused(table, metadata, words, tmp_path, survey):
    path = parquet(tmp_path / "table.parquet", table, **metadata)
    with pytest.raises(InputError, match=words) as found:
        list(iterate_raw(path, survey))
    assert str(path) in str(found.value)


def test_a_unit_that_is_no_text_is_an_unknown_unit(tmp_path, survey):
    field = pa.field(FLUX, pa.list_(pa.float32(), 1), metadata={b"unit": b"\xff\xfe"})
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table([pa.array([[1.0]], field.type)], schema=pa.schema([field])), path)
    with pytest.raises(InputError, match=r"table.parquet"):
        list(iterate_raw(path, survey))


# CSV


@pytest.mark.parametrize(
    "head",
    [
        "x" * 200_000 + ",b",
        '"a\nb",c',
        '"a',
        "",
        "\x00\x00",
        "a,a",
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_a_header_that_is_none_is_refused_by_name(head, tmp_path):
    survey, path = load_survey("nepw14"), tmp_path / "table.csv"
    path.write_bytes((head if isinstance(head, bytes) else head.encode()) + b"\n1,2\n")
    with pytest.raises(InputError, match=r"table.csv"):
        normalise(next(iterate_raw(path, survey)), survey, QualityCuts())


def test_lines_of_different_length_are_refused_by_name(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join([*nepw_lines(), "1,2"]))
    with pytest.raises(InputError, match=r"table.csv: is not a valid table"):
        list(iterate_raw(path, load_survey("nepw14")))


# what the system says of a file


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_refused_by_name(tile, survey):
    tile.chmod(0)
    with pytest.raises(InputError, match=r"plain.fits: .*[Pp]ermission denied"):
        list(iterate_raw(tile, survey))


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError("Header missing END card")]
)
@pytest.mark.parametrize("opener", [iterate_raw, open_complete])
def test_errors_of_reading_name_the_file(error, opener, tile, survey, monkeypatch):
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("jpasbatch.storage.tables.fits.check_headers", refuse)
    with pytest.raises(InputError, match=r"plain.fits"):
        list(iterate_raw(tile, survey)) if opener is iterate_raw else opener(tile, survey, 10).__enter__()


def test_a_system_that_is_short_of_something_does_not_blame_the_file(tile, survey, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("jpasbatch.storage.tables.fits.check_headers", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        list(iterate_raw(tile, survey))


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are text there")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    with open(os.fsencode(tmp_path) + b"/tile\xff.fits", "wb"):  # noqa: PTH123
        pass
    with pytest.raises(InputError, match="its name is not text in UTF-8") as found:
        list_tables(tmp_path)
    str(found.value).encode("utf-8")


def with_path(path: Path, target: Path, elsewhere: bytes) -> Path:
    """Write a Parquet file again whose first column chunk is said to lie in another file."""
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8]
    # a chunk without a path begins with field 2, the offset (I64); before it goes field 1, a text, and 2 is 1 away then
    place = footer.index(b"\x26", footer.index(b"\x19\x1c"))
    changed = footer[:place] + b"\x18" + bytes([len(elsewhere)]) + elsewhere + b"\x16" + footer[place + 1 :]
    target.write_bytes(content[: -8 - length] + changed + len(changed).to_bytes(4, "little") + b"PAR1")
    return target


def test_columns_in_another_file_are_refused(tmp_path, survey):
    path = parquet(tmp_path / "table.parquet", pa.table({"FLAGS": [1, 2], "NUMBER": [3, 4]}))
    check_footer(path)
    changed = with_path(path, tmp_path / "elsewhere.parquet", b"/etc/passwd")
    assert pq.read_metadata(changed).row_group(0).column(0).file_path == "/etc/passwd"
    for reading in (
        lambda: list(iterate_raw(changed, survey)),
        lambda: open_complete(changed, survey, 5).__enter__(),
    ):
        with pytest.raises(InputError, match=r"elsewhere.parquet: refers to '/etc/passwd'"):
            reading()


def test_a_footer_that_is_damaged_anywhere_ends_no_process(tmp_path):
    table = pa.table({"FLAGS": [[1.0, 2.0], [3.0]], "NAME": ["a", None], "DEEP": [{"a": {"b": True}}, None]})
    path = parquet(tmp_path / "table.parquet", table)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    for place in range(len(content) - 8 - length, len(content), 5):
        for value in (0x00, 0xFF, content[place] ^ 0x10):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            with contextlib.suppress(InputError):
                check_footer(path)


def whole_rows(path: Path, survey) -> list[pa.Table]:
    """Return all rows with all columns."""
    with open_complete(path, survey, 5) as table:
        return list(table.pieces)


def parquet_of(good, path: Path) -> Path:
    """Write the good table again, without dictionaries, so that the first page of each column holds its values."""
    pq.write_table(
        pq.read_table(good["sums.parquet"][0]), path, use_dictionary=False, write_page_checksum=True
    )
    return path


@pytest.mark.parametrize("column", [0, 3])
def test_a_page_of_unknown_type_takes_no_rows_away(column, good, tmp_path):
    path = parquet_of(good, tmp_path / "table.parquet")
    content = bytearray(path.read_bytes())
    place = pq.read_metadata(path).row_group(0).column(column).data_page_offset + 1
    assert content[place] == 0  # the type of a page of data, which no checksum covers
    content[place] = 0x6B
    path.write_bytes(bytes(content))
    for read in (iterate_raw, whole_rows):
        with pytest.raises(InputError, match=r"table.parquet: .*damaged"):
            list(read(path, good["sums.parquet"][1]))


def test_a_footer_that_names_a_column_in_two_ways_is_refused(good, tmp_path):
    path = parquet_of(good, tmp_path / "table.parquet")
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    place = content.index(b"CLASS_STAR", footer)  # the schema comes first
    path.write_bytes(content[:place] + b"CLASS_HTAR" + content[place + 10 :])
    for read in (iterate_raw, whole_rows):
        with pytest.raises(InputError, match="names the columns twice, and differently"):
            list(read(path, good["sums.parquet"][1]))


def test_a_footer_that_tells_the_order_of_bands_in_two_ways_is_refused(good, tmp_path):
    path = parquet_of(good, tmp_path / "table.parquet")
    content = path.read_bytes()
    assert content.count(b"53, 54, 55") == 1  # the other copy is within base64
    path.write_bytes(content.replace(b"53, 54, 55", b"53, 94, 55"))
    for read in (iterate_raw, whole_rows):
        with pytest.raises(InputError, match="tells the order of bands twice, and differently"):
            list(read(path, good["sums.parquet"][1]))
