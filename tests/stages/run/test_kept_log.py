"""The log of a run in a file: what was said, what ended it, and no more files than a hundred."""

import errno
import logging
from pathlib import Path

import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.run import kept_log as module
from jpasbatch.stages.run.kept_log import KEPT, LOGS, kept_log

log = logging.getLogger("jpasbatch.test")


@pytest.fixture(autouse=True)
def _told(caplog):
    """Let details through."""
    caplog.set_level(logging.INFO, "jpasbatch")


def test_what_is_said_and_what_ends_it_is_kept(tmp_path):
    def run() -> None:
        with kept_log(tmp_path, "r1"):
            log.info("infer: started")
            raise InputError("object 9-1 of tile.fits")

    with pytest.raises(InputError):
        run()
    log.info("afterwards")
    text = (tmp_path / LOGS / "r1.log").read_text()
    assert "infer: started" in text
    assert "InputError: object 9-1 of tile.fits" in text
    assert "afterwards" not in text


def test_the_oldest_are_removed(tmp_path):
    (tmp_path / LOGS).mkdir(parents=True)
    for number in range(KEPT + 5):
        (tmp_path / LOGS / f"2026{number:04d}.log").touch()
        (tmp_path / LOGS / f"2026{number:04d}-infer.html").touch()
    with kept_log(tmp_path, "20269999"):
        pass
    left = sorted(path.stem for path in (tmp_path / LOGS).glob("*.log"))
    assert len(left) == KEPT
    assert (left[0], left[-1]) == ("20260006", "20269999")
    assert min(path.name for path in (tmp_path / LOGS).iterdir()) == "20260006-infer.html"


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path, caplog):
    (tmp_path / "work").write_text("no folder")
    with kept_log(tmp_path, "r1"):
        log.info("goes on")
    assert "no log of this run is kept" in caplog.text


def test_a_full_disk_stops_nothing(tmp_path, caplog, monkeypatch, capsys):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with kept_log(tmp_path, "r1"):
        log.info("kept")
        monkeypatch.setattr(module._LogFile, "flush", refuse)
        for _ in range(3):
            log.info("not kept")
        monkeypatch.undo()
    assert caplog.text.count("cannot be written any more") == 1
    assert capsys.readouterr().err == ""
    assert Path(tmp_path / LOGS / "r1.log").is_file()
