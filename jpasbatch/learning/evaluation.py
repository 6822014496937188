"""How good a classifier is on a labelled sample: scores by class and magnitude, calibration, and S/N.

The equations are those of `jpasbatch.learning.metrics`; here they are applied to a whole sample, with bootstrap
errors: objects are drawn with replacement, within their true class, so that the mix of classes stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.metrics import ConfusionTally, Reliability, ReliabilityTally, entropy, scores

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
    """

    labels: np.ndarray
    probabilities: np.ndarray
    magnitude: np.ndarray
    signal: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> np.ndarray:
        """Most probable class, int (n,)."""
        return self.probabilities.argmax(axis=1)

    def take(self, rows: np.ndarray) -> Predictions:
        """Return some of the objects."""
        return Predictions(
            self.labels[rows], self.probabilities[rows], self.magnitude[rows], self.signal[rows]
        )


@dataclass(frozen=True, eq=False)
class GroupScores:
    """Scores of one group of objects, with their errors; k classes.

    Attributes
    ----------
    confusion : ndarray of int64, shape (k, k)
        Predicted class in rows, true class in columns.
    purity, completeness, f1 : ndarray, shape (2, k)
        Value and bootstrap error; NaN where not defined.
    weighted_f1, ece : ndarray, shape (2,)
        Value and bootstrap error.
    """

    confusion: np.ndarray
    purity: np.ndarray
    completeness: np.ndarray
    f1: np.ndarray
    weighted_f1: np.ndarray
    ece: np.ndarray


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
class Evaluation:
    """All scores of a classifier on one sample.

    Attributes
    ----------
    groups : tuple of GroupScores
        Of each bin of magnitude, in order, and last of all objects.
    reliability : Reliability
        Of all objects.
    by_signal : SignalCurve
    """

    groups: tuple[GroupScores, ...]
    reliability: Reliability
    by_signal: SignalCurve


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
    )


def score_group(predictions: Predictions, seed: int, draws: int) -> GroupScores:
    """Return the scores of some objects, and their bootstrap errors."""
    confusion = confusion_of(predictions)
    classes = len(confusion)
    best = scores(confusion)
    if not len(predictions):
        undefined = np.full((2, classes), np.nan)
        return GroupScores(confusion, undefined, undefined, undefined, np.full(2, np.nan), np.full(2, np.nan))
    rng = np.random.default_rng(seed)
    drawn = [scores(resampled(confusion, rng)) for _ in range(draws)]
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
    )


def score_confusion(confusion: np.ndarray) -> dict[str, Any]:
    """Return the scores of a confusion matrix alone (predicted by true class), JSON-able.

    Returns
    -------
    dict
        ``confusion``, ``purity``, ``completeness``, ``f1`` (by class) and ``weighted_f1``.
    """
    found = scores(confusion)
    by_class = {name: getattr(found, name).tolist() for name in ("purity", "completeness", "f1")}
    return {"confusion": confusion.tolist(), "weighted_f1": found.weighted_f1, **by_class}


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
    """Return weighted f1, share of errors gone, and f1 of each class, one less other."""
    one, other = scores(cube.sum(axis=2).T), scores(cube.sum(axis=1).T)
    left = 1.0 - other.weighted_f1
    gone = 1.0 - (1.0 - one.weighted_f1) / left if left > 0 else np.nan
    return np.concatenate([[one.weighted_f1 - other.weighted_f1, gone], one.f1 - other.f1])
