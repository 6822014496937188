"""Progress: lines in a log, a bar on a terminal."""

import io
import logging

import pytest

from jpasbatch.compute.meter import Meter
from jpasbatch.compute.steps import Report
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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch, columns: int) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    return terminal


def epoch(key: str, done: int) -> Report:
    return Report(key, done, 50, "epoch", "f1 0.9000, loss 0.4000", 2.0)


def test_a_log_gets_a_line_for_each_running_task(caplog, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "MOST_TASKS", 2)
    meter = Meter("train: members", 8)
    meter.running.hear(Report("member-00", text="begun"))
    for number in (1, 2, 3):
        meter.running.hear(epoch(f"member-0{number}", 20))
    with caplog.at_level(logging.INFO, logger="jpasbatch"), show_progress(meter) as shown:
        shown.show()
    assert "train: members: 0 of 8 after 0 s, up to 3 min left" in caplog.text
    assert "train: members: member-00: begun\n" in caplog.text
    told = "train: members: member-01: epoch 20 of 50, f1 0.9000, loss 0.4000, up to 60 s left\n"
    assert told in caplog.text
    assert "train: members: ... and 2 more\n" in caplog.text


@pytest.mark.parametrize("columns", [80, 130])
def test_a_terminal_gets_a_line_for_each_running_task(monkeypatch, columns):
    terminal = terminal_of(monkeypatch, columns)
    meter = Meter("train: members", 4)
    with show_progress(meter) as shown:
        for number in range(2):
            meter.running.hear(epoch(f"member-0{number}", 7 + number))
        shown.show()
        meter.running.end("member-00")
        meter.succeed(None)
    text = terminal.getvalue()
    for words in ("member-00", "epoch 7 of 50", "epoch 8 of 50", "f1 0.9", "left", "1 of 4"):
        assert words in text
    assert ("loss 0.4000" in text) is (columns == 130)
    last = text[text.rindex("train: members") :]
    assert "member-01" in last
    assert "member-00" not in last


@pytest.mark.parametrize("rows", [0, 1000])
def test_a_terminal_gets_a_bar(monkeypatch, rows):
    terminal = terminal_of(monkeypatch, 140)
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
