"""Labels: which true class and redshift make which class of the classifier, and the rows to learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, Protocol

import numpy as np
from annotated_types import MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Options

UNLABELLED = -1


@dataclass(frozen=True)
class ClassDefinition(Options):
    """What makes an object a member of one class.

    Attributes
    ----------
    truth : tuple of str
        Values of the column ``true_class`` that belong to the class.
    redshift : (float, float), optional
        Range of true redshift, lower bound inclusive, upper exclusive: paper A splits the quasars
        into z < 2.1 and z >= 2.1 (Martinez-Solaeche et al. 2023, section 3). Without it any
        redshift belongs, and an unknown one too.
    """

    truth: Annotated[tuple[Annotated[str, MinLen(1)], ...], MinLen(1)]
    redshift: tuple[float, float] | None = None

    def check_relations(self) -> None:
        """Refuse a range of redshift that holds nothing."""
        if self.redshift is not None:
            low, high = self.redshift
            if math.isnan(low) or math.isnan(high) or not low < high:
                raise ValueError(
                    f"redshift: found {self.redshift!r}; allowed is [low, high] with low < high "
                    "(low belongs to the class, high does not; inf is allowed)"
                )


def label(true_class: Any, redshift: Any, definitions: Mapping[str, ClassDefinition]) -> np.ndarray:
    """Label objects with the class that they belong to.

    Parameters
    ----------
    true_class : array-like of str or None, shape (n,)
        None: not known.
    redshift : array-like of float, shape (n,)
        NaN: not known.
    definitions : mapping of class name to ClassDefinition
        In the order of the classifier's outputs.

    Returns
    -------
    ndarray of int16, shape (n,)
        Position of the class in ``definitions``; -1 where the object belongs to none, which includes
        an unknown redshift where the class has a range.

    Raises
    ------
    InputError
        When two definitions claim the same object, or the two columns differ in length.
    """
    _refuse_overlap(definitions)
    values = np.asarray(true_class, dtype=object)
    known = np.fromiter((isinstance(value, str) for value in values), dtype=bool, count=len(values))
    names = np.where(known, values, "").astype(str)
    redshifts = np.asarray(redshift, dtype=np.float64)
    if names.shape != redshifts.shape:
        raise InputError(f"true classes {names.shape} and true redshifts {redshifts.shape} differ in length")
    labels = np.full(names.shape, UNLABELLED, dtype=np.int16)
    for index, definition in enumerate(definitions.values()):
        belongs = np.isin(names, definition.truth)
        if definition.redshift is not None:
            low, high = definition.redshift
            belongs &= (redshifts >= low) & (redshifts < high)
        labels[belongs] = index
    return labels


def _refuse_overlap(definitions: Mapping[str, ClassDefinition]) -> None:
    if len(definitions) < 2:
        raise InputError(f"classes: found {sorted(definitions)}; a classifier needs at least two")
    everything = (-math.inf, math.inf)
    for (name, one), (other_name, other) in combinations(definitions.items(), 2):
        shared = sorted(set(one.truth) & set(other.truth))
        (low, high), (other_low, other_high) = one.redshift or everything, other.redshift or everything
        if shared and max(low, other_low) < min(high, other_high):
            raise InputError(
                f"classes: {name!r} and {other_name!r} both claim true_class {shared[0]!r} at redshifts "
                f"{max(low, other_low)} to {min(high, other_high)}; give them ranges that do not overlap"
            )


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of objects whose class is known.

    Attributes
    ----------
    features : ndarray of float32, shape (n, n_inputs)
        Finite.
    labels : ndarray of int16, shape (n,)
        Positions in ``classes``.
    classes : tuple of str
        Names, in the order of the classifier's outputs.
    soft : ndarray of float32, shape (n, classes), optional
        Probabilities in place of labels, for objects that are mixtures; ``labels`` is then the largest.

    Raises
    ------
    InputError
        When a feature is not finite, a label is outside the classes, or the lengths differ.
    """

    features: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    soft: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.labels.shape != self.features.shape[:1]:
            raise InputError(f"features {self.features.shape} and labels {self.labels.shape} do not match")
        bad = np.flatnonzero(~np.isfinite(self.features).all(axis=1))
        if bad.size:
            raise InputError(
                f"features of {bad.size} rows are not finite (first: row {bad[0]}); leave them out"
            )
        outside = (self.labels < 0) | (self.labels >= len(self.classes))
        if outside.any():
            raise InputError(
                f"labels: found {int(self.labels[outside][0])}; allowed are 0 to {len(self.classes) - 1} "
                f"({', '.join(self.classes)})"
            )
        if self.soft is not None:
            if self.soft.shape != (len(self.labels), len(self.classes)):
                raise InputError(f"soft labels {self.soft.shape} do not match {len(self.labels)} objects")
            if not (self.soft >= 0).all() or np.abs(self.soft.sum(axis=1) - 1).max(initial=0.0) > 1e-4:
                raise InputError("soft labels must not be negative, and sum to 1 for each object")

    @classmethod
    def from_rows(
        cls,
        features: np.ndarray,
        labels: np.ndarray,
        classes: tuple[str, ...],
        soft: np.ndarray | None = None,
    ) -> LabelledFeatures:
        """Keep the rows that can teach: those with a label and with features.

        Rows labelled -1 and rows whose features are NaN (undefined: the reference flux is not
        positive) are left out; the lengths tell how many. An infinite feature is an error.

        Raises
        ------
        InputError
            As the class.
        """
        usable = (labels != UNLABELLED) & ~np.isnan(features).any(axis=1)
        return cls(
            np.ascontiguousarray(features[usable], dtype=np.float32),
            labels[usable],
            tuple(classes),
            None if soft is None else soft[usable],
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_inputs(self) -> int:
        """Number of features of an object."""
        return self.features.shape[1]

    def epoch(self, number: int) -> LabelledFeatures:
        """Return itself: the same in every epoch."""
        return self

    def targets(self) -> np.ndarray:
        """Return the probability of each class that is to be learnt, float32 (n, classes)."""
        if self.soft is not None:
            return self.soft
        return np.eye(len(self.classes), dtype=np.float32)[self.labels]

    def class_counts(self) -> dict[str, int]:
        """Return how many rows each class has."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}


class EpochSource(Protocol):
    """A training set that may be another in every epoch, as `LabelledFeatures` is the same in all."""

    def epoch(self, number: int) -> LabelledFeatures:
        """Return the set of an epoch, counted from 1; the same number gives the same bits."""
        ...


def check_sets(training: LabelledFeatures, validation: LabelledFeatures) -> None:
    """Refuse two sets that do not belong together.

    Raises
    ------
    InputError
        When classes or features differ, or a class has no row.
    """
    if training.classes != validation.classes:
        raise InputError(
            f"the training set has the classes {', '.join(training.classes)}, "
            f"the validation set {', '.join(validation.classes)}"
        )
    if training.n_inputs != validation.n_inputs:
        raise InputError(
            f"the training set has {training.n_inputs} features, the validation set {validation.n_inputs}"
        )
    for name, rows in (("training", training), ("validation", validation)):
        absent = [key for key, count in rows.class_counts().items() if count == 0]
        if absent:
            raise InputError(
                f"the {name} set ({len(rows)} usable rows) has no object of class {', '.join(absent)}; "
                "add some, or drop the class"
            )
