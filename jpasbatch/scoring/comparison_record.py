"""What a comparison of classifiers says, as ``comparison.json`` holds it: its tables and its page are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jpasbatch.scoring.evaluation import ConfusionScores
from jpasbatch.scoring.evaluation_record import Number, Pair, Row, ScoredSample


@dataclass(frozen=True)
class PublishedScores:
    """Scores that others published; by group where there are confusion matrices."""

    name: str
    source: str
    completeness: dict[str, float]
    accuracy: float | None
    roc_auc: float | None
    groups: dict[str, ConfusionScores]


@dataclass(frozen=True)
class TrainingCost:
    """What the record of ``train`` says of a classifier's training, and which job it was."""

    members: int
    rows: dict[str, int]
    epochs: tuple[int, ...]
    seconds: float
    seconds_per_member: tuple[float, ...]
    fingerprint: str
    finished: str
    seed: int
    job: str


@dataclass(frozen=True)
class StoredDifference:
    """`jpasbatch.scoring.evaluation.PairedDifference` of a classifier and the reference."""

    weighted_f1: Pair
    f1: tuple[Row, Row]
    fewer_errors: Pair


@dataclass(frozen=True)
class StoredCurve:
    """A receiver operating characteristic, and the area below it."""

    pooled: Pair
    false_positive: Row
    true_positive: Row


@dataclass(frozen=True)
class StoredDetection(StoredCurve):
    """`jpasbatch.scoring.detection.Detection` of a classifier."""

    completeness: tuple[Pair, ...]
    accuracy: Pair
    folds: Pair
    equal: Pair


@dataclass(frozen=True)
class StoredDetectionDifference:
    """`jpasbatch.scoring.detection.DetectionDifference`: the reference less a classifier."""

    folds: Pair
    wins: int
    pooled: Pair
    equal: Pair


@dataclass(frozen=True)
class ExternalScores:
    """The ranking by a column of a foreign table, and by the reference, on their common objects; curves by name."""

    name: str
    objects: int
    curves: dict[str, StoredCurve]


@dataclass(frozen=True)
class FoundClass:
    """How well each classifier finds the class that is sought.

    Attributes
    ----------
    sought : str
    others_completeness : float
        Completeness of the others at which that of the class is compared.
    classifiers : dict of str to StoredDetection
        By title.
    differences : dict of str to StoredDetectionDifference
        The reference less each.
    external : tuple of ExternalScores
    """

    sought: str
    others_completeness: float
    classifiers: dict[str, StoredDetection]
    differences: dict[str, StoredDetectionDifference]
    external: tuple[ExternalScores, ...]


@dataclass(frozen=True)
class FieldAgreement:
    """How far committees agree on objects without labels.

    Attributes
    ----------
    sought : str
    rejected : dict of str to int
        Rows by reason.
    names : tuple of str
        Of the committees, and of others that speak of the objects.
    objects : int
    patterns : dict of str to int
        Objects by a string of 0 and 1, which says for each name in order whether it finds the class.
    found : dict of str to int
        Objects of the class, by name; ``fractions`` of all are too, None without objects.
    """

    sought: str
    rejected: dict[str, int]
    names: tuple[str, ...]
    objects: int
    patterns: dict[str, int]
    found: dict[str, int]
    fractions: dict[str, float | None]


@dataclass(frozen=True)
class StoredRepeats:
    """`jpasbatch.scoring.repeats.Repeated`."""

    values: Row
    mean: Number
    deviation: Number
    error: Number


@dataclass(frozen=True)
class RepeatedScores:
    """What came of a comparison with other seeds.

    Attributes
    ----------
    seeds : tuple of int
    folds : bool
        Whether they were dealt anew.
    classifiers, differences : dict of str to dict of str to StoredRepeats
        By title, then by score; the differences are the reference less each.
    choices : dict of str to dict of str to int
        By name of the choice, how often each classifier was chosen in all repeats.
    luck : dict of str to dict of str to Pair
        By name of the choice and score: what the best owes to being chosen on the tests, and its scatter.
    """

    seeds: tuple[int, ...]
    folds: bool
    classifiers: dict[str, dict[str, StoredRepeats]]
    differences: dict[str, dict[str, StoredRepeats]]
    choices: dict[str, dict[str, int]]
    luck: dict[str, dict[str, Pair]]


@dataclass(frozen=True)
class Finding:
    """What the paper says, what is found here, and whether that ``holds``: "yes", "in part" or "no"."""

    paper: str
    here: str
    holds: str


@dataclass(frozen=True)
class MadeBy:
    """Version of the software, and date."""

    version: str
    date: str


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord:
    """All that a comparison says.

    Attributes
    ----------
    comparison : mapping
        The comparison file as JSON.
    classes : tuple of str
    samples : dict of str to dict of str to ScoredSample
        By sample and title.
    published : tuple of PublishedScores
    costs : dict of str to int or None
        Multiplications that an object costs, by title; None for trees, which make none.
    training : dict of str to TrainingCost
    differences : dict of str to dict of str to StoredDifference
        By title and group, on the comparison's own sample.
    detection : FoundClass or None
        None where nothing is sought.
    field : FieldAgreement or None
    choices : dict of str to dict of str to int
        By name of the choice, in how many folds each classifier was chosen.
    repeats : RepeatedScores or None
    findings : tuple of Finding
    made : MadeBy
    """

    comparison: Mapping[str, Any]
    classes: tuple[str, ...]
    samples: dict[str, dict[str, ScoredSample]]
    published: tuple[PublishedScores, ...]
    costs: dict[str, int | None]
    training: dict[str, TrainingCost]
    differences: dict[str, dict[str, StoredDifference]]
    detection: FoundClass | None
    field: FieldAgreement | None
    choices: dict[str, dict[str, int]]
    repeats: RepeatedScores | None
    findings: tuple[Finding, ...]
    made: MadeBy

    @property
    def title(self) -> str:
        """Of the comparison."""
        return self.comparison["title"]

    @property
    def reference(self) -> str:
        """Title of the classifier that others are measured against."""
        return self.comparison["reference"]

    @property
    def sample(self) -> str:
        """The comparison's own sample."""
        return self.comparison["sample"]

    @property
    def every_sample(self) -> tuple[str, ...]:
        """That sample, and all further ones."""
        return self.sample, *self.comparison["further"]

    def to_record(self) -> dict[str, Any]:
        """Return it as JSON-able values but for NaN; what was not asked for is an empty table."""
        content = {key: {} if value is None else value for key, value in asdict(self).items()}
        content["samples"] = {
            sample: {title: one.to_record() for title, one in parts.items()}
            for sample, parts in self.samples.items()
        }
        return content
