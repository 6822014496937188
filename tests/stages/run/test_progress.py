"""Progress: lines in a log, a bar on a terminal."""

import io
import logging

import pytest

from jpasbatch.compute.meter import Meter
from jpasbatch.stages.run import progress
from jpasbatch.stages.run.progress import show_progress


def advance(meter: Meter, shown: progress.Progress, rows: int = 0) -> None:
    meter.succeed({"rows": rows})
    shown.show()


def test_a_log_gets_a_line_now_and_then(caplog, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    meter = Meter("infer: partitions", 5, earlier=2)
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress(meter) as shown:
        advance(meter, shown)
        advance(meter, shown, rows=500)
        meter.fail("refused")
        shown.show()
    assert "infer: partitions: 3 to do (2 were done before)" in caplog.text
    assert "infer: partitions: 3 of 5 after 0 s, 0 s left" in caplog.text
    assert "infer: partitions: 4 of 5 after 0 s, 5,000 rows/s, 0 s left" in caplog.text
    assert "infer: partitions: 5 of 5 after 0 s, 5,000 rows/s, 1 error" in caplog.text


def test_a_log_gets_a_line_a_minute_and_the_first_one_sooner(caplog):
    meter = Meter("infer: partitions", 1000)
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress(meter) as shown:
        for second in range(200):
            meter.start -= 1
            advance(meter, shown, 10)
            assert len(caplog.records) == 1 + (second >= 9) + (second >= 69) + (second >= 129) + (
                second >= 189
            )
    assert len(caplog.records) == 6  # and one at the end
    assert "200 of 1,000" in caplog.records[-1].message


def test_a_log_is_not_flooded(caplog):
    meter = Meter("infer: partitions", 1000)
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress(meter) as shown:
        for _ in range(1000):
            advance(meter, shown, 10)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("rows", [0, 1000])
def test_a_terminal_gets_a_bar(monkeypatch, rows):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    meter = Meter("infer: partitions", 2)
    with show_progress(meter) as shown:
        advance(meter, shown, rows)
        meter.fail("killed")
    text = terminal.getvalue()
    for words in ("infer: partitions", "2 of 2", "1 error"):
        assert words in text
    assert ("rows/s" in text) is bool(rows)


def test_other_displays_are_told_whatever_one_of_them_raises():
    class Broken:
        def show(self, meter: Meter) -> None:
            raise OSError("no space left")

        close = show

    class Told:
        closed = False

        def show(self, meter: Meter) -> None:
            pass

        def close(self, meter: Meter) -> None:
            self.closed = meter.end is not None

    told = Told()
    with pytest.raises(OSError, match="no space"), show_progress(Meter("a: b", 1), (told, Broken())):
        pass
    assert told.closed
