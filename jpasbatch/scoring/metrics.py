"""Scores of a classifier, from tallies that are counted partition by partition and then merged.

Equations are those of Martinez-Solaeche et al. 2023 (A&A 673, A103), section 3.5. Tallies hold integers only,
so that merging gives the same bits in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.learning.f1 import f1_scores
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.manifest import ValidationScores


@dataclass(frozen=True)
class ClassScores:
    """Scores of each class; NaN where a score is not defined.

    Attributes
    ----------
    purity, completeness : ndarray of float64, shape (classes,)
        Eq. 7. Purity is NaN where nothing was predicted, completeness where no object is truly of the class.
    f1 : ndarray of float64, shape (classes,)
        Eq. 8, as 2 TP / (2 TP + FP + FN); NaN where no object is truly of the class.
    weighted_f1 : float
        Eq. 9, over the classes that have objects; NaN without any object.
    n_true, n_predicted : ndarray of int64, shape (classes,)
    """

    purity: np.ndarray
    completeness: np.ndarray
    f1: np.ndarray
    weighted_f1: float
    n_true: np.ndarray
    n_predicted: np.ndarray


def scores(confusion: np.ndarray) -> ClassScores:
    """Score a confusion matrix.

    Parameters
    ----------
    confusion : ndarray of int, shape (classes, classes)
        Rows are predicted, columns true classes, as in the paper (scikit-learn has the transpose).
    """
    right = np.diagonal(confusion).astype(np.float64)
    n_predicted, n_true = confusion.sum(axis=1), confusion.sum(axis=0)
    purity, completeness = _ratio(right, n_predicted), _ratio(right, n_true)
    weighted, f1 = f1_scores(confusion)
    return ClassScores(purity, completeness, f1, float(weighted), n_true, n_predicted)


class ConfusionTally:
    """Confusion matrices by group (magnitude bins, for instance), mergeable.

    Attributes
    ----------
    counts : ndarray of int64, shape (groups + 1, classes, classes)
        Predicted class in rows, true class in columns; the last matrix is of rows outside all groups.
    """

    def __init__(self, counts: np.ndarray) -> None:
        self.counts = counts

    @classmethod
    def create(cls, n_classes: int, n_groups: int) -> ConfusionTally:
        """Return an empty tally."""
        return cls(np.zeros((n_groups + 1, n_classes, n_classes), dtype=np.int64))

    def add(self, true: np.ndarray, predicted: np.ndarray, group: np.ndarray) -> ConfusionTally:
        """Count the rows of a partition and return the tally itself.

        Parameters
        ----------
        true : ndarray of int, shape (n,)
            Labels; rows with -1 (class not known) are not counted.
        predicted : ndarray of int, shape (n,)
        group : ndarray of int, shape (n,)
            -1: outside all groups, which counts in `total` only.

        Raises
        ------
        ValueError
            When a label or group is out of range.
        """
        n_groups, n_classes = len(self.counts) - 1, self.counts.shape[1]
        known = np.asarray(true) != -1
        true, predicted, group = (np.asarray(a)[known].astype(np.int64) for a in (true, predicted, group))
        _check_range("true", true, 0, n_classes)
        _check_range("predicted", predicted, 0, n_classes)
        _check_range("group", group, -1, n_groups)
        cell = ((group % (n_groups + 1)) * n_classes + predicted) * n_classes + true
        self.counts += np.bincount(cell, minlength=self.counts.size).reshape(self.counts.shape)
        return self

    def merge(self, other: ConfusionTally) -> ConfusionTally:
        """Add another tally and return this one."""
        _check_shape(self.counts, other.counts)
        self.counts += other.counts
        return self

    def extract(self) -> np.ndarray:
        """Return the matrices of the groups, shape (groups, classes [predicted], classes [true])."""
        return self.counts[:-1].copy()

    def total(self) -> np.ndarray:
        """Return the matrix of all rows, also of those outside the groups, shape (classes, classes)."""
        return self.counts.sum(axis=0)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {"counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ConfusionTally:
        """Return the tally that `to_dict` described."""
        return cls(np.array(content["counts"], dtype=np.int64))


@dataclass(frozen=True)
class Reliability:
    """Calibration of the probabilities, by class and bin of probability.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
        A bin includes its lower edge, the last one 1 too.
    count : ndarray of int64, shape (classes, bins)
    confidence, accuracy : ndarray of float64, shape (classes, bins)
        Mean probability (eq. 11) and fraction that truly is of the class (eq. 10); NaN in empty bins.
    ece_by_class : ndarray of float64, shape (classes,)
    ece : float
        Expected calibration error, the mean of ``ece_by_class``; NaN without any object. Eq. 12 as printed
        divides |B_mj| by the number of bins N_b, so that it would grow with the sample; divided by the
        number of objects, as here, it lies in 0 to 1.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    ece_by_class: np.ndarray
    ece: float


class ReliabilityTally:
    """Counts behind reliability curves and the expected calibration error, mergeable.

    Attributes
    ----------
    count, n_true : ndarray of int64, shape (classes, bins)
        Rows whose probability of the class lies in the bin, and those of them that truly are of the class.
    probability : ndarray of int64, shape (classes, bins)
        Sum of the probabilities, in units of 2^-32.
    """

    def __init__(self, count: np.ndarray, n_true: np.ndarray, probability: np.ndarray) -> None:
        self.count, self.n_true, self.probability = count, n_true, probability

    @classmethod
    def create(cls, n_classes: int, n_bins: int = 10) -> ReliabilityTally:
        """Return an empty tally with bins of equal width from 0 to 1."""
        return cls(*(np.zeros((n_classes, n_bins), dtype=np.int64) for _ in range(3)))

    def add(self, true: np.ndarray, probabilities: np.ndarray) -> ReliabilityTally:
        """Count the rows of a partition and return the tally itself.

        Parameters
        ----------
        true : ndarray of int, shape (n,)
            Labels; rows with -1 (class not known) are not counted.
        probabilities : ndarray, shape (n, classes)

        Raises
        ------
        ValueError
            When a label is out of range, or a probability is not within 0 to 1.
        """
        n_classes, n_bins = self.count.shape
        known = np.asarray(true) != -1
        labels = np.asarray(true)[known].astype(np.int64)
        values = np.asarray(probabilities, dtype=np.float64)[known]
        _check_range("true", labels, 0, n_classes)
        if values.shape != (len(labels), n_classes) or not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError(f"probabilities {values.shape}: must be (n, {n_classes}) and within 0 to 1")
        bins = np.minimum((values * n_bins).astype(np.int64), n_bins - 1)
        sums = exact(values)
        for j in range(n_classes):
            self.count[j] += np.bincount(bins[:, j], minlength=n_bins)
            self.n_true[j] += np.bincount(bins[labels == j, j], minlength=n_bins)
            np.add.at(self.probability[j], bins[:, j], sums[:, j])
        return self

    def merge(self, other: ReliabilityTally) -> ReliabilityTally:
        """Add another tally and return this one."""
        _check_shape(self.count, other.count)
        self.count += other.count
        self.n_true += other.n_true
        self.probability += other.probability
        return self

    def extract(self) -> Reliability:
        """Return reliability curves and calibration errors."""
        confidence = _ratio(inexact(self.probability), self.count)
        accuracy = _ratio(self.n_true.astype(np.float64), self.count)
        gaps = self.count * np.abs(np.nan_to_num(accuracy) - np.nan_to_num(confidence))
        by_class = _ratio(gaps.sum(axis=1), self.count.sum(axis=1))
        edges = np.linspace(0.0, 1.0, self.count.shape[1] + 1)
        return Reliability(edges, self.count.copy(), confidence, accuracy, by_class, float(by_class.mean()))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {key: getattr(self, key).tolist() for key in ("count", "n_true", "probability")}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> ReliabilityTally:
        """Return the tally that `to_dict` described."""
        return cls(*(np.array(content[key], dtype=np.int64) for key in ("count", "n_true", "probability")))


def validation_scores(labels: np.ndarray, judgement: Judgement, classes: tuple[str, ...]) -> ValidationScores:
    """Return the scores that a manifest holds.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    judgement : Judgement
        Of the same objects, all of them usable.
    classes : tuple of str
    """
    everywhere = np.zeros(len(labels), dtype=int)
    confusion = ConfusionTally.create(len(classes), 1).add(labels, judgement.decided, everywhere)
    result = scores(confusion.total())
    calibration = ReliabilityTally.create(len(classes)).add(labels, judgement.probabilities).extract()
    return ValidationScores(
        weighted_f1=result.weighted_f1,
        f1=dict(zip(classes, result.f1.tolist(), strict=True)),
        expected_calibration_error=calibration.ece,
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _check_range(name: str, values: np.ndarray, low: int, high: int) -> None:
    outside = values[(values < low) | (values >= high)]
    if outside.size:
        raise ValueError(f"{name}: found {int(outside[0])}; allowed are {low} to {high - 1}")


def _check_shape(one: np.ndarray, other: np.ndarray) -> None:
    if one.shape != other.shape:
        raise ValueError(f"cannot merge tallies of shapes {one.shape} and {other.shape}")
