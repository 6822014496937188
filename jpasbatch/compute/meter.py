"""How far a stage is: counts that a bar, a log and a file of metrics show alike."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from jpasbatch.compute.steps import Running


@dataclass
class Meter:
    """Counts of the tasks of one stage.

    Attributes
    ----------
    title : str
        Such as ``infer: partitions``: the stage, and what its tasks are.
    total : int
        Tasks to do, those of an earlier run that need not be done again included.
    earlier : int
        How many of them an earlier run did.
    done : int
        Tasks that succeeded, earlier ones included.
    troubles : Counter of str
        Tasks that did not succeed, by status (``refused``, ``failed``, ``killed``).
    rows, bytes, quarantined : int
        Rows and bytes that this run's tasks wrote, and rows that they refused, as far as they tell.
    workers : int
    running : Running
        Tasks that run now and tell how far they are, if the stage's do.
    start, end : float
        Monotonic times, in seconds; the end is None while tasks run.
    """

    title: str
    total: int
    earlier: int = 0
    done: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    bytes: int = 0
    quarantined: int = 0
    workers: int = 1
    running: Running = field(default_factory=Running)
    start: float = field(default_factory=time.monotonic)
    end: float | None = None

    def __post_init__(self) -> None:
        self.done = self.done or self.earlier

    def succeed(self, result: Any) -> None:
        """Count a task that succeeded, and ``rows``, ``bytes`` and ``quarantined`` of its result, if it has any.

        A result that has ``tasks`` is that of so many.
        """
        self.done += _count(result, "tasks", otherwise=1)
        self.rows += _count(result, "rows")
        self.bytes += _count(result, "bytes")
        self.quarantined += _count(result, "quarantined")

    def fail(self, status: str) -> None:
        """Count a task that did not succeed."""
        self.troubles[status] += 1

    def forgive(self, status: str) -> None:
        """Take a trouble back: what did not succeed runs once more, in another way."""
        self.troubles[status] -= 1

    def finish(self) -> None:
        """Stop the clock."""
        self.end = time.monotonic()

    @property
    def ended(self) -> int:
        """Tasks that succeeded or were given up."""
        return self.done + self.errors

    @property
    def errors(self) -> int:
        """Tasks that were given up."""
        return sum(self.troubles.values())

    @property
    def seconds(self) -> float:
        """Since the start, until the end."""
        return (time.monotonic() if self.end is None else self.end) - self.start

    @property
    def rows_per_second(self) -> float:
        """Of this run, on average."""
        return self.rows / max(self.seconds, 0.1)

    @property
    def seconds_left(self) -> float | None:
        """By what running tasks tell, or at the pace of this run so far; None while neither is known."""
        told = self._told()
        if told is not None:
            return told
        ended = self.ended - self.earlier
        return self.seconds / ended * (self.total - self.ended) if ended else None

    def _told(self) -> float | None:
        return self.running.seconds_left(self.total - self.ended)

    def speed(self) -> str:
        """Return rows per second and errors, as far as there are any."""
        parts = [f"{self.rows_per_second:,.0f} rows/s"] if self.rows else []
        if self.errors:
            parts.append(f"{self.errors:,} {'errors' if self.errors > 1 else 'error'}")
        return ", ".join(parts)

    def time_left(self) -> str:
        """Return the time that is left, where it is known and there is any."""
        if not self.seconds_left:
            return ""
        most = "up to " if self._told() is not None else ""  # a training may stop early
        return f"{most}{duration(self.seconds_left)} left"

    def line(self) -> str:
        """Return one line for a log."""
        counts = f"{self.title}: {self.ended:,} of {self.total:,} after {duration(self.seconds)}"
        return ", ".join(part for part in (counts, self.speed(), self.time_left()) if part)


def duration(seconds: float) -> str:
    """Return a time as people say it: ``43 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Display(Protocol):
    """Somewhere to show a meter: a terminal, a log, a file."""

    def show(self, meter: Meter) -> None:
        """Show it, unless it was shown a moment ago; called about twice a second."""

    def close(self, meter: Meter) -> None:
        """Show it for the last time."""


def _count(result: Any, name: str, otherwise: int = 0) -> int:
    """Return what a result counts under a name, as the key of a dict or the field of an object."""
    return int(result.get(name, otherwise) if isinstance(result, dict) else getattr(result, name, otherwise))
