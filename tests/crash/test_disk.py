"""A disk that fills up: nothing half-done is seen, the message names the file, and with room the same command ends."""

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jpasbatch import cli
from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue.collection import current_extension
from jpasbatch.storage.stores import files
from tests.crash.judgement import FAULTS, judge

ROOM_KIB = 16


def infer(folder: Path) -> int:
    return cli.main(["infer", str(folder / "tiny.toml"), "--output", str(folder), "--serial"])


def check_stopped(code: int, folder: Path, error: str) -> None:
    assert code == 75
    assert "the disk is full" in error
    assert (
        str(folder / "sky") in error or str(folder / "work") in error or str(folder / "quarantine") in error
    )
    assert "make room and run the same command again" in error
    assert "Traceback" not in error
    with pytest.raises(InputError, match="no 'predictions'"):
        current_extension(folder / "sky", "predictions")
    assert not list(folder.glob("sky/.staging/*/*.tmp"))


def check_whole(folder: Path, undisturbed: Path) -> None:
    found, wanted = (current_extension(place / "sky", "predictions") for place in (folder, undisturbed))
    assert judge(found, wanted) == dict.fromkeys(FAULTS, 0)
    assert not (folder / "sky" / ".building").exists()


def half_written(function: Callable[..., Any], position: int) -> Callable[..., Any]:
    """Return a function that writes half of its file, and then finds the disk full."""

    def write(*arguments: Any, **options: Any) -> None:
        path = Path(arguments[position])
        function(*arguments, **options)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    return write


def refused(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("place", "name", "full"),
    [
        (pq, "write_table", half_written(pq.write_table, 1)),
        (files, "_write_and_flush", half_written(files._write_and_flush, 0)),
        (catalogue_assembly, "write_provenance", refused),
        (Path, "write_bytes", half_written(Path.write_bytes, 0)),
    ],
    ids=["partition", "commit", "metadata", "pointer"],
)
def test_a_disk_that_fills_up(place, name, full, trained_copy, undisturbed, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(place, name, full)
        code = infer(trained_copy)
    check_stopped(code, trained_copy, capsys.readouterr().err)
    assert infer(trained_copy) == 0
    check_whole(trained_copy, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of its own, or skip where that is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_that_is_really_full(small_disk, snapshots, undisturbed, capsys):
    """The commits need room one after the other, the version another time: the disk grows until all is there."""

    def resize(kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", str(small_disk)], check=True)

    folder = Path(shutil.copytree(snapshots / "trained", small_disk / "run"))
    size = (shutil.disk_usage(small_disk).used >> 10) + ROOM_KIB
    resize(size)
    stops = 0
    while (code := infer(folder)) != 0:
        check_stopped(code, folder, capsys.readouterr().err)
        stops += 1
        assert stops < 20
        size = (
            size + 4 * ROOM_KIB if stops < 4 else size * 5 // 4
        )  # first among the commits, then in the version
        resize(size)
    assert stops >= 4
    check_whole(folder, undisturbed)
