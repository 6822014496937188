"""Commands whose standard streams are closed, or to which a name is given that is not text."""

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
