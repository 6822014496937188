"""What every store promises: whole objects, created once, replaced only by those who saw the last value."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.object_store import ObjectStore, check_endpoint
from jpasbatch.storage.stores import open_store


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    """Return an empty store of each kind: a new member joins here."""
    if request.param == "folder":
        return open_store(tmp_path)
    request.getfixturevalue("object_store_url")
    return open_store(f"s3://survey/{uuid4().hex}/run")


def test_what_was_written_is_read_and_listed(store):
    assert store.read("a/b") is None
    assert store.keys() == {}
    assert store.create("a/b", b"one")
    assert store.create("a/c/d", b"")
    assert store.create("e", b"three")
    assert (store.read("a/b"), store.read("a/c/d")) == (b"one", b"")
    assert store.keys() == {"a/b": 3, "a/c/d": 0, "e": 5}
    assert store.keys("a") == {"a/b": 3, "a/c/d": 0}
    assert store.keys("none") == {}
    store.remove("a/b")
    store.remove("a/b")
    assert store.read("a/b") is None


def test_of_many_writers_one_creates_and_its_bytes_stay(store):
    # two of them with the same bytes: only one may take itself for the first
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: store.create("commit", str(number // 2).encode()), range(16)))
    assert sum(won) == 1
    assert store.read("commit") == str(won.index(True) // 2).encode()
    assert not store.create("commit", b"later")


def test_of_many_who_replace_what_they_saw_one_succeeds(store):
    store.replace("pointer", b"0", expected=None)
    for seen in (None, b"other"):
        with pytest.raises(TryAgainError, match="pointer"):
            store.replace("pointer", b"x", expected=seen)
    with pytest.raises(TryAgainError):
        store.replace("absent", b"x", expected=b"0")

    def swap(number):
        try:
            store.replace("pointer", f"new {number}".encode(), expected=b"0")
        except TryAgainError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(swap, range(16)))
    assert sum(won) == 1
    assert store.read("pointer") == f"new {won.index(True)}".encode()


def test_an_object_of_several_parts_is_created_once(store):
    data = b"0123456789abcdef" * (105 << 16)  # 105 MiB: s3fs uploads it in parts
    assert store.create("large", data)
    assert not store.create("large", data[:-1])
    assert store.read("large") == data


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../../b", "a//b", "./a"])
def test_keys_stay_within_the_store(store, key):
    for use in (store.read, store.remove, lambda key: store.create(key, b"")):
        with pytest.raises(ValueError, match="key"):
            use(key)


def test_an_honest_server_passes_and_one_that_overwrites_is_refused(object_store_url, monkeypatch):
    store = ObjectStore("s3://survey/conditions")
    store.check_conditions()
    assert store.keys() == {}
    with pytest.raises(InputError, match="Cannot write to s3://missing/x"):
        ObjectStore("s3://missing/x").check_conditions()
    put = store._files.pipe_file
    monkeypatch.setattr(store._files, "pipe_file", lambda path, data, mode, **more: put(path, data, **more))
    with pytest.raises(InputError, match="ignores If-None-Match"):
        store.check_conditions()


@pytest.mark.parametrize(
    "location", ["s3://", "s3://key:secret@bucket/x", "gs://bucket/x", "s3://Bucket/x", "s3:/bucket"]
)
def test_other_locations_are_refused(location):
    with pytest.raises(InputError, match="allowed is s3://BUCKET/PREFIX") as refused:
        open_store(location)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://storage.example.org", "ftp://127.0.0.1", "http://10.0.0.1:9000"])
def test_plain_connections_stay_on_this_machine(url, monkeypatch):
    with pytest.raises(InputError, match="allowed are https"):
        check_endpoint(url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    with pytest.raises(InputError, match="allowed are https"):
        open_store("s3://survey/x")
    for allowed in (
        "",
        "https://storage.example.org",
        "http://127.0.0.1:9000",
        "http://[::1]:1",
        "http://localhost",
    ):
        check_endpoint(allowed)
