"""Progress: lines in a log, a bar on a terminal."""

import io
import logging

import pytest

from jpasbatch.stages import progress
from jpasbatch.stages.progress import show_progress


def test_a_log_gets_a_line_now_and_then(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress("partitions", 3) as shown:
        shown.advance()
        shown.advance(1, rows=500)
        shown.move_to(3)
    assert "partitions: 3 to do" in caplog.text
    assert "partitions: 1 of 3" in caplog.text
    assert "partitions: 2 of 3 after 0 s, " in caplog.text
    assert "rows/s" in caplog.text
    assert "partitions: 3 of 3" in caplog.text


def test_a_log_is_not_flooded(caplog):
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress("partitions", 1000) as shown:
        for _ in range(1000):
            shown.advance(1, 10)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("rows", [0, 1000])
def test_a_terminal_gets_a_bar(monkeypatch, rows):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with show_progress("partitions", 2) as shown:
        shown.advance(1, rows)
        shown.move_to(2)
    assert "partitions" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert ("rows/s" in terminal.getvalue()) is bool(rows)
