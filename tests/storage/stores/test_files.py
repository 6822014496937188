import multiprocessing
import os
import threading

import pytest

from jpasbatch.errors import TryAgainError
from jpasbatch.storage.stores import files
from jpasbatch.storage.stores.files import Lease, create_once, fsync_tree, sha256_file, write_atomically


def test_written_file_is_whole_and_leaves_nothing_aside(tmp_path):
    path = tmp_path / "pointer"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in tmp_path.iterdir()] == ["pointer"]


@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_crash_leaves_the_old_contents(tmp_path, monkeypatch, step):
    path = tmp_path / "pointer"
    write_atomically(path, b"old")

    def crash(*_):
        raise RuntimeError("crash")

    if step == "write":
        monkeypatch.setattr(files.os, "fsync", crash)
    else:
        monkeypatch.setattr(files.Path, "replace", crash)
    with pytest.raises(RuntimeError, match="crash"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["pointer"]


def test_readers_never_see_a_mixture(tmp_path):
    path = tmp_path / "pointer"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    write_atomically(path, contents[0])
    mixtures = []
    done = threading.Event()

    def read():
        while not done.is_set():
            found = path.read_bytes()
            if found not in contents:
                mixtures.append(len(found))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        write_atomically(path, contents[number % 2])
    done.set()
    reader.join()
    assert mixtures == []


def test_create_once_keeps_the_first(tmp_path):
    path = tmp_path / "record.json"
    assert create_once(path, b"first")
    assert not create_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_of_many_threads_one_creates(tmp_path):
    path = tmp_path / "record.json"
    barrier = threading.Barrier(8)
    won = []

    def create(number):
        barrier.wait()
        if create_once(path, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_bytes() == str(won[0]).encode()


def test_a_link_whose_reply_was_lost_still_counts(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    link = os.link

    def link_and_lose_the_reply(source, target):
        link(source, target)
        raise FileExistsError(target)

    monkeypatch.setattr(files.os, "link", link_and_lose_the_reply)
    assert create_once(path, b"mine")
    assert path.read_bytes() == b"mine"


def test_sha256_of_a_known_file(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_tree_is_flushed(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    flushed = []
    monkeypatch.setattr(files.os, "fsync", flushed.append)
    fsync_tree(tmp_path)
    assert len(flushed) == 4  # the file, b, a and the root


def test_a_held_lease_ends_with_code_75(tmp_path):
    path = tmp_path / "run" / "lease"
    with Lease(path):
        with pytest.raises(TryAgainError, match=f'"process": {os.getpid()}') as caught, Lease(path):
            pass
        assert caught.value.exit_code == 75
    with Lease(path):
        pass


def _hold_and_die(path, held):
    Lease(path).__enter__()
    held.set()
    os._exit(9)


def test_a_dead_holder_gives_its_lease_back(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold_and_die, args=(tmp_path / "lease", held))
    process.start()
    process.join()
    assert held.is_set()
    assert process.exitcode == 9
    with Lease(tmp_path / "lease"):
        pass
