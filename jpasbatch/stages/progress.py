"""Progress for people: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 15.0


class Progress(Protocol):
    """What a stage tells of its progress."""

    def advance(self, steps: float = 1, rows: int = 0) -> None:
        """Add finished steps, and the rows that they held."""

    def move_to(self, steps: float) -> None:
        """Set the number of finished steps."""


class _Lines:
    """A line in the log every few seconds, for what is not a terminal."""

    def __init__(self, title: str, total: float) -> None:
        self.title, self.total = title, total
        self.steps, self.rows = 0.0, 0
        self.start = time.monotonic()
        self.last = self.start

    def advance(self, steps: float = 1, rows: int = 0) -> None:
        self.rows += rows
        self.move_to(self.steps + steps)

    def move_to(self, steps: float) -> None:
        self.steps = steps
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.last = now
        speed = f", {self.rows / (now - self.start):,.0f} rows/s" if self.rows else ""
        log.info("%s: %g of %g after %.0f s%s", self.title, self.steps, self.total, now - self.start, speed)


class _Bar:
    """A bar of rich on a terminal."""

    def __init__(self, title: str, total: float) -> None:
        from rich import progress
        from rich.console import Console

        self.bar = progress.Progress(
            progress.TextColumn("{task.description:<28}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[speed]}"),
            console=Console(stderr=True),
        )
        self.task = self.bar.add_task(title, total=total, speed="")
        self.rows, self.start = 0, time.monotonic()

    def advance(self, steps: float = 1, rows: int = 0) -> None:
        self.rows += rows
        speed = f"{self.rows / max(time.monotonic() - self.start, 0.1):,.0f} rows/s" if self.rows else ""
        self.bar.update(self.task, advance=steps, speed=speed)

    def move_to(self, steps: float) -> None:
        self.bar.update(self.task, completed=steps)


@contextmanager
def show_progress(title: str, total: float) -> Iterator[Progress]:
    """Show how far a stage is: a bar on a terminal, otherwise a line every quarter of a minute."""
    if not sys.stderr.isatty():
        log.info("%s: %g to do", title, total)
        yield _Lines(title, total)
        return
    shown = _Bar(title, total)
    with shown.bar:
        yield shown
