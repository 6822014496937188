"""Lines of the log: with dates where nobody looks on, and as JSON of which every line is an object."""

import json
import logging
import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from jpasbatch import log_lines
from jpasbatch.log_lines import JsonLines, belongs_to, draws_bars, formatter, say, start_log, urgent_line


@pytest.fixture(autouse=True)
def _as_before(unchanged_process, monkeypatch):
    """Put back what the log of a process is set to."""
    environment = dict(os.environ)
    hook = sys.excepthook
    yield
    start_log("text", False)
    sys.excepthook = hook
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    given = None if error is None else (type(error), error, None)
    return logging.LogRecord("jpasbatch.x", logging.WARNING, __file__, 1, message, arguments, given)


def test_a_json_line_says_what_it_belongs_to():
    belongs_to("2026-x", "infer")
    told = json.loads(JsonLines().format(record("a\nb %s \u2028 %d", "\udcff", 3)))
    assert datetime.fromisoformat(told.pop("time")).utcoffset().total_seconds() == 0
    assert told == {
        "level": "WARNING",
        "logger": "jpasbatch.x",
        "run": "2026-x",
        "stage": "infer",
        "message": "a\nb \udcff \u2028 3",
    }
    assert "\n" not in JsonLines().format(record("a\nb\r\u2028"))


def test_an_exception_is_told_within_its_line():
    line = JsonLines().format(record("stopped", error=ValueError("two\nlines")))
    assert "ValueError: two" in json.loads(line)["exception"]
    assert "\n" not in line


@pytest.mark.parametrize(
    ("terminal", "form"),
    [(True, r"\d\d:\d\d:\d\d a"), (False, r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} a")],
)
def test_text_has_dates_where_nobody_looks_on(terminal, form):
    assert re.fullmatch(form, formatter(terminal).format(record("a")))


def test_what_ends_a_command_is_a_line_for_people_or_an_object(capsys, caplog):
    say("refused")
    assert capsys.readouterr().err == "jpasbatch: refused\n"
    assert urgent_line("SIGTERM") == b"jpasbatch: SIGTERM\n"
    start_log("json", False)
    say("refused 100 %s")
    assert capsys.readouterr().err == ""
    assert caplog.messages == ["refused 100 %s"]
    assert json.loads(urgent_line("SIGTERM"))["message"] == "SIGTERM"


def test_nothing_is_drawn_between_json_lines(monkeypatch):
    monkeypatch.setattr(log_lines.sys.stderr, "isatty", lambda: True)
    assert draws_bars()
    start_log("json", False)
    assert not draws_bars()


def lines_of(*arguments: str) -> tuple[int, list[dict]]:
    command = [sys.executable, "-m", "jpasbatch", *arguments, "--log-format", "json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DASK_")}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return ended.returncode, [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_command_that_fails_says_so_in_json():
    code, lines = lines_of("run", "no-such.toml")
    assert code == 2
    assert [(one["level"], one["message"]) for one in lines] == [("ERROR", "no such file: no-such.toml")]


@pytest.mark.slow
def test_driver_and_workers_log_in_json_alone(snapshots, tmp_path):
    import shutil

    folder = shutil.copytree(snapshots / "trained", tmp_path / "run")
    file = tmp_path / "cluster.toml"
    file.write_text('kind = "local"\nworkers = 1\nmemory_limit = "1 MiB"\nno_workers_timeout = 3\n')
    where = ("--output", str(folder), "--cluster", str(file), "--verbose")
    code, lines = lines_of("infer", str(folder / "tiny.toml"), *where)
    assert code == 75
    loggers = {one["logger"].partition(".")[0] for one in lines}
    assert {"jpasbatch", "distributed"} <= loggers  # nannies tell that the memory was not enough
    assert "infer" in {one["stage"] for one in lines}
    assert len({one["run"] for one in lines} - {None}) == 1
