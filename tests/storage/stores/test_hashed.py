"""What is hashed is what is read, whatever happens to the file in between."""

import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpasbatch.errors import InputError
from jpasbatch.storage.stores import hashed
from jpasbatch.storage.stores.hashed import hash_file, reading_as_hashed

DAY_NS = 86_400 * 10**9


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tile.fits"
    path.write_bytes(b"one" * 1000)
    return path


def change(path, data):
    """Write other bytes, of the same size and with the same time: only the time of that remains."""
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_file_that_nobody_touches_is_read_and_hashed_once(file, monkeypatch):
    old = time.time_ns() - DAY_NS
    os.utime(file, ns=(old, old))
    later = time.time_ns() + 10 * 10**9
    monkeypatch.setattr(hashed.time, "time_ns", lambda: later)
    found = hash_file(file)
    assert found.settled
    monkeypatch.setattr(hashed, "sha256_file", lambda path: pytest.fail("it was hashed again"))
    with reading_as_hashed(found) as path:
        assert path == file


def read(found, meanwhile=lambda: None):
    """Read a file as it was hashed; other things happen meanwhile."""
    with reading_as_hashed(found):
        meanwhile()


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("when", ["before", "while"])
def test_other_bytes_of_the_same_size_and_time_are_refused(file, settled, when):
    found = hash_file(file)._replace(settled=settled)
    time.sleep(0.02)  # longer than a tick of the file system
    if when == "before":
        change(file, b"two" * 1000)
    with pytest.raises(InputError, match=r"tile\.fits: changed while it was read"):
        read(found, lambda: change(file, b"two" * 1000))


def test_a_young_file_is_hashed_again_although_its_times_are_the_same(file, monkeypatch):
    found = hash_file(file)
    assert not found.settled
    file.write_bytes(b"two" * 1000)
    monkeypatch.setattr(hashed, "_facts", lambda path: found.facts)  # a clock that has not ticked
    with pytest.raises(InputError, match="changed"):
        read(found)


def test_bytes_that_were_others_for_a_while_are_refused_although_they_are_back(file):
    def there_and_back():
        file.write_bytes(b"two" * 1000)
        time.sleep(0.02)
        file.write_bytes(b"one" * 1000)

    found = hash_file(file)
    with pytest.raises(InputError, match="changed"):
        read(found, there_and_back)


def test_a_copy_another_time_other_rights_and_a_link_are_no_change(file, tmp_path):
    found = hash_file(file)
    copy = tmp_path / "copy"
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    read(found, lambda: file.chmod(0o600))
    read(found, lambda: os.link(file, tmp_path / "second"))


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_file_that_goes_is_refused(file, when):
    found = hash_file(file)
    if when == "before":
        file.unlink()
    with pytest.raises(InputError, match="changed"):
        read(found, file.unlink)


def test_a_file_that_never_rests_cannot_be_hashed(file, monkeypatch):
    real, calls = hashed.sha256_file, []

    def written_to(path):
        calls.append(path)
        digest = real(path)
        with path.open("ab") as more:
            more.write(b"more")
        return digest

    monkeypatch.setattr(hashed, "sha256_file", written_to)
    with pytest.raises(InputError, match="changed while it was hashed"):
        hash_file(file)
    assert len(calls) == hashed.ATTEMPTS


def test_an_error_of_the_reader_stays_the_error_of_the_reader(file):
    with pytest.raises(ValueError, match="damaged"), reading_as_hashed(hash_file(file)):
        raise ValueError("damaged")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_what_is_read_has_the_hash_or_nothing_is(tmp_path, before, after):
    path = tmp_path / "table"
    path.write_bytes(before)
    found = hash_file(path)
    path.write_bytes(after)
    try:
        with reading_as_hashed(found):
            seen = path.read_bytes()
    except InputError:
        assert before != after
    else:
        assert seen == before
