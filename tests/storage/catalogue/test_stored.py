"""An extension in a store: what the records say or nothing, the same bytes as on disk, and one pointer."""

import shutil
import threading
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from upath import UPath

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue import stored as catalogue_stored
from jpasbatch.storage.catalogue.collection import POINTER, current_extension, open_catalogue, swap_collection
from jpasbatch.storage.catalogue.mirror import fetch_collection
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.catalogue.replica import replicate_collection
from jpasbatch.storage.catalogue.stored import publish_stored_extension
from jpasbatch.storage.stores.objects import ObjectStore
from jpasbatch.storage.stores.opening import open_store
from tests.storage.catalogue.test_publication import ROWS, SCHEMA, publish, stage

MODEL = {"model": "abc"}


@pytest.fixture(params=["folder", "s3"])
def store(request, published, tmp_path):
    """Return a store of each kind that holds the small catalogue."""
    if request.param == "folder":
        store = open_store(tmp_path / "store")
    else:
        request.getfixturevalue("object_store_url")
        store = open_store(f"s3://survey/{uuid4().hex}/sky")
    replicate_collection(shutil.copytree(published, tmp_path / "copy" / "sky"), store)
    return store


@pytest.fixture
def mirror(store, tmp_path):
    """Return what was fetched of the catalogue."""
    fetch_collection(store, tmp_path / "mirror")
    return tmp_path / "mirror"


def staged(store, mirror, number=0):
    """Stage predictions for every partition in the store, and return their records."""
    catalogue = open_catalogue(mirror)
    records = []
    for order, pixel in catalogue.pixels:
        key = f"{catalogue.name}/{partition_file(order, pixel).as_posix()}"
        rows = read_partition(key, SCHEMA.names[:4], store)
        table = rows.append_column(SCHEMA.field(4), [np.full(rows.num_rows, number / 100, np.float32)])
        table = table.append_column(SCHEMA.field(5), [["star"] * rows.num_rows]).cast(SCHEMA)
        found = write_partition(table, store, ".staging/run", f"{order}_{pixel}")
        records.append(found.facts((order, pixel), "", "ab").to_record())
    return records


def publish_there(store, mirror, records, provenance=MODEL, rows=ROWS):
    return publish_stored_extension(store, mirror, "predictions", records, SCHEMA, provenance, rows)


def place_of(store):
    return UPath(str(store), anon=False) if isinstance(store, ObjectStore) else store.folder


def values(store, version, pixel):
    key = f"{version}/{partition_file(*pixel).as_posix()}"
    return set(read_partition(key, ["probability_star"], store)["probability_star"].to_pylist())


def test_a_mirror_opens_like_the_collection_and_holds_no_partition(store, mirror, published):
    there, here = open_catalogue(mirror), open_catalogue(published)
    assert (there.name, there.rows, there.pixels, there.schema) == (
        here.name,
        here.rows,
        here.pixels,
        here.schema,
    )
    assert np.array_equal(there.counts(), here.counts())
    assert not list(mirror.rglob("Npix*"))
    with pytest.raises(InputError, match="holds no collection"):
        fetch_collection(store.within("nothing"), mirror / "nothing")
    store.remove(f"{here.name}/partition_info.csv")
    with pytest.raises(InputError, match=r"partition_info\.csv is missing"):
        fetch_collection(store, mirror.with_name("second"))


@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b"])
def test_a_pointer_that_leads_out_of_the_mirror_is_refused(store, tmp_path, name):
    pointer = store.read(POINTER)
    store.replace(POINTER, pointer.replace(b"photometry-0123\n", f"{name}\n".encode()), pointer)
    with pytest.raises(InputError, match="allowed are"):
        fetch_collection(store, tmp_path / "inner" / "mirror")
    assert [path.name for path in (tmp_path / "inner").iterdir()] == ["mirror"]


def test_the_version_is_that_of_the_disk_byte_for_byte_and_hats_reads_it(store, mirror, sky):
    from hats import read_hats
    from hats.io.validation import is_valid_collection

    here = publish(sky, stage(sky), MODEL)
    version = publish_there(store, mirror, staged(store, mirror))
    assert version == here.name
    for path in here.rglob("*"):
        if path.is_file() and "properties" not in path.name:
            assert store.read(path.relative_to(sky).as_posix()) == path.read_bytes()
    assert store.read(f"{version}.properties") == (sky / f"{version}.properties").read_bytes()
    assert store.read(POINTER) == (sky / POINTER).read_bytes() == (mirror / POINTER).read_bytes()
    assert is_valid_collection(place_of(store), strict=True)
    assert len(read_hats(place_of(store) / version)) == ROWS
    assert not (mirror / ".building").exists()


def test_again_writes_nothing_also_without_a_mirror(store, mirror, tmp_path, monkeypatch):
    records = staged(store, mirror)
    version = publish_there(store, mirror, records)
    fetch_collection(store, tmp_path / "elsewhere")

    def refuse(*_):
        raise AssertionError("nothing may be written")

    for name in ("create", "put", "replace", "copy", "remove"):
        monkeypatch.setattr(store, name, refuse)
    monkeypatch.setattr(store, "within", lambda folder, within=store.within: guarded(within(folder), refuse))
    for place in (mirror, tmp_path / "elsewhere"):
        assert publish_there(store, place, list(reversed(records))) == version


def guarded(store, refuse):
    store.put = refuse
    return store


@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[1:], "1 partitions have no record"),
        (
            lambda records: [{**records[0], "sha256": "0" * 64}, *records[1:]],
            "changed after it was committed",
        ),
        (lambda records: [{**records[0], "path": ".staging/none"}, *records[1:]], "is missing"),
        (lambda records: [{**records[0], "path": "../outside"}, *records[1:]], "must be inside"),
        (lambda records: [{**records[0], "quarantined": 1}, *records[1:]], "lost or doubled"),
    ],
)
def test_records_that_do_not_add_up_are_refused(store, mirror, change, message):
    records, before = change(staged(store, mirror)), store.read(POINTER)
    with pytest.raises(InputError, match=message):
        publish_there(store, mirror, records)
    assert store.read(POINTER) == before
    assert not [
        key for key in sorted(store.keys()) if key.endswith("hats.properties") and "predictions" in key
    ]


def test_damage_of_what_was_staged_is_never_published_and_that_of_a_version_is_repaired(store, mirror):
    records = staged(store, mirror)
    key, before = records[0]["path"], store.read(POINTER)
    whole = store.read(key)
    for damaged in (whole[:-50], whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]):
        store.put(key, damaged)
        with pytest.raises(InputError, match="changed after it was committed"):
            publish_there(store, mirror, records)
        assert store.read(POINTER) == before
    store.put(key, whole)
    version = publish_there(store, mirror, records)
    target = f"{version}/{partition_file(*open_catalogue(mirror).pixels[0]).as_posix()}"
    assert store.read(target) == whole
    store.put(target, damaged)
    store.put(f"{version}/partition_info.csv", b"")
    publish_there(store, mirror, records)
    assert store.read(target) == whole
    assert (
        store.read(f"{version}/partition_info.csv") == (mirror / version / "partition_info.csv").read_bytes()
    )


@pytest.mark.parametrize("store", ["folder"], indirect=True)
@pytest.mark.parametrize(
    "step", ["copy_partitions", "write_metadata", "check_catalogue", "put_metadata", "describe_extension"]
)
def test_a_crash_at_any_step_leaves_the_old_version_and_running_again_finishes(
    store, mirror, monkeypatch, step
):
    old = publish_there(store, mirror, staged(store, mirror))
    records, before = staged(store, mirror, number=1), store.read(POINTER)

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(catalogue_stored, step, crash)
        with pytest.raises(RuntimeError, match="crash"):
            publish_there(store, mirror, records)
    assert store.read(POINTER) == before
    new = publish_there(store, mirror, records)
    assert new != old
    pixel = open_catalogue(mirror).pixels[0]
    assert values(store, new, pixel) == {np.float32(0.01)}
    assert values(store, old, pixel) == {np.float32(0)}


def test_of_two_who_swap_at_once_one_tries_again_unless_both_want_the_same(store, mirror, tmp_path):
    records, others = staged(store, mirror), staged(store, mirror, number=1)
    fetch_collection(store, tmp_path / "second")
    version = publish_there(store, mirror, records)
    replace = store.replace

    def overtaken_by_the_same(key, data, expected):
        replace(key, data, expected)
        raise TryAgainError("somebody else did")

    store.replace = overtaken_by_the_same
    other = publish_there(store, tmp_path / "second", others)
    assert other != version
    assert other in store.read(POINTER).decode()

    def overtaken_by_another(key, data, expected):
        replace(key, before, expected)
        raise TryAgainError("somebody else did")

    before = store.read(POINTER).replace(other.encode(), version.encode())
    store.replace = overtaken_by_another
    with pytest.raises(TryAgainError):
        publish_there(store, tmp_path / "second", records, {"model": "def"})
    assert store.read(POINTER) == before


def test_what_others_publish_meanwhile_stays_unless_it_is_another_catalogue(store, mirror, tmp_path):
    records = staged(store, mirror)
    fetch_collection(store, tmp_path / "second")
    publish_stored_extension(store, tmp_path / "second", "other", records, SCHEMA, MODEL, ROWS)
    version = publish_there(store, mirror, records)
    fetch_collection(store, tmp_path / "second")
    assert current_extension(tmp_path / "second", "predictions").name == version
    assert current_extension(tmp_path / "second", "other").name.startswith("other-")
    before = store.read(POINTER)
    swap_collection(tmp_path / "second", hats_primary_table_url=version)
    store.replace(POINTER, (tmp_path / "second" / POINTER).read_bytes(), before)
    with pytest.raises(TryAgainError, match="Run the same command again"):
        publish_there(store, mirror, records)


@pytest.mark.parametrize("store", ["folder", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
def test_readers_see_one_version_or_the_other_during_swaps(store, mirror, tmp_path):
    sets = [staged(store, mirror, number=number) for number in (1, 2)]
    versions = [publish_there(store, mirror, records) for records in sets]
    expected = {version: {np.float32(number / 100)} for number, version in enumerate(versions, start=1)}
    pixels = open_catalogue(mirror).pixels
    done, wrong, opened = threading.Event(), [], []

    def read(place: Path):
        while not done.is_set():
            try:
                fetch_collection(store, place)
                version = current_extension(place, "predictions").name
                if values(store, version, pixels[len(opened) % len(pixels)]) != expected[version]:
                    wrong.append(version)
                opened.append(version)
            except Exception as error:  # whatever it is, a reader must not see it
                wrong.append(error)

    readers = [threading.Thread(target=read, args=(tmp_path / f"reader-{number}",)) for number in range(2)]
    for reader in readers:
        reader.start()
    for number in range(4):
        publish_there(store, mirror, sets[number % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert set(opened) == set(versions)
