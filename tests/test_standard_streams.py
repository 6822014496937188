"""Commands whose standard streams are closed, or to which a name is given that is not text."""

import errno
import os
import subprocess
import sys

import pytest

from jpasbatch.cli import main
from jpasbatch.regular_files import read_text

pytestmark = pytest.mark.usefixtures("unchanged_process")


def test_a_command_without_streams_ends_as_promised(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    script = f'exec "{sys.executable}" -m jpasbatch check a.csv --survey nepw14 <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_a_name_that_is_not_text_is_told_as_an_escape(tmp_path, capfd):
    path = os.fsencode(tmp_path) + b"/tile\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"x\n1\n")
    assert main(["check", os.fsdecode(path), "--survey", "nepw14"]) == 2
    assert "its name is not text in UTF-8" in capfd.readouterr().out


def test_a_name_that_the_locale_cannot_read_is_not_said_to_be_wrong(tmp_path, capfd):
    path = tmp_path / "tuile é.csv"
    path.write_text("x\n1\n")
    misread = os.fsencode(path).decode("ascii", "surrogateescape")  # as Python has it where LC_ALL is C
    assert main(["check", misread, "--survey", "nepw14"]) == 2
    assert "set LC_ALL=C.UTF-8" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "choose a shorter one"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 75, "INTERRUPTED: who read what is printed has gone"),
        (OSError(errno.EROFS, "Read-only file system", "a"), 75, "the system refused"),
    ],
)
def test_errors_of_the_system_say_whether_the_same_command_helps(error, code, words, capsys, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("jpasbatch.stages.check.command.check_command", fail)
    assert main(["check", "a.csv", "--survey", "nepw14"]) == code
    assert words in capsys.readouterr().err


@pytest.mark.timeout(20)
def test_a_pipe_or_device_is_no_job_file(tmp_path, capsys):
    os.mkfifo(pipe := tmp_path / "job.toml")
    for path in (pipe, "/dev/zero"):
        assert main(["status", str(path)]) == 2
        assert "is no regular file" in capsys.readouterr().err
    survey = tmp_path / "survey.toml"
    os.mkfifo(survey)
    assert main(["check", str(tmp_path), "--survey", str(survey)]) == 2
    assert "is no regular file" in capsys.readouterr().err


def test_a_text_that_is_too_large_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "job.toml"
    path.write_text("x" * 11)
    monkeypatch.setattr("jpasbatch.regular_files.LARGEST_TEXT", 10)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_text(path)
