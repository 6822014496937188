from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.stores.opening import open_store


@pytest.fixture(scope="session")
def table(photometry_of):
    rows = photometry_of(200)
    return rows.add_column(0, "_healpix_29", pa.array(np.arange(200) * 1000, pa.int64()))


def test_a_partition_round_trips(table, tmp_path):
    staged = write_partition(table, open_store(tmp_path), "staging", "5_17")
    path = tmp_path / staged.key
    assert path.parent == tmp_path / "staging"
    assert path.name.startswith("5_17-")
    assert (staged.rows, staged.bytes) == (200, path.stat().st_size)
    assert staged.sha256 == sha256_file(path)
    found = read_partition(path)
    assert found.schema.equals(table.schema)
    assert found.schema.metadata == table.schema.metadata
    assert found.drop_columns(["flux", "flux_err", "true_redshift"]).equals(
        table.drop_columns(["flux", "flux_err", "true_redshift"])
    )
    assert read_partition(path, ["dec", "ra"]).column_names == ["dec", "ra"]
    assert list(path.parent.iterdir()) == [path]


def test_what_is_written_quickly_reads_the_same(table, tmp_path):
    store = open_store(tmp_path)
    careful, quick = (write_partition(table, store, "staged", "5_1", quick=one) for one in (False, True))
    found = [read_partition(tmp_path / one.key) for one in (quick, careful)]
    assert found[0].schema.equals(found[1].schema, check_metadata=True)
    np.testing.assert_equal(*(one.to_pydict() for one in found))
    encodings = [
        {
            part.path_in_schema: "RLE_DICTIONARY" in part.encodings
            for part in map(group.column, range(group.num_columns))
        }
        for group in (pq.ParquetFile(tmp_path / one.key).metadata.row_group(0) for one in (careful, quick))
    ]
    assert [one.pop("object_id") for one in encodings] == [True, False]
    assert encodings[0] == encodings[1]


def test_two_copies_of_a_task_write_two_files(table, tmp_path):
    first, second = (write_partition(table, open_store(tmp_path), "", "5_17") for _ in range(2))
    assert first.key != second.key
    assert first.sha256 == second.sha256


def test_no_rows_make_no_file_but_a_record(table, tmp_path):
    staged = write_partition(table.slice(0, 0), open_store(tmp_path), "staging", "5_17")
    assert staged.key == ""
    assert not (tmp_path / "staging").exists()
    assert staged.facts((5, 17), "", "ab", quarantined=9).to_record() == {
        "order": 5, "pixel": 17, "rows": 0, "bytes": 0, "sha256": "", "path": "", "fingerprint": "ab", "quarantined": 9,
    }  # fmt: skip


def test_a_record_is_relative_to_the_collection(table, tmp_path):
    staged = write_partition(table, open_store(tmp_path), "sky/.staging/run", "5_17")
    record = staged.facts((5, 17), "sky", "ab").to_record()
    assert record["path"] == f".staging/run/{staged.key.rpartition('/')[2]}"
    assert (record["rows"], record["quarantined"]) == (200, 0)
    with pytest.raises(ValueError, match="not in the subpath"):
        staged.facts((5, 17), "elsewhere", "ab").to_record()


def test_rows_out_of_order_are_refused(table, tmp_path):
    with pytest.raises(InputError, match="not ascending"):
        write_partition(table.take(list(range(199, -1, -1))), open_store(tmp_path), "", "5_17")


def test_missing_files_and_columns_are_named(table, tmp_path):
    with pytest.raises(InputError, match="is missing"):
        read_partition(tmp_path / "absent.parquet")
    staged = write_partition(table, open_store(tmp_path), "", "5_17")
    with pytest.raises(InputError, match=r"no column probability_star\. Its columns are: _healpix_29"):
        read_partition(tmp_path / staged.key, ["ra", "probability_star"])


@pytest.fixture(scope="session")
def written(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    path = folder / write_partition(table, open_store(folder), "", "5_17").key
    return path, path.read_bytes(), read_partition(path), folder / "damaged.parquet"


def _data_pages(path):
    """Return the byte ranges of the pages of all columns, their headers included."""
    group = pq.read_metadata(path).row_group(0)
    ranges = []
    for number in range(group.num_columns):
        chunk = group.column(number)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        ranges.append((start, start + chunk.total_compressed_size))
    return ranges


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_in_a_page_is_never_another_number(written, data):
    path, whole, table, damaged = written
    start, stop = data.draw(st.sampled_from(_data_pages(path)))
    position = data.draw(st.integers(start, stop - 1))
    mask = data.draw(st.integers(1, 255))
    damaged.write_bytes(whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :])
    try:
        found = read_partition(damaged)
    except InputError:
        return
    # Page headers hold bits that no reader uses: then every value must be what was written.
    for name in table.column_names:
        ours, theirs = (_bits(one[name]) for one in (found, table))
        assert ours == theirs, name


def _bits(column):
    if pa.types.is_fixed_size_list(column.type):
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks])
    return (
        column.to_numpy(zero_copy_only=False).tobytes()
        if pa.types.is_floating(column.type)
        else column.to_pylist()
    )


@pytest.mark.parametrize("kept", [0, 3, 100, -9000, -8, -1])
def test_a_truncated_partition_is_named(written, kept):
    _, whole, _, damaged = written
    damaged.write_bytes(whole[:kept])
    with pytest.raises(InputError, match=r"damaged\.parquet"):
        read_partition(damaged)


def test_partitions_lie_where_hats_puts_them():
    from hats.io.paths import pixel_catalog_file
    from hats.pixel_math.healpix_pixel import HealpixPixel

    for order, pixel in [(0, 11), (5, 9_999), (5, 10_000), (8, 182_812)]:
        assert Path("/c") / partition_file(order, pixel) == Path(
            pixel_catalog_file("/c", HealpixPixel(order, pixel)).path
        )
