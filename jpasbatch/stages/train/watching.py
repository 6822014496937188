"""A training that is watched: its curve, and what it tells the driver after its epochs."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from jpasbatch.compute.messages import send
from jpasbatch.compute.steps import Report
from jpasbatch.learning.curves import COLUMNS, Curve
from jpasbatch.learning.members import TrainedMember
from jpasbatch.learning.training import Snapshot

CURVE = "curve"
"""In the state of a training that may be cut off: its curve so far."""

SECONDS_BETWEEN_MESSAGES = 1.0
SECONDS_OF_COMPILING = 60.0
"""A first epoch that takes longer is mostly an epoch."""

NOT_TOLD = float("-inf")


class Watch:
    """What is kept and told of the training of one member.

    Parameters
    ----------
    topic : str or None
        Where it is told; None tells nobody.
    key : str
        Of the member.
    epochs : int
        Largest number of them.
    state : mapping of str to ndarray, optional
        Of an earlier process that trained the same member, see `with_curve`.
    """

    def __init__(self, topic: str | None, key: str, epochs: int, state: Snapshot | None) -> None:
        self.topic, self.key, self.epochs = topic, key, epochs
        self._rows: list[list[float]] = _earlier_rows(state)
        self._earlier = self._rows[-1][COLUMNS.index("seconds")] if self._rows else 0.0
        self._began = time.monotonic()
        self._first: float | None = None
        self._here = 0
        self._told = NOT_TOLD

    def begin(self) -> None:
        """Tell that the member's training has begun."""
        self._send(Report(self.key, text="begun" if not self._rows else "goes on"))

    def on_epoch(self, number: int, logs: Mapping[str, float]) -> None:
        """Keep an epoch, and tell of it unless another was told a moment ago."""
        now = time.monotonic()
        self._here += 1
        self._first = self._first or now
        scores = [logs[name] for name in ("loss", "validation_loss", "validation_f1", "learning_rate")]
        self._rows.append([float(number), *scores, self._earlier + now - self._began])
        if now - self._told < SECONDS_BETWEEN_MESSAGES:
            return
        self._told = now
        loss, validation_loss, f1 = scores[:3]
        text = f"f1 {f1:.4f}, loss {validation_loss:.4f} (training {loss:.4f})"
        self._send(Report(self.key, number, self.epochs, "epoch", text, self._pace(now)))

    def with_curve(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """Return the state of a training together with its curve so far."""
        return {**snapshot, CURVE: np.array(self._rows)}

    def curve(self, member: TrainedMember) -> Curve:
        """Return the curve of the member that came of it; of trees, which tell of no epoch, what they keep."""
        if not self._rows:
            return Curve.from_history(member.history, member.best_epoch)
        return Curve(np.array(self._rows), member.best_epoch)

    def _pace(self, now: float) -> float:
        """Return the seconds of an epoch, 0 while they are not known: the first one of a process compiles too."""
        if self._here == 1 or self._first is None:
            return now - self._began if now - self._began > SECONDS_OF_COMPILING else 0.0
        return (now - self._first) / (self._here - 1)

    def _send(self, report: Report) -> None:
        if self.topic is not None:
            send(self.topic, report.to_message())


def _earlier_rows(state: Snapshot | None) -> list[list[float]]:
    """Return the rows of an earlier process; what was trained before curves were kept has losses alone."""
    if state is None:
        return []
    if CURVE in state:
        return state[CURVE].tolist()
    start = "history_"
    history = {
        name.removeprefix(start): values.tolist() for name, values in state.items() if name.startswith(start)
    }
    rows = Curve.from_history(history, 0).rows
    rows[:, COLUMNS.index("seconds")] = 0.0  # not known; what follows is counted from here
    return rows.tolist()
