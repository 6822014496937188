"""How well one class is found among all others: the scores of paper B, and paired differences between classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.scoring.evaluation import DRAWS, Predictions, fold_scores
from jpasbatch.scoring.ranking import (
    Area,
    area_difference,
    areas_by_fold,
    completeness_at,
    mean_of,
    rank_class,
)


@dataclass(frozen=True, eq=False)
class Detection:
    """Scores of a classifier that looks for one class; k classes. Errors of folds are standard errors of their mean.

    Attributes
    ----------
    completeness : ndarray, shape (k, 2)
        Of each class, value and error: the mean of the folds, or of all objects without folds.
    accuracy : ndarray, shape (2,)
    folds, pooled : ndarray, shape (2,)
        Area under the curve: mean of the folds, and of all objects together (DeLong).
    equal : ndarray, shape (2,)
        Completeness of the class where the others are complete to a given share, and its bootstrap error.
    false_positive, true_positive : ndarray
        The curve of all objects.
    """

    completeness: np.ndarray
    accuracy: np.ndarray
    folds: np.ndarray
    pooled: np.ndarray
    equal: np.ndarray
    false_positive: np.ndarray
    true_positive: np.ndarray


def detect(predictions: Predictions, sought: int, others_completeness: float, seed: int = 0) -> Detection:
    """Score a classifier that looks for one class.

    Parameters
    ----------
    predictions : Predictions
    sought : int
        Position of the class.
    others_completeness : float
        At which the completeness of the class is compared.
    seed : int
        Of the bootstrap.
    """
    score, belongs = predictions.probabilities[:, sought], predictions.labels == sought
    ranking = rank_class(score, belongs, predictions.fold)
    completeness, accuracy = _rates(predictions)
    drawn = [
        completeness_at(score[rows], belongs[rows], others_completeness) for rows in _bootstrap(belongs, seed)
    ]
    return Detection(
        completeness,
        accuracy,
        _pair(ranking.mean),
        _pair(ranking.pooled),
        np.array([completeness_at(score, belongs, others_completeness), np.std(drawn)]),
        ranking.false_positive,
        ranking.true_positive,
    )


@dataclass(frozen=True, eq=False)
class DetectionDifference:
    """How much better one classifier finds a class than another, on the same objects in the same folds.

    Attributes
    ----------
    folds : ndarray, shape (2,)
        Mean difference of the areas of each fold, and its standard error.
    wins : int
        Folds in which the first is better.
    pooled : ndarray, shape (2,)
        Difference of the areas of all objects (DeLong, paired).
    equal : ndarray, shape (2,)
        Difference of the completeness at equal completeness of the others, and its paired bootstrap error.
    """

    folds: np.ndarray
    wins: int
    pooled: np.ndarray
    equal: np.ndarray


def detection_difference(
    one: Predictions, other: Predictions, sought: int, others_completeness: float, seed: int = 0
) -> DetectionDifference:
    """Compare two classifiers that look for one class.

    Raises
    ------
    ValueError
        If they were not tested on the same objects in the same folds.
    """
    if one.fold is None or other.fold is None:
        same_folds = one.fold is other.fold
    else:
        same_folds = np.array_equal(one.fold, other.fold)
    if not np.array_equal(one.labels, other.labels) or not same_folds:
        raise ValueError("the two classifiers were not tested on the same objects in the same folds")
    belongs = one.labels == sought
    first, second = one.probabilities[:, sought], other.probabilities[:, sought]
    by_fold = areas_by_fold(first, belongs, one.fold) - areas_by_fold(second, belongs, one.fold)

    def difference(rows: np.ndarray) -> float:
        values = [completeness_at(s[rows], belongs[rows], others_completeness) for s in (first, second)]
        return values[0] - values[1]

    drawn = [difference(rows) for rows in _bootstrap(belongs, seed)]
    return DetectionDifference(
        _pair(mean_of(by_fold)),
        int((by_fold > 0).sum()),
        _pair(area_difference(first, second, belongs)),
        np.array([difference(np.arange(len(one))), np.std(drawn)]),
    )


def _rates(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    found = fold_scores(predictions)
    if found is not None:
        completeness = [_pair(mean_of(column)) for column in found.completeness.T]
        return np.array(completeness), _pair(mean_of(found.accuracy))
    right = predictions.predicted == predictions.labels
    classes = range(predictions.probabilities.shape[1])
    return np.array([_share(right[predictions.labels == k]) for k in classes]), _share(right)


def _share(right: np.ndarray) -> np.ndarray:
    """Return a share and its binomial error."""
    if not len(right):
        return np.full(2, np.nan)
    share = right.mean()
    return np.array([share, np.sqrt(share * (1.0 - share) / len(right))])


def _bootstrap(belongs: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return rows drawn with replacement, within the class and outside of it."""
    rng = np.random.default_rng(seed)
    sides = [np.flatnonzero(belongs), np.flatnonzero(~belongs)]
    return [np.concatenate([rng.choice(side, side.size) for side in sides]) for _ in range(DRAWS)]


def _pair(found: Area) -> np.ndarray:
    return np.array([found.value, found.error])
