"""Keys of a run in files: nobody else reads them, and they are gone after."""

import os
import socket
import stat
import subprocess

import pytest

from jpasbatch.compute.clusters.key_folder import keys_in_folder, mark_of, remove_left_over
from jpasbatch.errors import InputError


def look_and_fail(shared):
    with keys_in_folder(shared) as security:
        (folder,) = shared.iterdir()
        assert stat.S_IMODE(shared.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert folder.name.endswith(f"-{mark_of(security)}")
        assert "PRIVATE KEY" in (folder / "key.pem").read_text()
        assert security.get_connection_args("worker")["require_encryption"]
        raise RuntimeError("the run failed")


def test_keys_are_of_their_owner_alone_and_gone_after(tmp_path):
    shared = tmp_path / "new"
    former = os.umask(0)
    try:
        with pytest.raises(RuntimeError, match="the run failed"):
            look_and_fail(shared)
    finally:
        os.umask(former)
    assert list(shared.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    host = socket.gethostname()
    month = 40 * 86_400
    folders = {
        f"keys-{host}-{ended.pid}-0a1b2c3d": False,
        f"keys-{host}-{os.getpid()}-0a1b2c3d": True,
        f"keys-not-{host}-{ended.pid}-0a1b2c3d": True,
        "keys-old-host-7-0a1b2c3d": False,
        "logs": True,
    }
    for name in folders:
        (tmp_path / name).mkdir()
    before = tmp_path.stat().st_mtime - month
    os.utime(tmp_path / "keys-old-host-7-0a1b2c3d", (before, before))
    marks: list[str] = []
    remove_left_over(tmp_path, marks.append)
    assert marks == ["0a1b2c3d"] * 2
    assert {name: (tmp_path / name).exists() for name in folders} == folders


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="shared_folder"), keys_in_folder(tmp_path / "file" / "shared"):
        pass
