"""What every store promises: whole objects, created once, replaced only by those who saw the last value."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.stores.objects import ObjectStore, check_endpoint
from jpasbatch.storage.stores.opening import open_store


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


def test_the_store_tells_when_objects_were_written(store):
    begun = time.time()
    store.create("a/b", b"one")
    store.create("c", b"two")
    assert store.changes("a").keys() == {"a/b"}
    assert store.changes().keys() == {"a/b", "c"}
    assert all(abs(when - begun) < 60 for when in store.changes().values())


def test_each_of_many_is_read_in_order(store):
    keys = [f"small/{number}" for number in range(100)]
    for key in keys[::2]:
        store.create(key, key.encode())
    found = list(store.read_each(reversed(keys)))
    assert [key for key, _ in found] == keys[::-1]
    assert all(data == (key.encode() if int(key[6:]) % 2 == 0 else None) for key, data in found)


def test_what_is_put_replaces_and_a_stamp_tells(store):
    keys = [f"folder/{number}" for number in range(5)] + ["other"]
    for key in keys:
        store.put(key, b"old")
    stamps = store.stamps(keys)
    assert sorted(stamps) == sorted(keys)
    assert store.stamps(["other", "absent"]) == {"other": stamps["other"]}
    assert store.stamps([*keys, "absent/one"]) == stamps
    store.put("folder/1", b"old")
    store.put("folder/2", b"new")
    store.remove("folder/3")
    assert store.read("folder/2") == b"new"
    again = store.stamps(keys)
    assert "folder/3" not in again
    assert {key for key in again if again[key] != stamps[key]} == {"folder/2"}


def test_a_copy_has_the_same_bytes_and_replaces_what_was_there(store):
    store.create("source", b"whole")
    store.create("place/target", b"damaged")
    store.copy("source", "place/target")
    assert store.read("place/target") == store.read("source") == b"whole"
    with pytest.raises(FileNotFoundError):
        store.copy("absent", "place/other")
    assert store.read("place/other") is None


def test_a_store_within_another(store):
    inner = store.within("one/two")
    assert inner.create("three", b"3")
    assert store.read("one/two/three") == b"3"
    assert inner.keys() == {"three": 1}
    assert open_store(str(inner)).read("three") == b"3"
    assert open_store(inner) is inner
    with pytest.raises(ValueError, match="key"):
        store.within("../outside")


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


@pytest.fixture
def _impatient(monkeypatch):
    """Let a client give up at once, and forget it afterwards."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("object_store_url", "_impatient")
def test_a_server_that_does_not_answer_is_told_from_one_that_refuses(monkeypatch):
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        store = open_store("s3://survey/x")
        for use in (
            lambda: store.read("a"),
            lambda: store.keys(),
            lambda: store.create("a", b""),
            lambda: store.check_conditions(),
        ):
            with pytest.raises(TryAgainError, match="s3://survey/x does not answer"):
                use()


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_refuses_or_is_busy(object_store_url, monkeypatch):
    from botocore.exceptions import ClientError, NoCredentialsError
    from s3fs.errors import translate_boto_error

    store = open_store("s3://survey/x")

    def failing(error):
        def fail(*_, **__):
            raise error

        return fail

    def of(code):
        return translate_boto_error(ClientError({"Error": {"Code": code, "Message": code}}, "GetObject"))

    for error, kind, words in (
        (of("AccessDenied"), InputError, "refuses access"),
        (of("InvalidAccessKeyId"), InputError, "Check credentials"),
        (NoCredentialsError(), InputError, "Check credentials"),
        (of("SlowDown"), TryAgainError, "does not answer"),
        (of("500"), TryAgainError, "same command again"),
        (of("QuotaExceeded"), TryAgainError, "make room"),
        (of("MetadataTooLarge"), OSError, "MetadataTooLarge"),
    ):
        monkeypatch.setattr(store._files, "cat_file", failing(error))
        with pytest.raises(kind, match=words):
            store.read("a")
