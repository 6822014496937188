"""What an evaluation says of a sample, as ``evaluation.json`` holds it: tables and pages are made of it.

A number that is not defined is NaN where it was just computed, and None where it was read from JSON or `defined`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from jpasbatch.options import from_table
from jpasbatch.pages.style import bin_label
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.calibration_scores import CalibrationScore
from jpasbatch.scoring.evaluation import Evaluation, FoldScores, GroupScores, SignalCurve
from jpasbatch.scoring.metrics import Reliability
from jpasbatch.scoring.ranking import Ranking
from jpasbatch.scoring.stress_tables import Content

Number = float | None
Pair = tuple[float | None, float | None]
"""A score and its error."""
Row = tuple[float | None, ...]

RecordT = TypeVar("RecordT")


def listed(values: Any) -> Any:
    """Return an array as nested tuples of plain numbers."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    return tuple(listed(one) for one in values) if isinstance(values, list) else values


def defined(record: RecordT) -> RecordT:
    """Return a record with None in the place of every number that is not finite."""
    return _defined(record)


def _defined(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _defined(getattr(value, one.name)) for one in fields(value)})
    if isinstance(value, Mapping):
        return {key: _defined(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_defined(one) for one in value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class ScoredGroup:
    """`GroupScores` of a group of objects, under its name."""

    group: str
    confusion: tuple[tuple[int, ...], ...]
    purity: tuple[Row, Row]
    completeness: tuple[Row, Row]
    f1: tuple[Row, Row]
    weighted_f1: Pair
    ece: Pair
    accuracy: Pair

    @classmethod
    def of(cls, name: str, found: GroupScores) -> ScoredGroup:
        """Return the scores of a group."""
        return cls(group=name, **_columns(found))


@dataclass(frozen=True)
class StoredReliability:
    """`jpasbatch.scoring.metrics.Reliability` of all objects."""

    edges: Row
    count: tuple[tuple[int, ...], ...]
    confidence: tuple[Row, ...]
    accuracy: tuple[Row, ...]
    ece_by_class: Row
    ece: Number

    @classmethod
    def of(cls, found: Reliability) -> StoredReliability:
        """Return what is kept."""
        return cls(**_columns(found))


@dataclass(frozen=True)
class StoredSignalCurve:
    """`jpasbatch.scoring.evaluation.SignalCurve`."""

    signal: Row
    weighted_f1: Row
    weighted_f1_error: Row
    entropy: Row

    @classmethod
    def of(cls, found: SignalCurve) -> StoredSignalCurve:
        """Return what is kept."""
        return cls(**_columns(found))


@dataclass(frozen=True)
class StoredRanking:
    """`jpasbatch.scoring.ranking.Ranking` of a class: areas with their errors."""

    pooled: Pair
    mean: Pair
    folds: Row
    false_positive: Row
    true_positive: Row

    @classmethod
    def of(cls, found: Ranking) -> StoredRanking:
        """Return what is kept."""
        return cls(
            pooled=(found.pooled.value, found.pooled.error),
            mean=(found.mean.value, found.mean.error),
            folds=listed(found.folds),
            false_positive=listed(found.false_positive),
            true_positive=listed(found.true_positive),
        )


@dataclass(frozen=True)
class StoredFolds:
    """`jpasbatch.scoring.evaluation.FoldScores`."""

    completeness: tuple[Row, ...]
    accuracy: Row

    @classmethod
    def of(cls, found: FoldScores) -> StoredFolds:
        """Return what is kept."""
        return cls(**_columns(found))


@dataclass(frozen=True)
class ExampleObject:
    """An object that is taken for another class, for the page.

    Attributes
    ----------
    kind : str
        The confusion in words.
    magnitude_bin : int
    rank : int
        Row in the sample.
    object_id : str
        Title of its panel.
    ra, dec : float
        Not known: 0.
    probabilities, flux, flux_err : tuple of float or None
        By class, and by band; None where it was not measured.
    true_class : str
    true_redshift : float or None
    """

    kind: str
    magnitude_bin: int
    rank: int
    object_id: str
    ra: float
    dec: float
    probabilities: Row
    flux: Row
    flux_err: Row
    true_class: str
    true_redshift: Number


@dataclass(frozen=True, kw_only=True)
class ScoredSample:
    """What is said of the predictions of a sample.

    Attributes
    ----------
    name : str
        Of the sample, or in a comparison of the classifier.
    rows : int
        Objects.
    classes : tuple of str
    groups : tuple of ScoredGroup
        Of each bin of magnitude, and last of all objects.
    reliability : StoredReliability
    by_signal : StoredSignalCurve
    rankings : tuple of StoredRanking
        By class.
    by_fold : StoredFolds or None
        With cross validation.
    stress : Content or None
        Of the sample under stress, in a comparison its summary (`jpasbatch.scoring.stress_findings`); no key without.
    """

    name: str
    rows: int
    classes: tuple[str, ...]
    groups: tuple[ScoredGroup, ...]
    reliability: StoredReliability
    by_signal: StoredSignalCurve
    rankings: tuple[StoredRanking, ...]
    by_fold: StoredFolds | None
    stress: Content | None = None

    @property
    def weighted_f1(self) -> Number:
        """Of all objects."""
        return self.groups[-1].weighted_f1[0]

    def to_record(self) -> dict[str, Any]:
        """Return it as JSON-able values but for NaN."""
        content = asdict(self)
        return content if self.stress is not None else {k: v for k, v in content.items() if k != "stress"}


@dataclass(frozen=True, kw_only=True)
class EvaluatedSample(ScoredSample):
    """What ``evaluate`` says of a sample.

    Attributes
    ----------
    rejected : dict of str to int
        Rows by the reason why they were refused.
    few_bands : int or None
        Rows with fewer bands than the committee was validated with; None where that is not known.
    examples : tuple of ExampleObject
        Of the commonest confusions.
    calibration : tuple of CalibrationScore
    """

    rejected: dict[str, int]
    few_bands: int | None
    examples: tuple[ExampleObject, ...]
    calibration: tuple[CalibrationScore, ...]

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: str) -> EvaluatedSample:
        """Return what `to_record` described; messages name the place.

        Raises
        ------
        ValueError
            When a key is missing or unknown, or holds what it cannot.
        """
        return from_table(cls, record, where)


def score_parts(found: Evaluation, survey: Survey, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return an evaluation as those fields of a `ScoredSample` that it decides."""
    labels = (bin_label(survey.reference_band, limits) for limits in survey.magnitude_bins)
    return {
        "classes": classes,
        "groups": tuple(
            ScoredGroup.of(name, group) for name, group in zip([*labels, "all"], found.groups, strict=True)
        ),
        "reliability": StoredReliability.of(found.reliability),
        "by_signal": StoredSignalCurve.of(found.by_signal),
        "rankings": tuple(StoredRanking.of(one) for one in found.rankings),
        "by_fold": None if found.by_fold is None else StoredFolds.of(found.by_fold),
    }


def _columns(found: Any) -> dict[str, Any]:
    """Return the fields of scores by name, as nested tuples."""
    return {one.name: listed(getattr(found, one.name)) for one in fields(found)}
