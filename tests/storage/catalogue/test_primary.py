import errno
import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from hats.io.validation import is_valid_catalog, is_valid_collection

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.photometry.table import matrix_of
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue import primary as catalogue_primary
from jpasbatch.storage.catalogue.collection import (
    WRITER_LEASE,
    current_extension,
    open_catalogue,
    read_collection,
)
from jpasbatch.storage.catalogue.hats_import import import_tables
from jpasbatch.storage.catalogue.partitions import read_partition, write_partition
from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
from jpasbatch.storage.catalogue.publication import publish_extension
from jpasbatch.storage.catalogue.validation import check_catalogue
from jpasbatch.storage.stores import links
from jpasbatch.storage.stores.files import Lease
from jpasbatch.storage.stores.opening import open_store
from tests.storage.small_sets import EMPTY, set_rows, stage_set

ROWS = 600
OPTIONS = PrimaryOptions(map_order=6, expected_rows=ROWS)


@pytest.fixture(scope="module")
def table(survey):
    """Return the rows of a set."""
    return set_rows(survey, ROWS)


@pytest.fixture
def collection(tmp_path):
    """Return the folder of a collection that does not exist yet."""
    return tmp_path / "sky"


def publish(collection, records, table, provenance=None, options=OPTIONS):
    return publish_primary(
        collection, "photometry", records, table.schema, provenance or {"set": "field"}, options
    )


def assert_same_rows(catalogue, table):
    parts = [read_partition(catalogue.partition_path(*pixel)) for pixel in catalogue.pixels]
    found = pa.concat_tables(parts)
    assert found.schema.equals(table.schema, check_metadata=True)
    names = ["_healpix_29", "object_id", "ra", "dec", "true_class", "mock_id", "true_magnitude"]
    assert found.select(names).equals(table.select(names))
    for name in ("flux", "flux_err"):
        ours, theirs = (matrix_of(one, name, 60) for one in (found, table))
        assert np.array_equal(ours, theirs, equal_nan=True)


def test_a_version_is_a_valid_catalogue_that_the_collection_names(collection, table):
    records = stage_set(table, collection)
    version = publish(collection, records, table, {"set": "field", "score": float("nan")})
    assert version.parent == collection
    assert version.name.startswith("photometry-")
    assert len(version.name) == len("photometry-") + 12
    assert is_valid_catalog(version, strict=True)
    assert is_valid_collection(collection, strict=True)
    check_catalogue(version, table.schema, ROWS)
    catalogue = open_catalogue(collection)
    assert (catalogue.path, catalogue.rows, catalogue.map_order) == (version, ROWS, 6)
    assert 3 <= len(catalogue.pixels) == len(records) - 1
    assert EMPTY not in catalogue.pixels
    assert_same_rows(catalogue, table)
    assert catalogue.rows_by_partition() == {
        (record["order"], record["pixel"]): record["rows"] for record in records if record["rows"]
    }
    provenance = json.loads((version / "provenance.json").read_text())
    assert provenance["provenance"] == {"set": "field", "score": None}
    assert provenance["partitions"][0]["rows"] == 0  # the empty one, pixel 0
    assert not (collection / ".building").exists()
    current = read_collection(collection)
    assert (current.all_margins, current.all_extensions) == (None, None)


# see test_catalogue_publication
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_lsdb_opens_the_collection(collection, table, client):
    import lsdb

    publish(collection, stage_set(table, collection), table)
    found = lsdb.open_catalog(collection).compute(progress_bar=False)
    assert len(found) == ROWS
    assert set(found["mock_id"]) == set(range(ROWS))
    assert {"flux", "object_id", "true_magnitude"} <= set(found.columns)


def test_publishing_again_changes_nothing_and_other_contents_are_another_version(collection, table):
    records = stage_set(table, collection)
    first = publish(collection, records, table)
    pointer = collection / "collection.properties"
    before = (pointer.read_bytes(), pointer.stat().st_mtime_ns, (first / "hats.properties").read_bytes())
    again = publish(collection, list(reversed(stage_set(table, collection))), table)
    assert again == first
    after = (pointer.read_bytes(), pointer.stat().st_mtime_ns, (first / "hats.properties").read_bytes())
    assert after == before
    others = {
        publish(collection, records, table, {"set": "survey"}),
        publish(collection, records, table, options=PrimaryOptions(map_order=5)),
        publish(collection, records[1:], table, options=PrimaryOptions(map_order=6)),
    }
    assert len(others | {first}) == 4
    assert all(is_valid_catalog(version, strict=True) for version in others)
    assert publish(collection, records, table) == first == open_catalogue(collection).path


def test_files_are_linked_from_another_folder_and_copied_from_another_file_system(
    tmp_path, table, monkeypatch
):
    made = tmp_path / "mock"
    records = stage_set(table, made)
    options = PrimaryOptions(map_order=6, source_folder=made)
    linked = open_catalogue(publish(tmp_path / "linked", records, table, options=options))
    sources = {
        record["sha256"]: (made / record["path"]).stat().st_ino for record in records if record["rows"]
    }
    found = {linked.partition_path(*pixel).stat().st_ino for pixel in linked.pixels}
    assert found == set(sources.values())

    def refuse(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(links.os, "link", refuse)
    copied = open_catalogue(publish(tmp_path / "copied", records, table, options=options))
    assert copied.name == linked.name
    assert found.isdisjoint(copied.partition_path(*pixel).stat().st_ino for pixel in copied.pixels)
    shutil.rmtree(made)
    assert_same_rows(copied, table)
    assert_same_rows(linked, table)


def _changed(number=0, **values):
    return lambda records: [{**r, **(values if k == number else {})} for k, r in enumerate(records)]


def _rows_moved(records):
    first, second, *others = records
    return [{**first, "rows": first["rows"] + 1}, {**second, "rows": second["rows"] - 1}, *others]


def _files_swapped(records):
    keys = ("rows", "bytes", "sha256", "path")
    first, second, *others = records
    return [
        {**first, **{key: second[key] for key in keys}},
        {**second, **{key: first[key] for key in keys}},
        *others,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[1:], "Rows are lost or doubled"),
        (lambda records: [*records, records[0]], "has two records"),
        (lambda records: [*records, {**records[-1], "order": 3}], "overlap"),
        (lambda records: [*records, {**records[-1], "order": 7}], r"finer than the map of counts"),
        (lambda records: [*records, {**records[-1], "pixel": 12 * 4**4}], "does not exist"),
        (lambda records: [{k: v for k, v in records[0].items() if k != "bytes"}], "lacks bytes"),
        (_changed(sha256="0" * 64), "changed after it was committed"),
        (_changed(bytes=1), "changed after it was committed"),
        (_changed(path=".staging/absent.parquet"), "is missing"),
        (_changed(path="../outside.parquet"), "must be inside"),
        (_changed(path="/etc/passwd"), "must be inside"),
        (_changed(path=""), "must be inside"),
        (_changed(quarantined=2), "Rows are lost or doubled: 600 rows and 2 in quarantine make 602"),
        (_rows_moved, "its record says"),
        (_files_swapped, "leaves the pixel"),
    ],
)
def test_records_that_do_not_add_up_are_refused_and_the_pointer_stays(collection, table, change, message):
    records = stage_set(table, collection)
    old = publish(collection, records, table, {"set": "old"})
    before = (collection / "collection.properties").read_bytes()
    with pytest.raises(InputError, match=message):
        publish(collection, change(records), table)
    assert (collection / "collection.properties").read_bytes() == before
    assert list(collection.glob("photometry-*")) == [old]


def test_every_flipped_byte_of_a_staged_file_is_noticed(collection, table):
    records = stage_set(table, collection)
    path = collection / records[0]["path"]
    whole = path.read_bytes()
    for position in range(0, len(whole), len(whole) // 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with pytest.raises(InputError, match="changed after it was committed"):
            publish(collection, records, table)
    assert not (collection / "collection.properties").exists()
    path.write_bytes(whole)
    publish(collection, records, table)


def test_other_columns_and_other_options_are_refused(collection, table):
    records = stage_set(table, collection)
    wider = table.slice(0, 0).append_column("noise", pa.array([], pa.float32()))
    with pytest.raises(InputError, match="or other types"):
        publish(collection, records, wider)
    with pytest.raises(InputError, match="must begin with _healpix_29"):
        publish(collection, records, table.drop_columns(["_healpix_29"]))
    with pytest.raises(InputError, match="Catalogue name"):
        publish_primary(collection, "my sky", records, table.schema, {})
    with pytest.raises(ValueError, match="map_order: found 13"):
        PrimaryOptions(map_order=13)
    with pytest.raises(ValueError, match="expected_rows: found -1"):
        PrimaryOptions(expected_rows=-1)


def test_no_rows_at_all_are_refused(collection, table):
    empty = [record for record in stage_set(table, collection) if not record["rows"]]
    for records in (empty, []):
        with pytest.raises(InputError, match="No rows to publish"):
            publish(collection, records, table, options=PrimaryOptions())


def test_a_version_that_was_damaged_since_is_made_again(collection, table, caplog):
    records = stage_set(table, collection)
    version = publish(collection, records, table)
    catalogue = open_catalogue(collection)
    file = catalogue.partition_path(*catalogue.pixels[1])
    whole = file.read_bytes()
    content = bytearray(whole)
    file.unlink()  # not through the staged file, which has the same bytes on the disk
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert publish(collection, records, table) == version
    assert "is damaged: " in caplog.text
    assert file.read_bytes() == whole
    assert [path.name for path in collection.iterdir() if "damaged" in path.name] == []


def extend(collection):
    """Publish an extension of the collection's catalogue: its own positions."""
    catalogue = open_catalogue(collection)
    names = ["_healpix_29", "object_id", "ra", "dec", "class_star"]
    records, schema = [], None
    for pixel in catalogue.pixels:
        table = read_partition(catalogue.partition_path(*pixel), names)
        schema = table.schema
        staged = write_partition(table, open_store(collection), ".staging/run", f"{pixel[0]}_{pixel[1]}")
        records.append(staged.facts(pixel, "", "cd").to_record())
    return publish_extension(collection, "predictions", records, schema, {}, catalogue.rows)


def test_an_extension_of_it_stays_until_another_primary_replaces_it(collection, table):
    records = stage_set(table, collection)
    publish(collection, records, table)
    predictions = extend(collection)
    publish(collection, records, table)
    assert current_extension(collection, "predictions") == predictions
    assert is_valid_collection(collection, strict=True)
    publish(collection, records, table, {"set": "other"})
    assert predictions.is_dir()
    with pytest.raises(InputError, match="has no 'predictions'"):
        current_extension(collection, "predictions")


def test_it_replaces_an_imported_catalogue_with_its_margin_and_back(sky, table, client, tables, options):
    extend(sky)
    version = publish(sky, stage_set(table, sky), table)
    current = read_collection(sky)
    assert current.hats_primary_table_url == version.name
    assert (current.all_margins, current.default_margin, current.all_extensions) == (None, None, None)
    assert is_valid_collection(sky, strict=True)
    assert open_catalogue(sky).rows == ROWS
    import_tables(client, tables, sky, "photometry-0123", options, 1500)
    assert open_catalogue(sky).name == "photometry-0123"
    assert read_collection(sky).all_margins is not None


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("module", "step"),
    [
        (catalogue_assembly, "link_partitions"),
        (catalogue_assembly, "verify_partition"),
        (catalogue_assembly, "write_metadata"),
        (catalogue_assembly, "check_catalogue"),
        (catalogue_assembly, "place_version"),
        (catalogue_primary, "point_at_primary"),
        (catalogue_primary, "swap_collection"),
        (catalogue_primary, "remove_if_empty"),
    ],
)
def test_a_crash_at_any_step_leaves_old_or_new_and_running_again_finishes(
    collection, table, monkeypatch, module, step, old
):
    records = stage_set(table, collection)
    before = publish(collection, records, table, {"set": "old"}) if old else None

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(module, step, crash)
        with pytest.raises(RuntimeError, match="crash"):
            publish(collection, records, table)
    if step != "remove_if_empty":
        if before is None:
            assert not (collection / "collection.properties").exists()
        else:
            assert open_catalogue(collection).path == before
    new = publish(collection, records, table)
    assert open_catalogue(collection).path == new != before
    assert is_valid_collection(collection, strict=True)
    assert not (collection / ".building").exists()


def test_two_writers_do_not_meet(collection, table):
    records = stage_set(table, collection)
    with Lease(collection / WRITER_LEASE), pytest.raises(TryAgainError):
        publish(collection, records, table)


def test_partitions_of_several_orders_are_in_hats_order(collection, table):
    index = table["_healpix_29"].to_numpy()
    records = []
    coarse = index >> 2 * 25
    for pixel in np.unique(coarse).tolist():
        rows = table.filter(pa.array(coarse == pixel))
        order = 5 if len(records) % 2 else 4
        fine = rows["_healpix_29"].to_numpy() >> 2 * (29 - order)
        for inner in np.unique(fine).tolist():
            staged = write_partition(
                rows.filter(pa.array(fine == inner)), open_store(collection), "", f"{order}_{inner}"
            )
            records.append(staged.facts((order, inner), "", "ab").to_record())
    publish(collection, records[::-1], table)
    catalogue = open_catalogue(collection)
    assert {order for order, _ in catalogue.pixels} == {4, 5}
    assert_same_rows(catalogue, table)
