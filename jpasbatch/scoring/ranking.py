"""How well a score ranks objects of a class above others: the receiver operating characteristic and its area.

The area is that of DeLong et al. 1988 (Biometrics 44, 837), whose variance needs no resampling; the algorithm is that
of Sun & Xu 2014 (IEEE Signal Processing Letters 21, 1389).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CURVE_POINTS = 201


@dataclass(frozen=True)
class Area:
    """An area under a curve.

    Attributes
    ----------
    value, error : float
        NaN where one side has no object.
    """

    value: float
    error: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well a class is ranked.

    Attributes
    ----------
    pooled : Area
        Of all objects together.
    folds : ndarray, shape (folds,)
        The area in each fold; empty without folds.
    mean : Area
        Of the folds, with the standard error of their mean.
    false_positive, true_positive : ndarray, shape (CURVE_POINTS,)
        The curve of all objects.
    """

    pooled: Area
    folds: np.ndarray
    mean: Area
    false_positive: np.ndarray
    true_positive: np.ndarray


def rank_class(score: np.ndarray, belongs: np.ndarray, fold: np.ndarray | None = None) -> Ranking:
    """Score a ranking.

    Parameters
    ----------
    score : ndarray, shape (n,)
        The higher, the likelier of the class.
    belongs : ndarray of bool, shape (n,)
    fold : ndarray of int, shape (n,), optional
        Fold in which each object was tested.
    """
    grid, curve = roc_curve(score, belongs)
    by_fold = areas_by_fold(score, belongs, fold)
    return Ranking(area(score, belongs), by_fold, mean_of(by_fold), grid, curve)


def areas_by_fold(score: np.ndarray, belongs: np.ndarray, fold: np.ndarray | None) -> np.ndarray:
    """Return the area in each fold, float64 (folds,)."""
    if fold is None:
        return np.empty(0)
    return np.array([area(score[fold == one], belongs[fold == one]).value for one in np.unique(fold)])


def mean_of(values: np.ndarray) -> Area:
    """Return the mean of values and its standard error; NaN of fewer than two."""
    if len(values) < 2:
        return Area(float("nan"), float("nan"))
    return Area(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def area(score: np.ndarray, belongs: np.ndarray) -> Area:
    """Return the area under the curve and its standard error."""
    values, covariance = _areas([score], belongs)
    return Area(float(values[0]), float(np.sqrt(covariance[0, 0])))


def area_difference(one: np.ndarray, other: np.ndarray, belongs: np.ndarray) -> Area:
    """Return how much larger the area of one score is than that of another on the same objects, and its error."""
    values, covariance = _areas([one, other], belongs)
    variance = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
    return Area(float(values[0] - values[1]), float(np.sqrt(max(variance, 0.0))))


def _areas(scores: Sequence[np.ndarray], belongs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the areas (s,) of scores of the same objects, and their covariance (s, s)."""
    from scipy.stats import rankdata

    count = len(scores)
    inside, outside = int(belongs.sum()), int((~belongs).sum())
    if not (inside and outside):
        return np.full(count, np.nan), np.full((count, count), np.nan)
    placed, surpassed = np.empty((count, inside)), np.empty((count, outside))
    for number, score in enumerate(scores):
        together = rankdata(score)
        placed[number] = (together[belongs] - rankdata(score[belongs])) / outside
        surpassed[number] = 1.0 - (together[~belongs] - rankdata(score[~belongs])) / inside
    covariance = np.zeros((count, count))
    for part in (placed, surpassed):
        if part.shape[1] > 1:
            covariance += np.atleast_2d(np.cov(part)) / part.shape[1]
        else:
            covariance += np.nan
    return placed.mean(axis=1), covariance


def roc_curve(score: np.ndarray, belongs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates, (CURVE_POINTS,) each, the first evenly spaced from 0 to 1.

    Between thresholds the curve is a straight line, as it is for ties.
    """
    grid = np.linspace(0.0, 1.0, CURVE_POINTS)
    inside, outside = int(belongs.sum()), int((~belongs).sum())
    if not (inside and outside):
        return grid, np.full(CURVE_POINTS, np.nan)
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(score[order][:-1] != score[order][1:], True))
    found = np.concatenate([[0.0], np.cumsum(belongs[order])[last] / inside])
    lost = np.concatenate([[0.0], np.cumsum(~belongs[order])[last] / outside])
    # of several thresholds at one rate the highest is what one can have
    rates, first = np.unique(lost, return_index=True)
    highest = np.maximum.reduceat(found, first)
    return grid, np.interp(grid, rates, highest)


def completeness_at(score: np.ndarray, belongs: np.ndarray, other_completeness: float) -> float:
    """Return how complete the class is at the threshold where the others are complete to a given share."""
    outside = np.sort(score[~belongs])[::-1]
    allowed = int(np.floor((1.0 - other_completeness) * len(outside) + 1e-9))
    if allowed >= len(outside):
        return 1.0
    return float((score[belongs] > outside[allowed]).mean())
