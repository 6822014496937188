"""What a training minimises: one formula with three names.

The loss of an object with the probabilities p and the labels y (one-hot, or soft) is, over the k classes,

    - sum_k  w_k y_k (1 - p_k)^gamma log p_k

which is the cross entropy for w = 1 and gamma = 0, and for two classes with w = (1 - alpha, alpha) the focal loss of
Lin et al. 2017 as Chen et al. 2021 (MNRAS 501, 3951) write it in eq. 2, since p_0 = 1 - p_1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from annotated_types import Interval

from jpasbatch.options import Options

SMALLEST = 1e-7
"""A probability below is taken for it."""


class Loss(Protocol):
    """A kind of loss with its options: the table ``[loss]`` of a job file."""

    @property
    def kind(self) -> str:
        """Name in job files."""
        ...

    @property
    def gamma(self) -> float:
        """By how much objects that are classified well count less; 0 for not at all."""
        ...

    def class_weights(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return w, float32 (classes,), for the labels (n,) of a training set."""
        ...


@dataclass(frozen=True)
class CrossEntropy(Options):
    """The cross entropy: every object counts alike."""

    kind: Literal["cross_entropy"] = "cross_entropy"

    gamma = 0.0

    def class_weights(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return ones."""
        return np.ones(classes, dtype=np.float32)


@dataclass(frozen=True)
class WeightedCrossEntropy(Options):
    """Cross entropy in which objects of rare classes count more.

    Attributes
    ----------
    kind : "weighted_cross_entropy"
    weights : tuple of float
        Of each class, in the job's order. Without any, they are inverse to the number of objects of the class in
        the training set, with the mean of all objects at 1.
    """

    kind: Literal["weighted_cross_entropy"] = "weighted_cross_entropy"
    weights: tuple[Annotated[float, Interval(gt=0, lt=np.inf)], ...] = ()

    gamma = 0.0

    def class_weights(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return the weights of the classes.

        Raises
        ------
        ValueError
            If they are not one for each class.
        """
        if not self.weights:
            counts = np.bincount(labels, minlength=classes)
            return (len(labels) / (classes * np.maximum(counts, 1))).astype(np.float32)
        if len(self.weights) != classes:
            raise ValueError(f"weights: found {len(self.weights)} for {classes} classes")
        return np.array(self.weights, dtype=np.float32)


@dataclass(frozen=True)
class FocalLoss(Options):
    """The focal loss of two classes (Chen et al. 2021, eq. 2): what is hard to tell counts more.

    Attributes
    ----------
    kind : "focal"
    alpha : float
        Weight of the second class; the first has 1 - alpha.
    gamma : float
        By how much objects that are classified well count less.
    """

    kind: Literal["focal"] = "focal"
    alpha: Annotated[float, Interval(ge=0, le=1)] = 0.5
    gamma: Annotated[float, Interval(ge=0, le=10)] = 2.0

    def class_weights(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return 1 - alpha and alpha.

        Raises
        ------
        ValueError
            If there are not two classes.
        """
        if classes != 2:
            raise ValueError(f"the focal loss is defined for two classes, found {classes}")
        return np.array([1.0 - self.alpha, self.alpha], dtype=np.float32)


LOSSES: tuple[type[Loss], ...] = (CrossEntropy, WeightedCrossEntropy, FocalLoss)
"""Every kind of loss that a job file may name."""


def loss_of_objects(
    probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray, gamma: float
) -> np.ndarray:
    """Return the loss of each object, float64 (n,).

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, classes)
    weights : ndarray, shape (classes,)
    gamma : float
    """
    p = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST, 1.0)
    return -(weights * targets * (1.0 - p) ** gamma * np.log(p)).sum(axis=1)


def keras_loss(weights: np.ndarray, gamma: float) -> Callable[[Any, Any], Any]:
    """Return the same as a function of Keras tensors: targets and logits (n, classes) to losses (n,)."""
    from jpasbatch.learning.backend import load_keras

    ops = load_keras().ops
    factors = np.asarray(weights, dtype=np.float32)

    def loss(targets: Any, logits: Any) -> Any:
        logs = ops.log_softmax(logits, axis=-1)
        terms = factors * targets * logs
        if gamma:
            # kept off 0, where a power below 1 has no slope
            terms = terms * ops.maximum(1.0 - ops.exp(logs), SMALLEST) ** gamma
        return -ops.sum(terms, axis=-1)

    return loss
