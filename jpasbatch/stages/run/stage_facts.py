"""What each stage records of its results: one kind of facts a stage, and the JSON of ``work/<stage>.json`` from it.

Paths are relative to the output folder. They lie here and not in the wings, since stages read each other's records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from jpasbatch.facts import LEFT_OUT, Facts
from jpasbatch.learning.inference import EngineFacts
from jpasbatch.learning.machine import Machine
from jpasbatch.learning.manifest import ValidationScores
from jpasbatch.learning.novelty.ordinary import OrdinaryFacts
from jpasbatch.products.registry import PRODUCTS


@dataclass(frozen=True)
class StageFacts(Facts):
    """Base of the facts of stages; ``stage`` is the name of the stage."""

    stage: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class FetchFacts(StageFacts):
    """What ``fetch`` records.

    Attributes
    ----------
    tables : str
        Folder of the version.
    tiles, fetched : int
        In all, and those that this run asked for.
    empty : tuple of int or str
        Tiles without rows that meet the job's condition.
    rows, bytes : int
    """

    stage: ClassVar[str] = "fetch"
    tables: str
    tiles: int = 0
    fetched: int = 0
    empty: tuple[int | str, ...] = ()
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class InspectFacts(StageFacts):
    """What ``inspect`` records.

    Attributes
    ----------
    tiles, tiles_known : int
        In all, and those whose zero points could be measured.
    worst : tuple of str
        The tiles and bands that are off most, in words.
    partitions : int
    files : dict of str to str
        SHA-256 by path.
    """

    stage: ClassVar[str] = "inspect"
    tiles: int
    tiles_known: int
    worst: tuple[str, ...]
    partitions: int
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class TrainFacts(StageFacts):
    """What ``train`` records.

    Attributes
    ----------
    committee : str
        Folder of the version.
    members : int
    rows : dict of str to int
        By sample; ``rows_by_class`` and ``quarantined`` (by reason) are too.
    epochs : tuple of int
        Of each member; ``seconds_per_member`` are too.
    validation : ValidationScores
        Scores on the validation sample.
    machines : tuple of Machine
        Machines that members were trained on, each once.
    ordinary : OrdinaryFacts or None
        What is known of ordinary objects; None where there are too few.
    weighted_f1_by_members : tuple of float or None
        Where the committee grew: the score of the first 1, 2, ... members.
    """

    stage: ClassVar[str] = "train"
    committee: str
    members: int
    rows: dict[str, int]
    rows_by_class: dict[str, dict[str, int]]
    quarantined: dict[str, dict[str, int]]
    epochs: tuple[int, ...]
    seconds_per_member: tuple[float, ...]
    validation: ValidationScores
    machines: tuple[Machine, ...] = ()
    ordinary: OrdinaryFacts | None = None
    weighted_f1_by_members: tuple[float | None, ...] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Stressed:
    """Which samples ``evaluate`` put under stress, and the fingerprint of how."""

    identity: str
    samples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluateFacts(StageFacts):
    """What ``evaluate`` records.

    Attributes
    ----------
    committee : str
        Name of the version.
    rows : dict of str to int
        By sample; ``weighted_f1``, ``roc_auc``, ``few_bands`` and ``worst_stress`` are too.
    warnings : tuple of str
    stress : Stressed or None
    files : dict of str to str
        SHA-256 by path.
    samples : dict
        Files of each sample with their hashes.
    """

    stage: ClassVar[str] = "evaluate"
    committee: str
    rows: dict[str, int]
    weighted_f1: dict[str, float | None]
    roc_auc: dict[str, float | None]
    few_bands: dict[str, int | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    stress: Stressed | None = None
    worst_stress: dict[str, str] | None = None
    files: dict[str, str]
    samples: dict[str, Any]


@dataclass(frozen=True)
class PrecisionFacts:
    """What the precision of a run changes, against single precision, on rows of the catalogue.

    Attributes
    ----------
    rows, flips, subset_flips : int
        Rows compared, those of another class, and those of another subset.
    largest_difference, mean_difference : float
        Of a probability.
    """

    rows: int
    flips: int
    subset_flips: int
    largest_difference: float
    mean_difference: float


@dataclass(frozen=True)
class RedshiftCommittee:
    """The committee that found redshifts, and what it learnt from."""

    committee: str
    origin: str | None


@dataclass(frozen=True, kw_only=True)
class InferFacts(StageFacts):
    """What ``infer`` records.

    Attributes
    ----------
    predictions, committee : str
        Version of the predictions, and folder of the committee's version.
    classes : tuple of str
    learnt : dict of str to int
        Objects of each class that the committee learnt from.
    origin : str or None
        What it learnt from; see `jpasbatch.learning.manifest.Manifest`.
    engine : EngineFacts or None
        What computes its probabilities.
    precision : PrecisionFacts or None
        None in single precision.
    partitions, recomputed, gaps : int
        In all, those that this run classified, and those that are missing as was allowed.
    changed : tuple of str
        Parts of the fingerprint that changed since the run before.
    rows_in, rows_out, quarantined : int
    few_bands : int or None
        Rows with fewer bands than the committee was validated with; None where that is not known.
    seconds_publishing : float
    redshifts : RedshiftCommittee or None
    """

    stage: ClassVar[str] = "infer"
    predictions: str
    committee: str
    classes: tuple[str, ...] = ()
    learnt: dict[str, int] = field(default_factory=dict)
    origin: str | None = None
    engine: EngineFacts | None = None
    precision: PrecisionFacts | None = None
    partitions: int = 0
    recomputed: int = 0
    changed: tuple[str, ...] = ()
    gaps: int = 0
    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    few_bands: int | None = None
    seconds_publishing: float = 0.0
    redshifts: RedshiftCommittee | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class CombineFacts(StageFacts):
    """What ``combine`` records.

    Attributes
    ----------
    combined : str
        Version of the combination.
    objects, sample_rows : int
        Objects of the sample of which all speak, and all of the sample.
    weighted_f1 : dict of str to tuple of float
        Value and error by classifier.
    log_loss : dict of str to float
    rows_in, rows_out : int
    """

    stage: ClassVar[str] = "combine"
    combined: str
    objects: int
    sample_rows: int
    weighted_f1: dict[str, tuple[float | None, ...]]
    log_loss: dict[str, float | None]
    rows_out: int
    rows_in: int


@dataclass(frozen=True, kw_only=True)
class ValidationFacts(Facts):
    """What came of labelled objects by which a committee is validated for a sky.

    Attributes
    ----------
    objects : int
        That validate.
    rejected : dict of str to int
        How many rows were refused, by reason.
    unlabelled : int
        Without a class, or of one that the job does not have.
    unusable : int
        That the committee could not judge.
    tables : dict of str to str
        SHA-256 of each table by its name, or the hash of a catalogue.
    """

    objects: int
    rejected: dict[str, int]
    unlabelled: int
    unusable: int
    tables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class CorrectFacts(StageFacts):
    """What ``correct`` records.

    Attributes
    ----------
    posteriors : str
        Version of the posteriors.
    predictions : str
        Name of the version of the predictions that they are of.
    prior : str
        Key of the class shares in the store.
    numbers : dict of str to float
        Objects of each class.
    partitions, rows_out : int
    validation : ValidationFacts, optional
        Of the labelled objects that the job names in place of the committee's validation sample.
    """

    stage: ClassVar[str] = "correct"
    posteriors: str
    predictions: str
    prior: str
    numbers: dict[str, float | None]
    partitions: int
    rows_out: int
    validation: ValidationFacts | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, kw_only=True)
class SummariseFacts(StageFacts):
    """What ``summarise`` records.

    Attributes
    ----------
    headlines : dict
        What each product says of itself, by the name of the product; in the JSON these are keys of the record.
    files : dict of str to str
        SHA-256 by path.
    partitions, rows_out : int
    """

    stage: ClassVar[str] = "summarise"
    headlines: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str]
    partitions: int
    rows_out: int

    def to_record(self) -> dict[str, Any]:
        """Return the facts as JSON-able values."""
        content = super().to_record()
        return content.pop("headlines") | content

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the facts that `to_record` described."""
        headlines = {product.name: record[product.name] for product in PRODUCTS if product.name in record}
        return super().from_record({**record, "headlines": headlines})
