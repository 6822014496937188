"""When a training stops and which epoch is kept: rules for any classifier that has epochs or iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options


@dataclass(frozen=True)
class EpochScores:
    """How a classifier does on the validation set after an epoch.

    Attributes
    ----------
    loss, accuracy : float
    completeness : dict of str to float
        By class.
    """

    loss: float
    accuracy: float
    completeness: dict[str, float]


class StopRule(Protocol):
    """A rule with its options: the table ``[stop]`` of a job file."""

    @property
    def kind(self) -> str:
        """Name in job files."""
        ...

    @property
    def keep(self) -> str:
        """Which epoch is kept: "best" or "last"."""
        ...

    def monitor(self, scores: EpochScores) -> float:
        """Return what is watched; the more, the better."""
        ...

    def eligible(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 1, may be kept."""
        ...

    def stops(self, monitors: Sequence[float], patience: int) -> bool:
        """Return whether to stop after the epochs of which the monitors are given, one at least."""
        ...


@dataclass(frozen=True)
class LowestLoss(Options):
    """Stop when the validation loss has not fallen for `TrainingPlan.patience` epochs; keep that of the lowest."""

    kind: Literal["lowest_loss"] = "lowest_loss"

    keep = "best"

    def monitor(self, scores: EpochScores) -> float:
        """Return the loss with its sign turned."""
        return -scores.loss

    def eligible(self, epoch: int) -> bool:
        """Return true: every epoch may be kept."""
        return True

    def stops(self, monitors: Sequence[float], patience: int) -> bool:
        """Return whether the best epoch is `patience` epochs ago."""
        return len(monitors) - (int(np.argmax(monitors)) + 1) >= patience


@dataclass(frozen=True)
class WeightedCompleteness(Options):
    """Stop when N x completeness + accuracy has fallen (Chen et al. 2021, MNRAS 501, 3951, eq. 3).

    After epoch t where monitor(t) - monitor(t - M) < delta. Patience says nothing here.

    Attributes
    ----------
    kind : "weighted_completeness"
    of : str
        Class whose completeness counts; the last one if empty.
    weight : float
        N.
    epochs : int
        M.
    delta : float
        Negative: how much of a fall is borne.
    not_before : int
        Epochs before which it does not stop, and of which none is kept: a network that knows nothing yet jumps from
        one class to the other. The paper has no such number, but repeats a training until it succeeds.
    keep : {"best", "last"}
        The epoch of the highest monitor, or the one at which it stopped (algorithm 1, line 12). The paper saves
        "the best-performing models", hence "best".
    """

    kind: Literal["weighted_completeness"] = "weighted_completeness"
    of: str = ""
    weight: Annotated[float, Interval(ge=0, le=1000)] = 1.5
    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 4
    delta: Annotated[float, Interval(gt=-np.inf, lt=np.inf)] = -0.10
    not_before: Annotated[int, Interval(ge=0, le=100_000)] = 0
    keep: Literal["best", "last"] = "best"

    def monitor(self, scores: EpochScores) -> float:
        """Return N x completeness + accuracy."""
        name = self.of or list(scores.completeness)[-1]
        return self.weight * scores.completeness[name] + scores.accuracy

    def eligible(self, epoch: int) -> bool:
        """Return whether the epoch is not too early."""
        return epoch >= self.not_before

    def stops(self, monitors: Sequence[float], patience: int) -> bool:
        """Return whether the monitor fell by more than is borne within M epochs."""
        begun = len(monitors) > max(self.epochs, self.not_before)
        return begun and monitors[-1] - monitors[-1 - self.epochs] < self.delta


def kept_epoch(rule: StopRule, monitors: Sequence[float]) -> int:
    """Return the epoch, counted from 1, that a rule keeps of those so far: the last, or the best eligible one."""
    if rule.keep == "last":
        return len(monitors)
    allowed = [value if rule.eligible(number) else -np.inf for number, value in enumerate(monitors, start=1)]
    return int(np.argmax(allowed)) + 1


STOP_RULES: tuple[type[StopRule], ...] = (LowestLoss, WeightedCompleteness)
"""Every rule that a job file may name."""


def scores_of(
    loss: float, probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> EpochScores:
    """Return the scores of an epoch.

    Parameters
    ----------
    loss : float
    probabilities : ndarray, shape (n, classes)
        Or anything whose largest value is that of the predicted class.
    labels : ndarray of int, shape (n,)
    classes : tuple of str
        Each with an object at least.
    """
    right = probabilities.argmax(axis=1) == labels
    by_class = {name: float(right[labels == k].mean()) for k, name in enumerate(classes)}
    return EpochScores(loss, float(right.mean()), by_class)
