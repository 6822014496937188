"""How certain a score is that was measured several times, with other seeds and other folds.

Repeats test the same objects, so that they are not independent: their scatter says how far one run may be from another,
and not how far all of them may be from the truth. Two errors are for that. One draws objects with replacement. The
other, for areas in folds, is the corrected variance of Nadeau & Bengio 2003 (Machine Learning 52, 239; for repeated
cross validation Bouckaert & Frank 2004, LNAI 3056, 3): that of the mean of J parts is (1/J + t/l) S^2, with t objects
tested and l learnt from, because parts share most of what they learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jpasbatch.scoring.evaluation import DRAWS, Predictions, confusion_of
from jpasbatch.scoring.metrics import scores
from jpasbatch.scoring.ranking import area, areas_by_fold, completeness_at


@dataclass(frozen=True, eq=False)
class Repeated:
    """A score, or the difference of two, of r repeats.

    Attributes
    ----------
    values : ndarray, shape (r,)
    mean, deviation : float
        Of the values; the deviation is that of one of them, not of their mean.
    error : float
        Of the mean, as an estimate of what other objects of the same kind would give; NaN where it is not known.
    """

    values: np.ndarray
    mean: float
    deviation: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float], error: float) -> Repeated:
        """Return the mean and the scatter of one or more values."""
        found = np.array(values, dtype=np.float64)
        deviation = float(found.std(ddof=1)) if len(found) > 1 else float("nan")
        return cls(found, float(found.mean()), deviation, float(error))


Score = Callable[[Predictions], float]


def scores_of(sought: int | None, others_completeness: float) -> dict[str, Score]:
    """Return the scores of a repeat by name.

    Parameters
    ----------
    sought : int or None
        Position of the class that is sought; without one there is the weighted f1 alone.
    others_completeness : float
        At which its completeness is compared.
    """

    def weighted_f1(one: Predictions) -> float:
        return scores(confusion_of(one)).weighted_f1

    if sought is None:
        return {"weighted_f1": weighted_f1}
    return {
        "weighted_f1": weighted_f1,
        "pooled": lambda one: area(one.probabilities[:, sought], one.labels == sought).value,
        "equal": lambda one: completeness_at(
            one.probabilities[:, sought], one.labels == sought, others_completeness
        ),
    }


def repeated_score(repeats: Sequence[Predictions], score: Score, seed: int = 0) -> Repeated:
    """Return a score of all repeats; its error is of a bootstrap of objects, the same in every repeat."""
    return repeated_difference(repeats, None, score, seed)


def repeated_difference(
    ones: Sequence[Predictions], others: Sequence[Predictions] | None, score: Score, seed: int = 0
) -> Repeated:
    """Return the difference of a score of two classifiers in the same repeats.

    Parameters
    ----------
    ones, others : sequence of Predictions
        A repeat each, of the same objects in the same order; None for nothing that is subtracted.
    score : callable
    seed : int
        Of the bootstrap, which draws the same objects for both and in every repeat.
    """

    def differences(rows: np.ndarray) -> list[float]:
        values = [score(one.take(rows)) for one in ones]
        if others is None:
            return values
        return [value - score(other.take(rows)) for value, other in zip(values, others, strict=True)]

    labels = ones[0].labels
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    drawn = []
    for _ in range(DRAWS):
        rows = np.concatenate([rng.choice(kind, kind.size) for kind in kinds])
        drawn.append(np.mean(differences(rows)))
    return Repeated.of(differences(np.arange(len(labels))), float(np.std(drawn)))


def repeated_folds(
    ones: Sequence[Predictions], others: Sequence[Predictions] | None, sought: int, nested: bool
) -> Repeated:
    """Return the mean area under the curve in the folds of each repeat, or the difference of two classifiers.

    Parameters
    ----------
    ones, others : sequence of Predictions
        See `repeated_difference`; with folds, the same for both in each repeat.
    sought : int
        Position of the class.
    nested : bool
        Whether another fold than the tested one is left out of what is learnt from.
    """

    def areas(one: Predictions) -> np.ndarray:
        return areas_by_fold(one.probabilities[:, sought], one.labels == sought, one.fold)

    by_fold = [areas(one) for one in ones]
    if others is not None:
        by_fold = [values - areas(other) for values, other in zip(by_fold, others, strict=True)]
    folds = len(by_fold[0])
    return Repeated.of(
        [values.mean() for values in by_fold], corrected_error(np.concatenate(by_fold), folds, nested)
    )


def corrected_error(values: np.ndarray, folds: int, nested: bool) -> float:
    """Return the error of the mean of values of all folds of all repeats, corrected for what they share.

    Parameters
    ----------
    values : ndarray, shape (repeats x folds,)
    folds : int
    nested : bool
        A fold is then tested by who learnt from ``folds - 2`` others, and otherwise from ``folds - 1``.
    """
    if len(values) < 2:
        return float("nan")
    tested_to_learnt = 1.0 / (folds - 2 if nested else folds - 1)
    return float(np.sqrt((1.0 / len(values) + tested_to_learnt) * values.var(ddof=1)))


def luck_of_choice(
    candidates: Sequence[Sequence[Predictions]], score: Score, seed: int = 0
) -> tuple[float, float]:
    """Return how much of the best score is luck, where the tests themselves choose the best classifier.

    Objects are drawn with replacement, within their class; the best on those is taken, once for each repeat. What it is
    better by there than the mean of all, less the same on the objects that were not drawn, is luck. The drawn objects
    are fewer different ones than the whole, so that it is rather too much.

    Parameters
    ----------
    candidates : sequence of sequence of Predictions
        Of each classifier all repeats, of the same objects in the same order.
    score : callable

    Returns
    -------
    float
        Mean over draws and repeats.
    float
        Scatter of one choice, over draws and repeats.
    """
    labels = candidates[0][0].labels
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    found = []
    for _ in range(DRAWS):
        rows = np.concatenate([rng.choice(kind, kind.size) for kind in kinds])
        others = np.setdiff1d(np.arange(len(labels)), rows)
        for repeat in zip(*candidates, strict=True):
            seen, unseen = (np.array([score(one.take(part)) for one in repeat]) for part in (rows, others))
            best = int(np.argmax(seen))
            found.append((seen[best] - seen.mean()) - (unseen[best] - unseen.mean()))
    return float(np.mean(found)), float(np.std(found))
