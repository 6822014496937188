"""How a member of a committee learnt: losses, validation f1 and learning rate of each epoch, and how long they took.

A curve decides nothing. It is kept beside the committee, and no fingerprint knows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.learning.members import History

COLUMNS = ("epoch", "training_loss", "validation_loss", "validation_f1", "learning_rate", "seconds")
MOST_ROWS = 500
"""Epochs of a curve that are kept at most."""

DIGITS = 6
"""Significant digits that are kept."""


@dataclass(frozen=True)
class StoredCurve:
    """A `Curve` as it is kept: its columns, rounded to `DIGITS`; None, as JSON has it, is NaN."""

    best_epoch: int
    epoch: tuple[float | None, ...]
    training_loss: tuple[float | None, ...]
    validation_loss: tuple[float | None, ...]
    validation_f1: tuple[float | None, ...]
    learning_rate: tuple[float | None, ...]
    seconds: tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Curve:
    """The epochs of a training.

    Attributes
    ----------
    rows : ndarray of float64, shape (epochs, 6)
        The columns are those of `COLUMNS`; NaN where something was not measured. ``seconds`` since the training began,
        without the time between two processes where it was cut off.
    best_epoch : int
        Whose weights are kept, counted from 1.
    """

    rows: np.ndarray
    best_epoch: int

    @classmethod
    def from_history(cls, history: History, best_epoch: int) -> Curve:
        """Return what the history of a member tells, where no curve was kept: losses alone."""
        validation = history.get("validation_loss", [])
        rows = np.full((len(validation), len(COLUMNS)), np.nan)
        rows[:, 0] = np.arange(1, len(validation) + 1)
        rows[:, 2] = validation
        if len(training := history.get("loss", [])) == len(validation):
            rows[:, 1] = training
        return cls(rows, best_epoch)

    def column(self, name: str) -> np.ndarray:
        """Return one of `COLUMNS`, float64 (epochs,)."""
        return self.rows[:, COLUMNS.index(name)]

    def thinned(self, most: int = MOST_ROWS) -> Curve:
        """Return at most so many epochs (3 at least), evenly spread, with the first, the last and the kept one."""
        if len(self.rows) <= most:
            return self
        chosen = np.linspace(0, len(self.rows) - 1, max(most, 3) - 1).round().astype(np.int64)
        best = np.flatnonzero(self.column("epoch") == self.best_epoch)
        return Curve(self.rows[np.union1d(chosen, best)], self.best_epoch)

    def stored(self) -> StoredCurve:
        """Return the curve as it is kept; NaN stays NaN."""
        columns = (
            tuple(float(f"{value:.{DIGITS}g}") for value in self.column(name).tolist()) for name in COLUMNS
        )
        return StoredCurve(self.best_epoch, *columns)

    @classmethod
    def of(cls, stored: StoredCurve) -> Curve:
        """Return the curve that was kept."""
        columns = [np.array(getattr(stored, name), dtype=np.float64) for name in COLUMNS]
        return cls(np.stack(columns, axis=1), stored.best_epoch)
