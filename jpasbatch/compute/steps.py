"""How far tasks are that still run, in steps: what they say of themselves, and the time that is left by it.

A stage of few and long tasks, as training is, would otherwise say nothing until the first of them ends.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Report:
    """What a running task says of itself.

    Attributes
    ----------
    key : str
        Of the task.
    done, total : int
        Steps (epochs) that are done, and that there are at most; both 0 while none is done.
    unit : str
        What a step is called: "epoch".
    text : str
        What else it says.
    seconds : float
        That a step takes; 0 while it is not known.
    heard : float
        Monotonic time of the driver when it was heard.
    """

    key: str
    done: int = 0
    total: int = 0
    unit: str = ""
    text: str = ""
    seconds: float = 0.0
    heard: float = field(default_factory=time.monotonic)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Report:
        """Return the report that `to_message` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            When the message is none.
        """
        steps = int(message["done"]), int(message["total"])
        texts = str(message["unit"]), str(message["text"])
        return cls(str(message["key"]), *steps, *texts, float(message["seconds"]))

    def to_message(self) -> dict[str, Any]:
        """Return all but the time, which is the receiver's."""
        return {
            "key": self.key,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "text": self.text,
            "seconds": self.seconds,
        }

    @property
    def whole(self) -> float | None:
        """Seconds of the whole task at most, or None while it is not known how long a step takes."""
        return self.seconds * self.total if self.done and self.seconds > 0 else None

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds that are left at most, or None while that is not known."""
        if self.whole is None:
            return None
        return max(self.seconds * (self.total - self.done) - (now - self.heard), 0.0)


class Running:
    """The tasks of a stage that run and tell of themselves."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._ended: set[str] = set()
        self._spent: list[float] = []
        self.most = 1
        """How many ran at once, at most."""

    def hear(self, report: Report) -> None:
        """Take note of a report; one of a task that has ended meanwhile says nothing."""
        if report.key not in self._ended:
            self._reports[report.key] = report
            self.most = max(self.most, len(self._reports))

    def end(self, key: str) -> None:
        """Forget a task that ended, but for how long it took."""
        self._ended.add(key)
        report = self._reports.pop(key, None)
        if report is not None and report.whole is not None:
            self._spent.append(report.seconds * report.done)

    @property
    def reports(self) -> list[Report]:
        """What each running task said last, by key."""
        return [report for _, report in sorted(self._reports.copy().items())]

    def seconds_left(self, tasks: int) -> float | None:
        """Return the seconds that are left at most, or None where no running task told enough.

        As many as ran at once will go on to do so. One that waits takes as long as those that ended did, or else as
        long as those that run may.

        Parameters
        ----------
        tasks : int
            That have not ended.
        """
        reports, now = self.reports, time.monotonic()
        wholes = [whole for report in reports if (whole := report.whole) is not None]
        if not wholes:
            return None
        typical = _mean(self._spent or wholes)
        left = [report.seconds_left(now) for report in reports]
        free = [0.0] * (self.most - len(left))
        hands = [typical if seconds is None else seconds for seconds in left] + free
        heapq.heapify(hands)
        for _ in range(tasks - len(reports)):
            heapq.heapreplace(hands, hands[0] + typical)
        return max(hands)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
