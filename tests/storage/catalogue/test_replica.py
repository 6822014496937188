"""A collection in a store: readers see all of the old one or all of the new one, and damage never travels."""

import shutil
import threading
from uuid import uuid4

import pytest
from upath import UPath

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue.collection import (
    POINTER,
    WRITER_LEASE,
    current_extension,
    open_catalogue,
    swap_collection,
)
from jpasbatch.storage.catalogue.replica import replicate_collection
from jpasbatch.storage.stores.files import Lease, sha256_file
from jpasbatch.storage.stores.objects import ObjectStore
from jpasbatch.storage.stores.opening import open_store
from tests.storage.catalogue.test_publication import ROWS, publish, stage


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    """Return an empty store of each kind."""
    if request.param == "folder":
        return open_store(tmp_path / "replica")
    request.getfixturevalue("object_store_url")
    return open_store(f"s3://survey/{uuid4().hex}/sky")


@pytest.fixture
def collection(sky):
    """Return a collection with predictions, and files that its pointer does not reach."""
    publish(sky, stage(sky, number=9), {"model": "older"})
    publish(sky, stage(sky))
    return sky


def place_of(store):
    return UPath(str(store), anon=False) if isinstance(store, ObjectStore) else store.folder


def test_hats_reads_there_what_was_published_here(collection, store):
    from hats import read_hats

    told = []
    replica = replicate_collection(collection, store, progress=lambda done, total: told.append((done, total)))
    assert replica.pointed
    assert replica.uploaded == replica.objects == len(store.keys()) - 1
    assert told[-1] == (replica.objects, replica.objects)
    current = current_extension(collection, "predictions")
    written = list(store.keys())
    assert not any(".staging" in key for key in written)
    assert len([key for key in written if key.startswith("predictions-")]) == 1 + sum(
        path.is_file() for path in current.rglob("*")
    )
    found = read_hats(place_of(store)).main_catalog
    assert len(found) == ROWS
    primary = open_catalogue(collection)
    assert [(pixel.order, pixel.pixel) for pixel in found.get_healpix_pixels()] == list(primary.pixels)
    for path in current.rglob("*.parquet"):
        assert store.read(path.relative_to(collection).as_posix()) == path.read_bytes()


def test_again_uploads_nothing_and_another_version_only_what_is_new(collection, store):
    first = replicate_collection(collection, store)
    again = replicate_collection(collection, store)
    assert (again.uploaded, again.bytes_uploaded, again.pointed) == (0, 0, False)
    version = publish(collection, stage(collection, number=5), {"model": "newer"})
    grown = replicate_collection(collection, store)
    assert grown.pointed
    assert grown.uploaded == sum(path.is_file() for path in version.rglob("*")) + 1 < first.uploaded
    assert store.read(POINTER) == (collection / POINTER).read_bytes()


def test_extensions_that_only_the_store_has_stay_with_their_catalogue(collection, store):
    replicate_collection(collection, store)
    version = current_extension(collection, "predictions").name
    swap_collection(collection, all_extensions=None)
    again = replicate_collection(collection, store)
    assert (again.uploaded, again.pointed) == (0, False)
    assert f"{version}.properties" in store.read(POINTER).decode()
    swap_collection(collection, hats_primary_table_url=version, all_margins=None, default_margin=None)
    assert replicate_collection(collection, store).pointed  # another catalogue: they are of other rows
    assert f"{version}.properties" not in store.read(POINTER).decode()


@pytest.mark.parametrize("store", ["folder", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
def test_killed_at_any_upload_readers_keep_the_old_one_and_the_rest_follows(collection, store, monkeypatch):
    replicate_collection(collection, store)
    before = store.read(POINTER)
    publish(collection, stage(collection, number=5), {"model": "newer"})
    create, uploads = store.create, []

    def killed(key, data):
        if key.startswith("."):  # notes for those who prune
            return create(key, data)
        if len(uploads) % 3 == 2:
            uploads.append("killed")
            raise KeyboardInterrupt
        uploads.append(key)
        return create(key, data)

    monkeypatch.setattr(store, "create", killed)
    kills = 0
    while True:
        try:
            replica = replicate_collection(collection, store)
            break
        except KeyboardInterrupt:
            kills += 1
            assert store.read(POINTER) == before
    assert kills > 1
    assert replica.pointed
    written = [key for key in uploads if key != "killed"]
    assert len(written) == len(set(written))


def test_two_at_once_publish_one_whole_collection(collection, store, tmp_path):
    other = shutil.copytree(collection, tmp_path / "other")
    publish(other, stage(other, number=5), {"model": "other"})
    results = []

    def replicate(folder):
        try:
            results.append(replicate_collection(folder, store).pointed)
        except TryAgainError:
            results.append(None)

    threads = [threading.Thread(target=replicate, args=(folder,)) for folder in (collection, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) >= 1
    pointed = [
        folder for folder in (collection, other) if (folder / POINTER).read_bytes() == store.read(POINTER)
    ]
    assert len(pointed) == 1
    version = current_extension(pointed[0], "predictions")
    for path in version.rglob("*.parquet"):
        assert store.read(path.relative_to(pointed[0]).as_posix()) == path.read_bytes()


def test_damage_here_or_there_is_not_pointed_at(collection, store):
    pixel = open_catalogue(collection).pixels[0]
    path = open_catalogue(current_extension(collection, "predictions")).partition_path(*pixel)
    whole = path.read_bytes()
    path.unlink()  # not its other name in the staging folder
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="damaged"):
        replicate_collection(collection, store)
    assert store.read(POINTER) is None
    path.write_bytes(whole)
    key = path.relative_to(collection).as_posix()
    store.remove(key)
    assert store.create(key, whole[:-1])
    with pytest.raises(InputError, match="damaged"):
        replicate_collection(collection, store)
    assert store.read(POINTER) is None
    store.remove(key)
    assert replicate_collection(collection, store).pointed
    assert sha256_file(path)


def test_what_is_no_collection_or_is_being_written_is_refused(collection, store, tmp_path):
    with pytest.raises(InputError, match="is no collection"):
        replicate_collection(tmp_path / "none", store)
    with Lease(collection / WRITER_LEASE), pytest.raises(TryAgainError):
        replicate_collection(collection, store)
    assert store.keys() == {}
    swap_collection(collection, all_extensions=None)
    assert replicate_collection(collection, store).pointed
