"""Progress for people: bars on a terminal, otherwise lines in a log every minute.

One for the stage; and where its tasks tell how far they are, one for each that runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from jpasbatch.compute.meter import Display, Meter, duration
from jpasbatch.compute.steps import Report
from jpasbatch.log_lines import draws_bars

if TYPE_CHECKING:
    from rich.progress import TaskID

log = logging.getLogger(__name__)

FIRST_LINE_SECONDS = 10.0
SECONDS_BETWEEN_LINES = 60.0
WORTH_A_LAST_LINE = 2.0
"""Seconds that a stage must have taken for its end to be told."""


BAR = 8
BESIDE_TEXT = BAR + 15 + 7 + 16 + 5
"""Columns of a terminal for bar, steps, time, time left, and the blanks between them."""

MOST_TASKS = 16
"""Running tasks that are shown one by one."""


def _shown(meter: Meter) -> tuple[list[Report], int]:
    """Return the running tasks to be shown, and how many others there are."""
    reports = meter.running.reports
    return reports[:MOST_TASKS], max(len(reports) - MOST_TASKS, 0)


def _left(report: Report) -> str:
    left = report.seconds_left(time.monotonic())
    return f"up to {duration(left)} left" if left else ""


def _steps(report: Report) -> str:
    return f"{report.unit} {report.done:,} of {report.total:,}" if report.done else ""


def _line(title: str, report: Report) -> str:
    """Return what a running task says, for a log."""
    said = ", ".join(part for part in (_steps(report), report.text, _left(report)) if part)
    return f"{title}: {report.key}: {said}"


class _Lines:
    """Shows progress where there is no terminal: a line in the log every minute, the first ones sooner."""

    def __init__(self, meter: Meter) -> None:
        self.due = FIRST_LINE_SECONDS
        earlier = f" ({meter.earlier:,} were done before)" if meter.earlier else ""
        log.info("%s: %s to do%s", meter.title, f"{meter.total - meter.earlier:,}", earlier)

    def show(self, meter: Meter) -> None:
        if meter.seconds >= self.due:
            self.due = meter.seconds + SECONDS_BETWEEN_LINES
            log.info("%s", meter.line())
            reports, more = _shown(meter)
            for report in reports:
                log.info("%s", _line(meter.title, report))
            if more:
                log.info("%s: ... and %d more", meter.title, more)

    def close(self, meter: Meter) -> None:
        if meter.seconds >= WORTH_A_LAST_LINE:
            log.info("%s", meter.line())


class _Bar:
    """A bar of rich on a terminal, and one more for each running task that tells how far it is."""

    def __init__(self, meter: Meter) -> None:
        from rich import progress
        from rich.console import Console

        self.bar = progress.Progress(
            progress.TextColumn("{task.description:<16}"),
            progress.BarColumn(bar_width=BAR),
            progress.TextColumn("{task.fields[counts]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[left]}"),
            progress.TextColumn("{task.fields[speed]}"),
            console=Console(stderr=True),
        )
        self.task = self._add(meter.title, meter.total)
        self.running: dict[str, TaskID] = {}
        self.show(meter)
        self.bar.start()

    def show(self, meter: Meter) -> None:
        reports, more = _shown(meter)
        for key in self.running.keys() - {report.key for report in reports}:
            self.bar.remove_task(self.running.pop(key))
        for report in reports:
            if report.key not in self.running:
                self.running[report.key] = self._add(f"  {report.key}", None)
            self.bar.update(
                self.running[report.key],
                total=report.total or None,  # a bar that only moves, until it is known
                completed=report.done,
                counts=_steps(report),
                left=_left(report),
                speed=self._cropped(report.text),
            )
        speed = ", ".join(part for part in (meter.speed(), f"{more} more" if more else "") if part)
        counts = f"{meter.ended:,} of {meter.total:,}"
        self.bar.update(self.task, completed=meter.ended, counts=counts, left=meter.time_left(), speed=speed)

    def _cropped(self, text: str) -> str:
        """Return a text, cut to the width that the rest of the line leaves."""
        titles = max(len(task.description) for task in self.bar.tasks)
        room = max(self.bar.console.width - titles - BESIDE_TEXT, 1)
        return text if len(text) <= room else f"{text[: room - 1]}…"

    def _add(self, title: str, total: int | None) -> TaskID:
        return self.bar.add_task(title, total=total, counts="", left="", speed="")

    def close(self, meter: Meter) -> None:
        self.show(meter)
        self.bar.stop()


class Progress:
    """A meter, and where it is shown."""

    def __init__(self, meter: Meter, displays: tuple[Display, ...]) -> None:
        self.meter, self.displays = meter, displays

    def show(self) -> None:
        """Show the meter as it is."""
        for display in self.displays:
            display.show(self.meter)

    def close(self) -> None:
        """Stop the meter's clock and show it for the last time."""
        self.meter.finish()
        with ExitStack() as stack:  # all of them, whatever one of them raises
            for display in self.displays:
                stack.callback(display.close, self.meter)


@contextmanager
def show_progress(meter: Meter, displays: tuple[Display, ...] = ()) -> Iterator[Progress]:
    """Show how far a stage is: a bar on a terminal, otherwise lines in the log; and on further displays."""
    shown: Display = _Bar(meter) if draws_bars() else _Lines(meter)
    with closing(Progress(meter, (shown, *displays))) as progress:
        yield progress
