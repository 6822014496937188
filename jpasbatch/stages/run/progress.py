"""Progress for people: a bar on a terminal, otherwise a line a minute in a log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from jpasbatch.compute.meter import Display, Meter

log = logging.getLogger(__name__)

FIRST_LINE_SECONDS = 10.0
SECONDS_BETWEEN_LINES = 60.0
WORTH_A_LAST_LINE = 2.0
"""Seconds that a stage must have taken for its end to be told."""


class _Lines:
    """A line in the log every minute, for what is not a terminal; the first one sooner."""

    def __init__(self, meter: Meter) -> None:
        self.due = FIRST_LINE_SECONDS
        earlier = f" ({meter.earlier:,} were done before)" if meter.earlier else ""
        log.info("%s: %s to do%s", meter.title, f"{meter.total - meter.earlier:,}", earlier)

    def show(self, meter: Meter) -> None:
        if meter.seconds >= self.due:
            self.due = meter.seconds + SECONDS_BETWEEN_LINES
            log.info("%s", meter.line())

    def close(self, meter: Meter) -> None:
        if meter.seconds >= WORTH_A_LAST_LINE:
            log.info("%s", meter.line())


class _Bar:
    """A bar of rich on a terminal; it shows what the lines say."""

    def __init__(self, meter: Meter) -> None:
        from rich import progress
        from rich.console import Console

        self.bar = progress.Progress(
            progress.TextColumn("{task.description:<28}"),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[left]}"),
            progress.TextColumn("{task.fields[speed]}"),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task(
            meter.title, total=meter.total, completed=meter.earlier, left="", speed=""
        )
        self.bar.start()

    def show(self, meter: Meter) -> None:
        self.bar.update(self.task, completed=meter.ended, left=meter.time_left(), speed=meter.speed())

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
    shown: Display = _Bar(meter) if sys.stderr.isatty() else _Lines(meter)
    with closing(Progress(meter, (shown, *displays))) as progress:
        yield progress
