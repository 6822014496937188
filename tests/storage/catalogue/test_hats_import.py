import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hats.io.validation import is_valid_catalog, is_valid_collection

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.photometry.table import catalogue_schema, photometry_from_table, required_elements
from jpasbatch.storage.catalogue import hats_import as catalogue_import
from jpasbatch.storage.catalogue.collection import (
    WRITER_LEASE,
    open_catalogue,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue.hats_import import import_tables
from jpasbatch.storage.catalogue.partitions import read_partition
from jpasbatch.storage.catalogue.plan import PartitionOptions
from jpasbatch.storage.stores.files import Lease

ROWS = 1500


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != WRITER_LEASE)
    return {path.relative_to(folder): path.read_bytes() for path in files}


def whole_table(collection):
    catalogue = open_catalogue(collection)
    parts = [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    return pa.concat_tables(parts)


def test_what_goes_in_comes_out(published, tables, survey):
    catalogue = open_catalogue(published)
    assert catalogue.path == published / "photometry-0123"
    assert (catalogue.name, catalogue.rows) == ("photometry-0123", ROWS)
    assert len(catalogue.pixels) > 4
    expected = pa.concat_tables([pq.read_table(path) for path in tables]).sort_by("object_id")
    found = whole_table(published)
    index = found["_healpix_29"].to_numpy()
    assert found.schema.names == ["_healpix_29", *catalogue_schema(survey).names]
    assert found.schema.metadata == catalogue_schema(survey).metadata
    assert found.drop_columns("_healpix_29").schema.equals(required_elements(catalogue_schema(survey)))
    ours = photometry_from_table(found.sort_by("object_id"), survey)
    theirs = photometry_from_table(expected, survey)
    np.testing.assert_array_equal(ours.flux, theirs.flux)
    np.testing.assert_array_equal(ours.flux_err, theirs.flux_err)
    columns = [name for name in expected.column_names if name not in ("flux", "flux_err", "true_redshift")]
    assert found.sort_by("object_id").select(columns).equals(expected.select(columns))
    for pixel in catalogue.pixels:
        part = read_partition(catalogue.partition_path(*pixel), ["_healpix_29"])["_healpix_29"].to_numpy()
        assert np.all(np.diff(part) >= 0)
        assert np.all(part >> 2 * (29 - pixel[0]) == pixel[1])
    assert np.array_equal(np.unique(index >> 2 * (29 - 5)), catalogue.coverage())
    assert np.array_equal(np.unique(index >> 2 * (29 - 3)), catalogue.coverage(3))
    with pytest.raises(InputError, match="allowed is 0 to 5"):
        catalogue.coverage(6)


def test_the_collection_is_strictly_valid_and_can_be_moved(published, tmp_path):
    moved = shutil.copytree(published, tmp_path / "elsewhere")
    assert is_valid_collection(moved, strict=True)
    assert is_valid_catalog(moved / "photometry-0123", strict=True)
    properties = (moved / "photometry-0123_60arcs" / "hats.properties").read_text()
    assert "hats_primary_table_url=photometry-0123\n" in properties
    assert not (published / ".building").exists()


def test_pages_are_compressed_and_carry_checksums(published):
    catalogue = open_catalogue(published)
    path = catalogue.partition_path(*catalogue.pixels[0])
    chunk = pq.read_metadata(path).row_group(0).column(4)
    assert chunk.compression == "ZSTD"
    data = bytearray(path.read_bytes())
    with pytest.raises(InputError, match="truncated or damaged"):
        read_partition(_damaged(path, data, chunk.data_page_offset + chunk.total_compressed_size - 5))


def _damaged(path, data, position):
    data[position] ^= 1
    copy = path.parents[4] / "damaged.parquet"
    copy.write_bytes(data)
    return copy


def test_running_again_changes_nothing(client, published, tables, options):
    before = contents(published)
    import_tables(client, tables, published, "photometry-0123", options, ROWS)
    assert contents(published) == before


def test_a_version_never_changes(client, published, tables, options):
    with pytest.raises(InputError, match=r"exists already, and was made from other files or options"):
        import_tables(
            client, tables, published, "photometry-0123", replace(options, pixel_threshold=500), ROWS
        )
    with pytest.raises(InputError, match=r"exists already"):
        import_tables(client, tables[:1], published, "photometry-0123", options, 900)


@pytest.mark.parametrize("step", ["_finish", "_place", "_check_identity", "_point", "swap_collection"])
def test_a_crash_at_any_step_leaves_the_old_state_and_running_again_finishes(
    client, sky, photometry_of, options, monkeypatch, tmp_path, step
):
    newer = tmp_path / "newer.parquet"
    pq.write_table(photometry_of(300, seed=2, prefix="b"), newer)

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(catalogue_import, step, crash)
        with pytest.raises((RuntimeError, TryAgainError), match="crash"):
            import_tables(client, [newer], sky, "photometry-4567", options, 300)
    assert open_catalogue(sky).name == "photometry-0123"
    assert is_valid_collection(sky, strict=True)
    import_tables(client, [newer], sky, "photometry-4567", options, 300)
    assert (open_catalogue(sky).name, open_catalogue(sky).rows) == ("photometry-4567", 300)
    assert open_catalogue(sky / "photometry-0123").rows == ROWS
    assert sorted(whole_table(sky)["object_id"].to_pylist()) == sorted(f"b-{k}" for k in range(300))
    assert is_valid_collection(sky, strict=True)
    assert not (sky / ".building").exists()


def test_a_crash_between_the_two_moves_is_mended(client, tables, options, monkeypatch, tmp_path):
    sky = tmp_path / "sky"
    rename = catalogue_import.Path.rename

    def crash_at_the_margin(source, target):
        if source.name.endswith("_60arcs"):
            raise RuntimeError("crash")
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(catalogue_import.Path, "rename", crash_at_the_margin)
        with pytest.raises((RuntimeError, TryAgainError), match="crash"):
            import_tables(client, tables, sky, "photometry-0123", options, ROWS)
    assert (sky / "photometry-0123").is_dir()
    with pytest.raises(InputError, match="holds no HATS catalogue"):
        open_catalogue(sky)
    import_tables(client, tables, sky, "photometry-0123", options, ROWS)
    assert is_valid_collection(sky, strict=True)


def test_a_crash_within_hats_import_resumes_and_other_options_start_clean(
    client, tables, options, monkeypatch, tmp_path
):
    import hats_import.catalog.run_import as run_import

    sky = tmp_path / "sky"

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(run_import, "write_parquet_metadata", crash)
        with pytest.raises((RuntimeError, TryAgainError), match="crash"):
            import_tables(client, tables, sky, "photometry-0123", options, ROWS)
    other = replace(options, pixel_threshold=900)
    import_tables(client, tables, sky, "photometry-0123", other, ROWS)
    assert open_catalogue(sky).rows == ROWS
    shutil.rmtree(sky / "photometry-0123")
    shutil.rmtree(sky / "photometry-0123_60arcs")
    (building,) = (sky / ".building").iterdir()
    import_tables(client, tables, sky, "photometry-0123", options, ROWS)
    assert not building.exists()
    assert open_catalogue(sky).rows == whole_table(sky).num_rows == ROWS


def test_a_new_primary_takes_the_pointer_from_extensions_of_the_old(
    client, sky, photometry_of, options, tmp_path
):
    swap_collection(sky, all_extensions={"predictions": "predictions-1.properties"})
    newer = tmp_path / "newer.parquet"
    pq.write_table(photometry_of(300, seed=2, prefix="b"), newer)
    import_tables(client, [newer], sky, "photometry-4567", options, 300)
    assert read_collection(sky).all_extensions is None


def test_without_margin_and_with_few_objects(client, photometry_of, options, tmp_path):
    table = tmp_path / "few.parquet"
    pq.write_table(photometry_of(3), table)
    sky = tmp_path / "sky"
    import_tables(client, [table], sky, "few", replace(options, margin_arcsec=0.0), 3)
    assert read_collection(sky).all_margins is None
    assert is_valid_collection(sky, strict=True)
    import_tables(client, [table], sky, "few-with-margin", options, 3)
    assert is_valid_collection(sky, strict=True)
    assert open_catalogue(sky).rows == 3


def test_bad_inputs_are_refused_before_anything_is_built(client, photometry_of, tables, options, tmp_path):
    sky = tmp_path / "sky"
    good = photometry_of(10)
    cases = {
        "No rows to import": ([], 0),
        "Listed twice": ([tables[0], tables[0]], 1800),
        "but 901 were accepted": ([tables[0]], 901),
        "missing": ([tmp_path / "absent.parquet"], 1),
    }
    for name, table in {
        "another schema": good.drop_columns("tile"),
        "positions are not": good.set_column(1, "ra", pa.array([np.nan] + [1.0] * 9)),
        r"ra in \[0, 360\)": good.set_column(1, "ra", pa.array([360.0] + [1.0] * 9)),
        r"dec in \[-90, 90\]": good.set_column(2, "dec", pa.array([90.5] + [1.0] * 9)),
        "and not _healpix_29": good.append_column("_healpix_29", pa.array(range(10))),
        "must hold object_id": good.drop_columns("object_id"),
        "holds nulls": good.set_column(3, good.schema.field("flux"), _with_a_null(good["flux"])),
    }.items():
        path = tmp_path / f"{len(cases)}.parquet"
        pq.write_table(table, path)
        cases[name] = ([tables[0], path], 910)
    truncated = tmp_path / "truncated.parquet"
    truncated.write_bytes(tables[0].read_bytes()[:-100])
    cases["truncated or damaged"] = ([truncated], 900)
    for message, (files, rows) in cases.items():
        with pytest.raises(InputError, match=message):
            import_tables(client, files, sky, "photometry-0123", options, rows)
    with pytest.raises(InputError, match="Catalogue name"):
        import_tables(client, tables, sky, "../elsewhere", options, ROWS)
    assert not sky.exists()


def _with_a_null(column):
    values = column.combine_chunks().flatten().to_pylist()
    values[7] = None
    return pa.FixedSizeListArray.from_arrays(pa.array(values, pa.float32()), type=column.type)


def test_bands_of_another_survey_are_refused(client, tables, photometry_of, options, tmp_path):
    other = photometry_of(10)
    other = other.replace_schema_metadata({**other.schema.metadata, b"jpasbatch.bands": b"a,b"})
    pq.write_table(other, tmp_path / "other.parquet")
    with pytest.raises(InputError, match="other bands"):
        import_tables(client, [tables[0], tmp_path / "other.parquet"], tmp_path / "sky", "p", options, 910)


def test_a_sky_too_crowded_says_what_to_change(client, tables, options, tmp_path):
    with pytest.raises(InputError, match="raise pixel_threshold"):
        import_tables(client, tables, tmp_path / "sky", "p", replace(options, pixel_threshold=5), ROWS)


def test_two_writers_do_not_meet(client, sky, tables, options):
    with Lease(sky / WRITER_LEASE), pytest.raises(TryAgainError):
        import_tables(client, tables, sky, "photometry-0123", options, ROWS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pixel_threshold": 0}, "pixel_threshold: found 0"),
        ({"byte_pixel_threshold": -1}, "byte_pixel_threshold: found -1"),
        ({"lowest_order": 5, "highest_order": 4}, "found 5, 4"),
        ({"highest_order": 20}, "highest_order: found 20; allowed is 0 to 12"),
        ({"margin_arcsec": -1.0}, "margin_arcsec: found -1"),
    ],
)
def test_options_name_what_is_allowed(wrong, message):
    with pytest.raises(ValueError, match=message):
        PartitionOptions(**wrong)


def test_opening_what_is_no_catalogue(published, tmp_path):
    with pytest.raises(InputError, match="holds no HATS catalogue"):
        open_catalogue(tmp_path)
    copy = shutil.copytree(published / "photometry-0123", tmp_path / "copy")
    (copy / "partition_info.csv").unlink()
    with pytest.raises(InputError, match="incomplete or damaged"):
        open_catalogue(copy)


# lsdb 0.11.1 sets an option, when it is imported, that pandas 3.1 deprecates; nested-pandas 0.7.2 passes on a
# keyword that pandas 3.1 deprecates, whenever lsdb drops a column.
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_and_computes_the_collection(published, survey, client):
    import lsdb

    catalogue = lsdb.open_catalog(published)
    frame = catalogue.compute(progress_bar=False)
    assert len(frame) == ROWS
    found = frame["flux"].dtype.pyarrow_dtype
    assert pa.types.is_fixed_size_list(found)
    assert (found.list_size, found.value_type) == (len(survey.bands), pa.float32())
    assert catalogue.margin is not None
