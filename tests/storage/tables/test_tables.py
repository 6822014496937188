"""Published tables in every format, whole and damaged."""

import gzip
import json
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import matrix_of, photometry_from_table
from jpasbatch.storage.tables.tables import iterate_raw, list_tables, write_cefca_tile

ROWS = 50


@pytest.fixture
def rows(survey) -> dict[str, np.ndarray]:
    """Return a tile with every kind of missing and undetected band."""
    rng = np.random.default_rng(3)
    flux = rng.lognormal(2, 1, (ROWS, 60)).astype(np.float32)
    flux_err = rng.uniform(0.1, 1, (ROWS, 60)).astype(np.float32)
    flux[0, 1] = flux_err[0, 1] = np.nan  # not observed
    flux[1, 1], flux_err[1, 1] = 0.0, np.nan  # catalogued non-detection
    flux[2, 1] = -4.0  # measured, not detected
    flux[3, 1] = 0.0  # exactly zero, with an error
    flux[4, 1] = 1e-12
    flux[5, 1] = -1e-12
    return {
        "tile_id": np.full(ROWS, 2406),
        "number": np.arange(1, ROWS + 1),
        "ra": rng.uniform(214, 215, ROWS),
        "dec": rng.uniform(52, 53, ROWS),
        "flux": flux,
        "flux_err": flux_err,
        "flags": np.zeros((ROWS, 60), int),
        "mask_flags": np.zeros(ROWS, int),
        "class_star": np.linspace(0, 1, ROWS),
        "true_class": np.array(["star", None] * (ROWS // 2), object),
        "true_redshift": np.full(ROWS, 2.3),
    }


@pytest.fixture
def tile(tmp_path, rows, survey):
    path = tmp_path / "tile.fits"
    write_cefca_tile(path, rows, survey)
    return path


def ingest(path, survey, chunk_rows=100_000, **options):
    parts = [
        normalise(raw, survey, QualityCuts()) for raw in iterate_raw(path, survey, chunk_rows, **options)
    ]
    assert sum(part.rejected.num_rows for part in parts) == 0
    return pa.concat_tables([part.accepted for part in parts])


def assert_same(found, expected):
    """Compare two canonical tables, NaN equal to NaN."""
    assert found.schema.equals(expected.schema, check_metadata=True)
    for name in expected.column_names:
        if name in ("flux", "flux_err"):
            width = expected.schema.field(name).type.list_size
            arrays = [matrix_of(table, name, width) for table in (found, expected)]
        else:
            arrays = [table.column(name).to_pylist() for table in (found, expected)]
        np.testing.assert_array_equal(*arrays, err_msg=name)


def refused(path, survey, message, **options):
    with pytest.raises(InputError) as caught:
        list(iterate_raw(path, survey, **options))
    assert message in str(caught.value)
    assert path.name in str(caught.value)


# the tiles that are written


def test_a_tile_round_trips(tile, rows, survey):
    table = ingest(tile, survey)
    photometry = photometry_from_table(table, survey)
    ordinary = np.ones((ROWS, 60), bool)
    ordinary[3:6, 1] = False
    np.testing.assert_allclose(photometry.flux[ordinary], rows["flux"][ordinary], rtol=1e-6)
    np.testing.assert_allclose(photometry.flux_err[ordinary], rows["flux_err"][ordinary], rtol=1e-6)
    assert table.column("object_id")[0].as_py() == "2406-1"
    np.testing.assert_array_equal(table.column("ra").to_numpy(), rows["ra"])
    assert table.column("true_class").to_pylist() == rows["true_class"].tolist()
    assert table.column("true_redshift")[0].as_py() == pytest.approx(2.3)


def test_fluxes_next_to_zero_keep_error_and_side(tile, rows, survey):
    photometry = photometry_from_table(ingest(tile, survey), survey)
    np.testing.assert_allclose(photometry.flux_err[3:6, 1], rows["flux_err"][3:6, 1], rtol=1e-6)
    assert (np.abs(photometry.flux[3:6, 1]) < 2e-6).all()
    assert photometry.detected[3:6, 1].tolist() == [False, True, False]


def test_the_same_rows_give_the_same_bytes(tile, rows, survey, tmp_path):
    write_cefca_tile(tmp_path / "again.fits", rows, survey)
    assert tile.read_bytes() == (tmp_path / "again.fits").read_bytes()


def test_checksums_hold_for_astropy(tile):
    from astropy.io import fits

    with fits.open(tile, checksum=True) as hdus:  # a warning would be an error here
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "FLAMBDADUALOBJ", "FILTER"]
        assert all(hdu.verify_checksum() == 1 and hdu.verify_datasum() == 1 for hdu in hdus)
        assert hdus[2].data["NAME"][58] == "rSDSS"
        assert (hdus[1].data["FLUX_RELERR_APER_3_0"][2] > 0).all()


def test_a_tile_without_rows(tmp_path, rows, survey):
    path = tmp_path / "empty.fits"
    write_cefca_tile(path, {name: values[:0] for name, values in rows.items()}, survey)
    assert ingest(path, survey).num_rows == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": np.ones((ROWS, 3))}, "flux and flux_err must have the shape"),
        ({"flags": np.zeros((ROWS, 3), int)}, "flags must have the shape"),
        ({"number": np.full(ROWS, 2**40)}, "number must fit into 32 bits"),
    ],
)
def test_wrong_rows_are_not_written(tmp_path, rows, survey, change, message):
    with pytest.raises(ValueError, match=message):
        write_cefca_tile(tmp_path / "wrong.fits", rows | change, survey)
    assert not (tmp_path / "wrong.fits").exists()


def test_only_surveys_of_that_form_are_written(tmp_path, rows):
    with pytest.raises(ValueError, match="nepw14"):
        write_cefca_tile(tmp_path / "wrong.fits", rows, load_survey("nepw14"))


# reading FITS


def test_chunks_are_consecutive(tile, survey):
    raws = list(iterate_raw(tile, survey, chunk_rows=20))
    assert [(raw.first_row, len(raw)) for raw in raws] == [(0, 20), (20, 20), (40, 10)]
    assert_same(ingest(tile, survey, 20), ingest(tile, survey))


def test_gzip_is_read_alike(tile, survey):
    packed = tile.with_name("tile.fits.gz")
    packed.write_bytes(gzip.compress(tile.read_bytes()))
    assert_same(ingest(packed, survey), ingest(tile, survey))


def test_a_gzip_bomb_is_refused(tmp_path, survey, monkeypatch):
    monkeypatch.setattr("jpasbatch.storage.tables.compression.ALWAYS_ALLOWED", 1 << 20)
    bomb = tmp_path / "bomb.fits.gz"
    bomb.write_bytes(gzip.compress(bytes(8 << 20)))
    refused(bomb, survey, "expands beyond")


@pytest.mark.parametrize("keep", [0, 100, 2880, 5000, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tile, survey, keep):
    content = tile.read_bytes()
    length = int(keep * len(content)) if isinstance(keep, float) else keep
    tile.write_bytes(content[:length])
    refused(tile, survey, "tile.fits")


def test_a_truncated_gzip_is_refused(tile, survey):
    packed = tile.with_name("tile.fits.gz")
    packed.write_bytes(gzip.compress(tile.read_bytes())[:-2000])
    refused(packed, survey, "truncated or damaged")


@pytest.mark.parametrize("place", np.linspace(0.01, 0.99, 25))
def test_a_flipped_byte_is_refused(tile, survey, place):
    content = bytearray(tile.read_bytes())
    content[int(place * len(content))] ^= 0x10
    tile.write_bytes(bytes(content))
    refused(tile, survey, "tile.fits")


def test_text_is_no_fits(tmp_path, survey):
    path = tmp_path / "notes.fits"
    path.write_text("not a FITS file")
    refused(path, survey, "is not a readable FITS file")


def rewrite(path, change):
    """Write a tile anew without checksums, after a change of its HDUs."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        copied = fits.HDUList([hdu.copy() for hdu in hdus])
    copied = change(copied) or copied
    for hdu in copied:
        for key in ("CHECKSUM", "DATASUM"):
            hdu.header.remove(key, ignore_missing=True)
    copied.writeto(path, overwrite=True)


def test_without_filter_extension_the_order_is_unknown(tile, survey):
    rewrite(tile, lambda hdus: hdus[:2])
    refused(tile, survey, "the order of bands in its vectors is unknown")


def test_a_filter_table_beside_the_file_serves(tile, survey, tmp_path):
    expected = ingest(tile, survey)
    rewrite(tile, lambda hdus: hdus[:2])
    filters = tmp_path / "filters.csv"
    lines = [f'{number},"{name}",1' for number, name in enumerate(survey.band_names, start=1)]
    filters.write_text(
        "\n".join(["#SELECT * FROM minijpas.Filter", '"FILTER_ID","name","width"', *lines[::-1]])
    )
    assert_same(ingest(tile, survey, filter_table=filters), expected)
    filters.write_text("FILTER_ID,wavelength\n1,3497")
    with pytest.raises(InputError, match="must have the columns FILTER_ID and NAME"):
        ingest(tile, survey, filter_table=filters)


def test_the_published_filter_table_is_read(tile, survey, data_folder):
    published = data_folder / "minijpas_tables" / "minijpas.Filter.csv"
    assert ingest(tile, survey, filter_table=published).num_rows == ROWS


def test_two_filter_tables_must_agree(tile, survey, tmp_path):
    filters = tmp_path / "filters.csv"
    lines = [f"{number},{name}" for number, name in enumerate(survey.band_names[::-1], start=1)]
    filters.write_text("\n".join(["FILTER_ID,name", *lines]))
    refused(tile, survey, "differ", filter_table=filters)


def test_another_order_of_bands_is_resolved_by_filter_id(tile, survey):
    expected = photometry_from_table(ingest(tile, survey), survey).flux

    def reverse(hdus):
        hdus[2].data["FILTER_ID"] = hdus[2].data["FILTER_ID"][::-1].copy()
        for name in ("FLUX_APER_3_0", "FLUX_RELERR_APER_3_0"):
            hdus[1].data[name] = hdus[1].data[name][:, ::-1].copy()

    rewrite(tile, reverse)
    np.testing.assert_allclose(photometry_from_table(ingest(tile, survey), survey).flux, expected, rtol=1e-6)


def test_a_fits_integer_that_is_null_is_masked(tile, survey):
    def hide(hdus):
        hdus[1].data["NUMBER"][4] = -1
        hdus[1].columns["NUMBER"].null = -1

    rewrite(tile, hide)
    (raw,) = iterate_raw(tile, survey)
    assert np.ma.getmaskarray(raw.columns["NUMBER"]).nonzero()[0].tolist() == [4]
    assert normalise(raw, survey, QualityCuts()).reasons() == {"id missing": 1}


def test_a_missing_unit_is_refused(tile, survey):
    def forget(hdus):
        del hdus[1].header["TUNIT5"]
        hdus[1].columns["FLUX_APER_3_0"].unit = None

    rewrite(tile, forget)
    with pytest.raises(InputError, match="states no unit"):
        ingest(tile, survey)


def test_names_in_lower_case_with_a_prefix(tile, survey):
    expected = ingest(tile, survey)

    def rename(hdus):
        for name in list(hdus[1].columns.names):
            hdus[1].columns.change_name(name, f"minijpas.{name.lower()}")

    rewrite(tile, rename)
    assert_same(ingest(tile, survey), expected)


# other formats


def raw_arrays(tile, survey):
    (raw,) = iterate_raw(tile, survey)
    return {
        name: values.astype(values.dtype.newbyteorder("=")) for name, values in raw.columns.items()
    }, raw.units


def write_parquet(path, columns, units, survey, with_filter=True, fixed=True):
    fields, arrays = [], []
    for name, values in columns.items():
        if values.ndim == 2:
            flat = pa.array(values.ravel())
            array = (
                pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
                if fixed
                else pa.ListArray.from_arrays(
                    np.arange(0, values.size + 1, values.shape[1], dtype=np.int32), flat
                )
            )
        else:
            array = pa.array(values)
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata={"unit": units.get(name, "")}))
    filters = {"FILTER_ID": list(range(1, 61)), "NAME": list(survey.band_names)}
    metadata = {"FILTER": json.dumps(filters)} if with_filter else None
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    pq.write_table(table, path, write_page_checksum=True, compression="zstd")


@pytest.mark.parametrize("fixed", [True, False])
def test_parquet_is_read_alike(tile, survey, fixed):
    expected = ingest(tile, survey)
    path = tile.with_suffix(".parquet")
    write_parquet(path, *raw_arrays(tile, survey), survey, fixed=fixed)
    assert_same(ingest(path, survey), expected)
    assert_same(ingest(path, survey, chunk_rows=7), expected)


def test_parquet_without_filter_metadata_is_refused(tile, survey):
    path = tile.with_suffix(".parquet")
    write_parquet(path, *raw_arrays(tile, survey), survey, with_filter=False)
    refused(path, survey, "the order of bands")


def test_parquet_without_rows(tile, survey):
    path = tile.with_suffix(".parquet")
    columns, units = raw_arrays(tile, survey)
    write_parquet(path, {name: values[:0] for name, values in columns.items()}, units, survey)
    assert ingest(path, survey).num_rows == 0


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_truncated_parquet_is_refused(tile, survey, keep):
    path = tile.with_suffix(".parquet")
    write_parquet(path, *raw_arrays(tile, survey), survey)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    refused(path, survey, "truncated or damaged")


@pytest.mark.parametrize("place", np.linspace(0.05, 0.7, 12))
def test_a_flipped_byte_in_parquet_data_is_refused(tile, survey, place):
    path = tile.with_suffix(".parquet")
    write_parquet(path, *raw_arrays(tile, survey), survey)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(bytes(content))
    refused(path, survey, "truncated or damaged")


def test_a_row_group_that_claims_too_much_is_refused(tile, survey, monkeypatch):
    path = tile.with_suffix(".parquet")
    write_parquet(path, *raw_arrays(tile, survey), survey)
    monkeypatch.setattr("jpasbatch.storage.tables.parquet.LARGEST_ROW", 100)
    refused(path, survey, "row group 0 claims")


def write_votable(path, tile, with_filter=True):
    from astropy.io import votable
    from astropy.table import Table

    objects = Table.read(tile, hdu=1, unit_parse_strict="silent")
    objects["FLUX_APER_3_0"].unit = "1e-19 erg s-1 cm-2 Angstrom-1"
    objects.rename_columns(objects.colnames, [name.lower() for name in objects.colnames])
    objects.meta.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = votable.from_table(objects)
    if with_filter:
        filters = Table.read(tile, hdu=2)["FILTER_ID", "NAME"]
        filters.meta.clear()
        extra = votable.from_table(filters).get_first_table()
        extra.name = "minijpas.Filter"
        document.resources[0].tables.append(extra)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # erg is "deprecated", and usual
        document.to_xml(str(path))


@pytest.mark.parametrize("extension", [".vot", ".xml"])
def test_votable_is_read_alike(tile, survey, extension):
    path = tile.with_suffix(extension)
    write_votable(path, tile)
    table, expected = ingest(path, survey), ingest(tile, survey)
    assert table.column("object_id").equals(expected.column("object_id"))
    assert table.column("true_class").equals(expected.column("true_class"))
    for name in ("flux", "flux_err"):
        found = getattr(photometry_from_table(table, survey), name)
        wanted = getattr(photometry_from_table(expected, survey), name)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert_same(ingest(path, survey, 7), table)


def test_votable_without_filters_is_refused(tile, survey):
    path = tile.with_suffix(".vot")
    write_votable(path, tile, with_filter=False)
    refused(path, survey, "the order of bands")


def test_a_truncated_votable_is_refused(tile, survey):
    path = tile.with_suffix(".vot")
    write_votable(path, tile)
    path.write_bytes(path.read_bytes()[:-3000])
    refused(path, survey, "truncated")


# CSV and a second survey


def nepw_lines(rows=5):
    survey = load_survey("nepw14")
    header = ["RA", "DEC", "AKR_ID"] + [f"{band.column}{end}" for band in survey.bands for end in ("m", "me")]
    lines = [",".join(header)]
    for row in range(rows):
        values = ["21.4,0.1"] * 13 + ["," if row < 3 else "18.0,0.2"]
        lines.append(f"{269.4 + row / 10},65.2,{68180 + row}," + ",".join(values))
    return lines


def test_csv_with_a_query_line_and_empty_cells(tmp_path):
    nepw = load_survey("nepw14")
    path = tmp_path / "candidates.csv"
    path.write_text("\n".join(["#SELECT * FROM somewhere", *nepw_lines()]) + "\n")
    table = ingest(path, nepw)
    photometry = photometry_from_table(table, nepw)
    assert table.column("object_id").to_pylist()[0] == "68180"
    assert photometry.observed[:, -1].tolist() == [False, False, False, True, True]
    assert_same(ingest(path, nepw, chunk_rows=2), table)
    assert [len(raw) for raw in iterate_raw(path, nepw, 2)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("68181", "sixty", "is not a valid table"),
        ("269.5", "east", "is not a valid table"),
        ("68182,", "", "is not a valid table"),
        ("RA,DEC", "RA,RA", "names a column twice"),
    ],
)
def test_damaged_csv_is_refused(tmp_path, old, new, message):
    path = tmp_path / "candidates.csv"
    path.write_text("\n".join(nepw_lines()).replace(old, new, 1))
    refused(path, load_survey("nepw14"), message)


def test_an_empty_csv_id_is_missing(tmp_path):
    path = tmp_path / "candidates.csv"
    path.write_text("\n".join(nepw_lines()).replace("68181", "", 1))
    nepw = load_survey("nepw14")
    (raw,) = iterate_raw(path, nepw)
    assert normalise(raw, nepw, QualityCuts()).reasons() == {"id missing": 1}


def test_csv_column_in_another_case_names_the_candidate(tmp_path):
    path = tmp_path / "candidates.csv"
    path.write_text("\n".join(nepw_lines()).replace("RA,DEC", "ra,DEC", 1))
    with pytest.raises(InputError, match=r"'RA' is missing, but 'ra' differs in spelling"):
        ingest(path, load_survey("nepw14"))


@pytest.mark.parametrize("content", ["", "#SELECT only\n"])
def test_csv_without_header_is_refused(tmp_path, content):
    path = tmp_path / "empty.csv"
    path.write_text(content)
    refused(path, load_survey("nepw14"), "holds no header line")


def test_csv_without_rows(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text(nepw_lines()[0] + "\n")
    assert ingest(path, load_survey("nepw14")).num_rows == 0


def test_the_published_candidates_are_read(data_folder):
    nepw = load_survey("nepw14")
    table = ingest(data_folder / "nepw_agn" / "agn_candidates_catalog.csv", nepw)
    assert table.num_rows == 465
    observed = photometry_from_table(table, nepw).observed
    assert observed[:, :8].all()
    # empty cells in the file: S7 319, S9W 298, S11 329, L15 301, L18W 283, L24 400
    assert (~observed[:, 8:]).sum(axis=0).tolist() == [319, 298, 329, 301, 283, 400]
    first = photometry_from_table(table, nepw).magnitudes(nepw.index("g"))
    assert first[0][0] == pytest.approx(22.137, abs=1e-4)
    assert first[1][0] == pytest.approx(0.002, abs=1e-6)
    assert len(set(table.column("object_id").to_pylist())) == 465


# lists of files


def test_tables_of_a_folder_are_listed_sorted_to_its_depths(tmp_path):
    for name in ("b.fits", "a.csv", "deeper/c.FITS.GZ", "readme.txt", ".hidden.fits"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert [path.name for path in list_tables(tmp_path)] == ["a.csv", "b.fits", "c.FITS.GZ"]
    assert list_tables(tmp_path / "b.fits") == [(tmp_path / "b.fits").resolve()]


def test_a_loop_of_links_does_no_harm(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list_tables(tmp_path) == [(tmp_path / "a.fits").resolve()]


def test_a_file_listed_twice_is_refused(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"x")
    (tmp_path / "b.fits").symlink_to(tmp_path / "a.fits")
    with pytest.raises(InputError, match="listed twice"):
        list_tables(tmp_path)


def test_a_link_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "b.fits").symlink_to(tmp_path / "a.fits")
    with pytest.raises(InputError, match="leads nowhere"):
        list_tables(tmp_path)


def test_nothing_to_list(tmp_path):
    with pytest.raises(InputError, match="holds no table"):
        list_tables(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        list_tables(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="not a known kind of table"):
        list_tables(tmp_path / "notes.txt")


def test_a_missing_file_and_a_wrong_chunk(tmp_path, survey, tile):
    refused(tmp_path / "nowhere.fits", survey, "there is no such file")
    with pytest.raises(ValueError, match="chunk_rows = 0"):
        list(iterate_raw(tile, survey, 0))


def write_lines_of_44(path, header_of_w1="W1m,W1me"):
    header, *rows = nepw_lines()
    path.write_text("\n".join([f"{header},{header_of_w1}", *(f"{row},17.0,0.1" for row in rows)]))
    return load_survey("nepw44")


def test_optional_bands_that_a_file_lacks_are_missing_for_all(tmp_path):
    path = tmp_path / "candidates.csv"
    survey = write_lines_of_44(path)
    (raw,) = iterate_raw(path, survey)
    result = normalise(raw, survey, QualityCuts())
    photometry = photometry_from_table(result.accepted, survey)
    assert result.accepted.num_rows == 5
    assert photometry.observed.sum(axis=1).tolist() == [14, 14, 14, 15, 15]
    assert photometry.magnitudes(survey.index("W1"))[0] == pytest.approx(17.0, abs=1e-4)
    assert "missing for all: GALEX_FUV, GALEX_NUV" in result.notes[0]
    assert "W1" not in result.notes[0]


@pytest.mark.parametrize("header", ["w1m,w1me", "W1m,w1me"])
def test_an_optional_band_whose_name_is_misspelt_is_not_lost(tmp_path, header):
    path = tmp_path / "candidates.csv"
    survey = write_lines_of_44(path, header)
    with pytest.raises(InputError) as caught:
        ingest(path, survey)
    assert "bands are missing: W1" in str(caught.value)


def test_an_optional_band_without_errors_is_refused(tmp_path):
    path = tmp_path / "candidates.csv"
    survey = write_lines_of_44(path, "W1m,nothing")
    with pytest.raises(InputError) as caught:
        ingest(path, survey)
    assert "bands are missing: W1 (columns W1me)" in str(caught.value)


def test_a_band_that_is_not_optional_is_missed(tmp_path):
    path = tmp_path / "candidates.csv"
    survey = write_lines_of_44(path)
    path.write_text(path.read_text().replace("N2m,", "N2x,", 1))
    with pytest.raises(InputError) as caught:
        ingest(path, survey)
    assert "bands are missing: N2" in str(caught.value)


def flow_of_figure_2(tmp_path, header="specz,photz,chi2_gal,chi2_star"):
    path = tmp_path / "field.csv"
    first, *rows = nepw_lines()
    cells = ["0.5,,1.0,9.0", "-0.999,0.7,9.0,1.0", "-0.999,,1.0,9.0", ",,9.0,1.0", "0.5,0.5,,"]
    path.write_text("\n".join([f"{first},{header}", *(f"{a},{b}" for a, b in zip(rows, cells, strict=True))]))
    survey = load_survey("nepw44")
    (raw,) = iterate_raw(path, survey)
    return raw, survey


@pytest.mark.parametrize(
    ("require", "reasons", "kept"),
    [
        ((), {}, ["68180", "68181", "68182", "68183", "68184"]),
        (("redshift",), {"no redshift": 2}, ["68180", "68181", "68184"]),
        (("galaxy",), {"star": 2}, ["68180", "68182", "68184"]),
        (("redshift", "galaxy"), {"no redshift": 2, "star": 1}, ["68180", "68184"]),
        (("galaxy", "redshift"), {"star": 2, "no redshift": 1}, ["68180", "68184"]),
    ],
)
def test_a_job_asks_for_requirements_of_the_survey(tmp_path, require, reasons, kept):
    raw, survey = flow_of_figure_2(tmp_path)
    result = normalise(raw, survey, QualityCuts(require=require))
    assert result.reasons() == reasons
    assert result.accepted["object_id"].to_pylist() == kept
    assert result.accepted.num_rows + result.rejected.num_rows == 5


@pytest.mark.parametrize(
    ("header", "require", "message"),
    [
        ("a,b,chi2_gal,chi2_star", "redshift", "needs one of the columns specz, photz"),
        ("specz,photz,chi2_gal,b", "galaxy", "needs both of the columns chi2_gal, chi2_star, but chi2_star"),
        ("specz,photz,a,b", "stars", "declares no 'stars'; allowed: redshift, galaxy"),
    ],
)
def test_a_requirement_that_cannot_be_asked_is_refused(tmp_path, header, require, message):
    raw, survey = flow_of_figure_2(tmp_path, header)
    with pytest.raises(InputError) as caught:
        normalise(raw, survey, QualityCuts(require=(require,)))
    assert message in str(caught.value)


def test_one_of_the_redshifts_is_enough(tmp_path):
    raw, survey = flow_of_figure_2(tmp_path, "specz,b,chi2_gal,chi2_star")
    result = normalise(raw, survey, QualityCuts(require=("redshift",)))
    assert result.accepted["object_id"].to_pylist() == ["68180", "68184"]


def test_a_sample_to_learn_from_needs_no_positions(tmp_path):
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join(line.split(",", 2)[2] for line in nepw_lines()))
    survey = load_survey("nepw14")
    (raw,) = iterate_raw(path, survey)
    with pytest.raises(InputError, match="column 'RA' is missing"):
        normalise(raw, survey, QualityCuts())
    accepted = normalise(raw, survey, QualityCuts(), positions=False).accepted
    assert accepted.num_rows == 5
    assert np.isnan(accepted["ra"].to_numpy()).all()
    path.write_text("\n".join(line.split(",", 1)[1] for line in nepw_lines()))
    (raw,) = iterate_raw(path, survey)
    with pytest.raises(InputError, match="column 'RA' is missing"):  # half a position is none
        normalise(raw, survey, QualityCuts(), positions=False)


def test_the_published_labelled_sample_is_read(data_folder):
    for name in ("nepw14", "nepw44"):
        survey = load_survey(name)
        found = []
        for raw in iterate_raw(data_folder / "nepw_agn" / "training_sample.csv", survey):
            found.append(normalise(raw, survey, QualityCuts(require=()), positions=False))
        table = pa.concat_tables([one.accepted for one in found])
        assert table.num_rows == 1314
        assert not sum(one.rejected.num_rows for one in found)
        counts = {
            entry["values"]: entry["counts"] for entry in table["true_class"].value_counts().to_pylist()
        }
        assert counts == {"GAL": 1157, "AGN1": 129, "XAGN": 25, "XGAL": 2, "AGN": 1}
        observed = photometry_from_table(table, survey).observed.sum(axis=0)
        assert sorted(observed[observed > 0])[:6] == [406, 772, 820, 847, 1001, 1030]
        assert (observed == 0).sum() == len(survey.bands) - 14
