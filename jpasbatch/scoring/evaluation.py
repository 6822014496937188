"""How good a classifier is on a labelled sample: scores by class and magnitude, calibration, and S/N.

The equations are those of `jpasbatch.scoring.metrics`; here they are applied to a whole sample, with bootstrap
errors: objects are drawn with replacement, within their true class, so that the mix of classes stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from jpasbatch.learning.judgement import entropy
from jpasbatch.scoring.metrics import ConfusionTally, Reliability, ReliabilityTally, scores
from jpasbatch.scoring.ranking import Ranking, rank_class

DRAWS = 200
SIGNAL_BIN = 1000
"""Objects of a bin of signal-to-noise ratio (paper A, figures 5 and 8)."""

MOST_SIGNAL_BINS = 100


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said of a labelled sample; n objects, k classes.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float64, shape (n, k)
    magnitude : ndarray, shape (n,)
        Of the reference band.
    signal : ndarray, shape (n,)
        Median signal-to-noise ratio of the bands.
    fold : ndarray of int, shape (n,), or None
        Fold in which each object was tested, with cross validation.
    decided : ndarray of int, shape (n,), or None
        Class by a threshold that was chosen elsewhere; None for the most probable class.
    object_id : ndarray of str, shape (n,), or None
    """

    labels: np.ndarray
    probabilities: np.ndarray
    magnitude: np.ndarray
    signal: np.ndarray
    fold: np.ndarray | None = None
    decided: np.ndarray | None = None
    object_id: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> np.ndarray:
        """Class that was decided on, or the most probable one, int (n,)."""
        return self.probabilities.argmax(axis=1) if self.decided is None else self.decided

    def take(self, rows: np.ndarray) -> Predictions:
        """Return some of the objects."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        taken: dict[str, Any] = {name: None if one is None else one[rows] for name, one in columns.items()}
        return Predictions(**taken)

    def replaced(self, probabilities: np.ndarray, decided: np.ndarray, fold: np.ndarray) -> Predictions:
        """Return the same objects with other predictions of them."""
        return replace(self, probabilities=probabilities, decided=decided, fold=fold)

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Return the objects of several as one; an optional part must be there in all of them or in none."""
        columns = {item.name: [getattr(part, item.name) for part in parts] for item in fields(cls)}
        joined: dict[str, Any] = {
            name: None if values[0] is None else np.concatenate(values) for name, values in columns.items()
        }
        return cls(**joined)


@dataclass(frozen=True, eq=False)
class GroupScores:
    """Scores of one group of objects, with their errors; k classes.

    Attributes
    ----------
    confusion : ndarray of int64, shape (k, k)
        Predicted class in rows, true class in columns.
    purity, completeness, f1 : ndarray, shape (2, k)
        Value and bootstrap error; NaN where not defined.
    weighted_f1, ece, accuracy : ndarray, shape (2,)
        Value and bootstrap error.
    """

    confusion: np.ndarray
    purity: np.ndarray
    completeness: np.ndarray
    f1: np.ndarray
    weighted_f1: np.ndarray
    ece: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True, eq=False)
class SignalCurve:
    """What depends on the signal-to-noise ratio, in bins of about equal numbers, the faintest first; b bins.

    Attributes
    ----------
    signal, weighted_f1, weighted_f1_error, entropy : ndarray, shape (b,)
        Median S/N, weighted f1 with its bootstrap error, and median entropy in bits.
    """

    signal: np.ndarray
    weighted_f1: np.ndarray
    weighted_f1_error: np.ndarray
    entropy: np.ndarray


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Scores of each fold of a cross validation.

    Attributes
    ----------
    completeness : ndarray, shape (folds, k)
    accuracy : ndarray, shape (folds,)
    """

    completeness: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All scores of a classifier on one sample.

    Attributes
    ----------
    groups : tuple of GroupScores
        Of each bin of magnitude, in order, and last of all objects.
    reliability : Reliability
        Of all objects.
    by_signal : SignalCurve
    rankings : tuple of Ranking
        How well each class is ranked above all others.
    by_fold : FoldScores or None
        With cross validation.
    """

    groups: tuple[GroupScores, ...]
    reliability: Reliability
    by_signal: SignalCurve
    rankings: tuple[Ranking, ...]
    by_fold: FoldScores | None


def evaluate(
    predictions: Predictions, bins: tuple[tuple[float, float], ...], seed: int = 0, draws: int = DRAWS
) -> Evaluation:
    """Score a classifier.

    Parameters
    ----------
    predictions : Predictions
    bins : tuple of (float, float)
        Of magnitude; lower limits exclusive, upper ones inclusive.
    seed : int
        Of the bootstrap.
    draws : int
        Of the bootstrap.
    """
    magnitude = predictions.magnitude
    groups = [np.flatnonzero((magnitude > low) & (magnitude <= high)) for low, high in bins]
    groups.append(np.arange(len(predictions)))
    classes = predictions.probabilities.shape[1]
    tally = ReliabilityTally.create(classes).add(predictions.labels, predictions.probabilities)
    return Evaluation(
        groups=tuple(score_group(predictions.take(rows), seed, draws) for rows in groups),
        reliability=tally.extract(),
        by_signal=signal_curve(predictions, seed, draws),
        rankings=tuple(
            rank_class(predictions.probabilities[:, k], predictions.labels == k, predictions.fold)
            for k in range(classes)
        ),
        by_fold=fold_scores(predictions),
    )


def fold_scores(predictions: Predictions) -> FoldScores | None:
    """Return the scores of each fold, or None without folds."""
    if predictions.fold is None:
        return None
    parts = [predictions.take(predictions.fold == fold) for fold in np.unique(predictions.fold)]
    confusions = [confusion_of(part) for part in parts]
    return FoldScores(
        np.array([scores(confusion).completeness for confusion in confusions]),
        np.array([accuracy_of(confusion) for confusion in confusions]),
    )


def accuracy_of(confusion: np.ndarray) -> float:
    """Return the share of objects whose class is right; NaN without any."""
    total = int(confusion.sum())
    return float(np.trace(confusion) / total) if total else float("nan")


def score_group(predictions: Predictions, seed: int, draws: int) -> GroupScores:
    """Return the scores of some objects, and their bootstrap errors."""
    confusion = confusion_of(predictions)
    classes = len(confusion)
    best = scores(confusion)
    if not len(predictions):
        undefined = np.full((2, classes), np.nan)
        return GroupScores(
            confusion, undefined, undefined, undefined, *(np.full(2, np.nan) for _ in range(3))
        )
    rng = np.random.default_rng(seed)
    confusions = [resampled(confusion, rng) for _ in range(draws)]
    drawn = [scores(one) for one in confusions]
    errors = {
        name: np.std([getattr(one, name) for one in drawn], axis=0)
        for name in ("purity", "completeness", "f1", "weighted_f1")
    }
    value, error = _calibration_error(predictions, rng, draws)
    return GroupScores(
        confusion,
        *(np.stack([getattr(best, name), errors[name]]) for name in ("purity", "completeness", "f1")),
        weighted_f1=np.array([best.weighted_f1, errors["weighted_f1"]]),
        ece=np.array([value, error]),
        accuracy=np.array([accuracy_of(confusion), np.std([accuracy_of(one) for one in confusions])]),
    )


@dataclass(frozen=True)
class ConfusionScores:
    """Scores of a confusion matrix alone, predicted by true class, as plain numbers; None where one is not defined.

    Attributes
    ----------
    confusion : tuple of tuple of int
    weighted_f1 : float
    purity, completeness, f1 : tuple of float
        By class.
    """

    confusion: tuple[tuple[int, ...], ...]
    weighted_f1: float | None
    purity: tuple[float | None, ...]
    completeness: tuple[float | None, ...]
    f1: tuple[float | None, ...]


def score_confusion(confusion: np.ndarray) -> ConfusionScores:
    """Return the scores of a confusion matrix alone (predicted by true class); NaN where one is not defined."""
    found = scores(confusion)
    return ConfusionScores(
        confusion=tuple(map(tuple, confusion.tolist())),
        weighted_f1=found.weighted_f1,
        purity=tuple(found.purity.tolist()),
        completeness=tuple(found.completeness.tolist()),
        f1=tuple(found.f1.tolist()),
    )


def confusion_of(predictions: Predictions) -> np.ndarray:
    """Return the confusion matrix, int64 (predicted classes, true classes)."""
    everywhere = np.zeros(len(predictions), dtype=int)
    tally = ConfusionTally.create(predictions.probabilities.shape[1], 1)
    return tally.add(predictions.labels, predictions.predicted, everywhere).total()


def resampled(confusion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the confusion of a bootstrap sample: the objects of each true class drawn with replacement."""
    result = np.zeros_like(confusion)
    for true, column in enumerate(confusion.T):
        if column.sum():
            result[:, true] = rng.multinomial(column.sum(), column / column.sum())
    return result


def _calibration_error(predictions: Predictions, rng: np.random.Generator, draws: int) -> tuple[float, float]:
    """Return the expected calibration error and its bootstrap error."""
    classes = predictions.probabilities.shape[1]

    def ece(rows: np.ndarray) -> float:
        tally = ReliabilityTally.create(classes)
        return tally.add(predictions.labels[rows], predictions.probabilities[rows]).extract().ece

    members = [np.flatnonzero(predictions.labels == k) for k in range(classes)]
    drawn = [
        ece(np.concatenate([rng.choice(rows, rows.size) for rows in members if rows.size]))
        for _ in range(min(draws, 50))
    ]
    return ece(np.arange(len(predictions))), float(np.std(drawn))


def signal_curve(predictions: Predictions, seed: int, draws: int) -> SignalCurve:
    """Return weighted f1 and entropy by signal-to-noise ratio, in bins of about `SIGNAL_BIN` objects."""
    number = int(np.clip(round(len(predictions) / SIGNAL_BIN), 1, MOST_SIGNAL_BINS))
    order = np.argsort(predictions.signal, kind="stable")
    disorder = entropy(predictions.probabilities)
    rng = np.random.default_rng(seed)
    curve = []
    for rows in np.array_split(order, number) if len(predictions) else []:
        confusion = confusion_of(predictions.take(rows))
        drawn = [scores(resampled(confusion, rng)).weighted_f1 for _ in range(draws)]
        curve.append(
            (
                np.median(predictions.signal[rows]),
                scores(confusion).weighted_f1,
                np.std(drawn),
                np.median(disorder[rows]),
            )
        )
    columns = np.array(curve, dtype=np.float64).reshape(-1, 4).T
    return SignalCurve(*columns)


@dataclass(frozen=True, eq=False)
class PairedDifference:
    """How much better one classifier is than another on the same objects.

    Attributes
    ----------
    weighted_f1, f1 : ndarray, shape (2,) and (2, k)
        Difference and its bootstrap error, objects drawn for both alike.
    fewer_errors : ndarray, shape (2,)
        1 - (1 - weighted f1) / (1 - weighted f1 of the other): the share of its errors that are gone.
    """

    weighted_f1: np.ndarray
    f1: np.ndarray
    fewer_errors: np.ndarray


def compare(one: Predictions, other: Predictions, seed: int = 0, draws: int = DRAWS) -> PairedDifference:
    """Compare two classifiers on the same objects.

    Raises
    ------
    ValueError
        If they are not the same objects.
    """
    if not np.array_equal(one.labels, other.labels):
        raise ValueError("the two classifiers were not applied to the same objects")
    classes = one.probabilities.shape[1]
    # cells of (true, predicted by one, predicted by the other): all that both confusions follow from
    cell = (one.labels.astype(np.int64) * classes + one.predicted) * classes + other.predicted
    cube = np.bincount(cell, minlength=classes**3).reshape((classes,) * 3)
    rng = np.random.default_rng(seed)
    best = _differences(cube)
    drawn = np.array([_differences(_resampled_cube(cube, rng)) for _ in range(draws)])
    both = np.stack([best, np.std(drawn, axis=0)])
    return PairedDifference(both[:, 0], both[:, 2:], both[:, 1])


def _resampled_cube(cube: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    parts = [
        rng.multinomial(part.sum(), part.ravel() / part.sum()) if part.sum() else part.ravel()
        for part in cube
    ]
    return np.stack(parts).reshape(cube.shape)


def _differences(cube: np.ndarray) -> np.ndarray:
    """Return the differences in weighted f1, in the share of errors that vanish, and in f1 of each class."""
    one, other = scores(cube.sum(axis=2).T), scores(cube.sum(axis=1).T)
    left = 1.0 - other.weighted_f1
    gone = 1.0 - (1.0 - one.weighted_f1) / left if left > 0 else np.nan
    return np.concatenate([[one.weighted_f1 - other.weighted_f1, gone], one.f1 - other.f1])
