"""What a training writes into the manifest of its committee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.machine import installed_versions
from jpasbatch.learning.manifest import (
    COMBINE,
    DescribedCalibration,
    DescribedDecision,
    DescribedFeatures,
    DescribedFolds,
    DescribedMember,
    DescribedScaling,
    DescribedSurvey,
    Manifest,
    ValidationScores,
)
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.learning.scaling import InputScaling
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.survey import Survey

if TYPE_CHECKING:
    from jpasbatch.learning.members import TrainedMember


@dataclass(frozen=True)
class TrainingFacts:
    """What a manifest tells of the training of its committee.

    Attributes
    ----------
    options : mapping
        ``model``, ``training`` and other tables of the job file, as dicts.
    validation : ValidationScores, optional
    learnt : mapping of str to int
        Objects of each class in the training sample.
    folds : DescribedFolds, optional
    origin : str, optional
        See `jpasbatch.learning.manifest.Manifest`.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    validation: ValidationScores | None = None
    learnt: Mapping[str, int] = field(default_factory=dict)
    folds: DescribedFolds | None = None
    origin: str | None = None


def describe_committee(
    survey: Survey,
    features: Features,
    classes: Mapping[str, ClassDefinition],
    members: Sequence[TrainedMember],
    jury: Jury,
    training: TrainingFacts,
) -> Manifest:
    """Return the manifest of a committee.

    Parameters
    ----------
    survey, features : Survey, Features
        What the members were trained on; the features fitted.
    classes : mapping of name to ClassDefinition
        In the order of the outputs.
    members : sequence of TrainedMember
        In the order of the graph.
    jury : Jury
        Fitted to the validation sample.
    training : TrainingFacts
    """
    calibration, decision = jury.calibration, jury.decision
    manifest = Manifest(
        survey=DescribedSurvey(survey.name, survey.fingerprint, survey.band_names),
        features=DescribedFeatures(features.name, features.n_inputs, features.state()),
        classes=tuple(classes),
        definitions=dict(classes),
        combine=COMBINE,
        members=tuple(_describe(member) for member in members),
        options={name: dict(table) for name, table in training.options.items()},
        validation=training.validation,
        versions=installed_versions(),
        learnt=dict(training.learnt),
        calibration=DescribedCalibration(calibration.name, calibration.state()),
        decision=DescribedDecision(
            **asdict(decision.rule), position=decision.position, threshold=decision.threshold
        ),
        folds=training.folds,
        origin=training.origin,
    )
    # what JSON makes of it, so that a manifest that is read back equals the one that was written
    return Manifest.from_json(manifest.to_json())


def _describe(member: TrainedMember) -> DescribedMember:
    epochs = len(member.history.get("loss", ()))
    return DescribedMember(member.seed, epochs, member.best_epoch, _describe_scaling(member.scaling))


def _describe_scaling(scaling: InputScaling | None) -> DescribedScaling | None:
    if scaling is None:
        return None
    return DescribedScaling("arcsinh", tuple(scaling.centre.tolist()), tuple(scaling.scale.tolist()))
