"""The manifest of a committee: what it is, what it was trained on, and how its members decide."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import MagnitudeCalibration, make_calibration
from jpasbatch.learning.decision import Decision, FittedDecision
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.machine import installed_versions
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.survey import Survey

if TYPE_CHECKING:
    from jpasbatch.learning.members import TrainedMember

COMBINE = "median"
"""How the members of a graph vote."""

CLASS_NAME = re.compile(r"[a-z][a-z0-9_]*")

OPTIONAL = {"folds", "origin"}
"""Keys that a manifest may lack."""


KINDS: dict[str, type] = {
    **dict.fromkeys(
        ("survey", "features", "definitions", "options", "validation", "versions", "learnt"), dict
    ),
    **dict.fromkeys(("calibration", "decision"), dict),
    **dict.fromkeys(("classes", "members"), list),
    "combine": str,
}
"""What JSON must hold for each key."""


@dataclass(frozen=True)
class Manifest:
    """What a committee is: enough to check it before it is used, and to repeat its training.

    All values are what JSON gives back: lists for tuples, text for infinity.

    Attributes
    ----------
    survey : dict
        ``name``, ``fingerprint`` and ``bands`` of the survey that it was trained on.
    features : dict
        ``kind``, ``n_inputs`` and ``state`` of the fitted features.
    classes : list of str
        In the order of the outputs.
    definitions : dict
        By class: ``truth``, the values of ``true_class``, and ``redshift``, its range or None.
    combine : str
        How the members vote.
    members : list of dict
        In the order of the graph: seed, epochs, best epoch, input scaling.
    options : dict
        By table of the job file: the options of model and training.
    validation : dict
        Scores on the validation sample.
    versions : dict
        Of the packages that shaped the weights.
    learnt : dict of str to int
        Objects of each class in the training sample.
    calibration : dict
        ``kind`` and ``state``.
    decision : dict
        The table ``[decision]`` with the ``position`` of the class that is sought and the ``threshold``.
    folds : dict or None
        Which member saw which object, for a committee of folds.
    origin : str or None
        Which kind of mock the training sample is from (``"builtin"``, ``"templates"``, ...), or ``"given"`` for tables
        that a job names and no run of this software made. None in manifests of committees that were trained before
        this was kept.
    """

    survey: dict[str, Any]
    features: dict[str, Any]
    classes: list[str]
    definitions: dict[str, Any]
    combine: str
    members: list[dict[str, Any]]
    options: dict[str, Any]
    validation: dict[str, Any]
    versions: dict[str, str]
    learnt: dict[str, int]
    calibration: dict[str, Any]
    decision: dict[str, Any]
    folds: dict[str, Any] | None = None
    origin: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """Return the manifest that `to_json` described.

        Raises
        ------
        InputError
            When a key is missing or unknown, or members vote in a way that is not known.
        """
        known = {item.name for item in fields(cls)}
        missing, unknown = sorted(known - OPTIONAL - content.keys()), sorted(content.keys() - known)
        if missing or unknown:
            found = ", ".join(
                [*(f"'{key}' is missing" for key in missing), *(f"'{key}' is unknown" for key in unknown)]
            )
            raise InputError(f"the manifest of the committee is not complete: {found}; train again")
        for key, kind in KINDS.items():
            if not isinstance(content[key], kind):
                raise InputError(
                    f"the manifest of the committee is not complete: {key!r} must be a {kind.__name__}, found "
                    f"{type(content[key]).__name__}; train again"
                )
        if content["combine"] != COMBINE:
            raise InputError(
                f"the manifest of the committee has combine = {content['combine']!r}; allowed is {COMBINE!r}: another "
                "program or version wrote it"
            )
        return cls(**content)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON-able values."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: value for key, value in content.items() if key not in OPTIONAL or value is not None}

    def check_classes(self) -> None:
        """Refuse classes that no columns can be named after.

        Raises
        ------
        InputError
            When a name is none, or stands twice.
        """
        for number, name in enumerate(self.classes):
            if not isinstance(name, str) or not CLASS_NAME.fullmatch(name):
                raise incomplete(ValueError(f"classes must be names of a-z 0-9 _, found {name!r}"))
            if name in self.classes[:number]:
                raise incomplete(ValueError(f"classes: {name!r} stands twice"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of features, of members and of classes.

        Raises
        ------
        InputError
            When the manifest does not say.
        """
        try:
            return int(self.features["n_inputs"]), len(self.members), len(self.classes)
        except (KeyError, TypeError, ValueError) as error:
            raise incomplete(error) from None

    def make_features(self, survey: Survey) -> Features:
        """Return the features that the committee was trained on.

        Raises
        ------
        InputError
            When the manifest does not describe them.
        """
        try:
            kind, state = self.features["kind"], self.features["state"]
        except (KeyError, TypeError) as error:
            raise incomplete(error) from None
        return make_features(kind, survey, state)

    def make_jury(self) -> Jury:
        """Return what makes judgements of the members' probabilities.

        Raises
        ------
        InputError
            When the manifest does not describe it, or describes what is not allowed.
        """
        try:
            kind, state = self.calibration["kind"], self.calibration["state"]
            options = {item.name: self.decision[item.name] for item in fields(Decision)}
            decision = FittedDecision(
                Decision(**options), self.decision["position"], self.decision["threshold"]
            )
            _check_decision(decision, len(self.classes))
        except (KeyError, TypeError, ValueError) as error:
            raise incomplete(error) from None
        calibration = make_calibration(kind, state)
        bias = calibration.bias if isinstance(calibration, MagnitudeCalibration) else None
        if bias is not None and len(bias) != len(self.classes):
            raise incomplete(ValueError(f"calibration: bias of {len(bias)} of {len(self.classes)} classes"))
        return Jury(calibration, decision)


def _check_decision(decision: FittedDecision, classes: int) -> None:
    """Raise `ValueError` where a decision is of no class, or from no probability on."""
    position, threshold = decision.position, decision.threshold
    if type(position) is not int or not 0 <= position < classes:
        raise ValueError(f"decision: position {position!r} is none of {classes} classes")
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        raise ValueError(f"decision: threshold {threshold!r} is no number")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"decision: threshold {threshold!r} is not from 0 to 1")


@dataclass(frozen=True)
class TrainingFacts:
    """What a manifest tells of the training of its committee.

    Attributes
    ----------
    options : mapping
        ``model``, ``training`` and other tables of the job file, as dicts.
    validation : mapping
        Scores on the validation set.
    learnt : mapping of str to int
        Objects of each class in the training sample.
    folds : mapping, optional
        Which member saw which object.
    origin : str, optional
        See `Manifest`.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    learnt: Mapping[str, int] = field(default_factory=dict)
    folds: Mapping[str, Any] | None = None
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
    decision = jury.decision
    content = {
        "survey": {
            "name": survey.name,
            "fingerprint": survey.fingerprint,
            "bands": list(survey.band_names),
        },
        "features": {"kind": features.name, "n_inputs": features.n_inputs, "state": features.state()},
        "classes": list(classes),
        "definitions": {name: _plain(definition) for name, definition in classes.items()},
        "combine": COMBINE,
        "members": [_describe(member) for member in members],
        "options": training.options,
        "validation": training.validation,
        "versions": installed_versions(),
        "learnt": training.learnt,
        "calibration": {"kind": jury.calibration.name, "state": jury.calibration.state()},
        "decision": {
            **asdict(decision.rule),
            "position": decision.position,
            "threshold": decision.threshold,
        },
        "folds": training.folds,
        "origin": training.origin,
    }
    # what JSON makes of it, so that a manifest that is read back equals the one that was written
    return Manifest.from_json(json.loads(json.dumps(content)))


def check_manifest(
    manifest: Manifest,
    survey: Survey,
    classes: Mapping[str, ClassDefinition] | Sequence[str] | None = None,
    features: str | None = None,
) -> None:
    """Refuse a committee that was not trained for this survey, these classes and these features.

    Parameters
    ----------
    manifest : Manifest
    survey : Survey
        What is to be classified.
    classes : mapping of name to ClassDefinition, sequence of str, or None
        What the job expects: with definitions these are compared too; None accepts any.
    features : str, optional
        Kind of features that the job names; None accepts any.

    Raises
    ------
    InputError
        Naming what differs.
    """
    try:
        trained, kind = manifest.survey, manifest.features["kind"]
        bands, digest, learnt = list(trained["bands"]), str(trained["fingerprint"]), trained["name"]
        names, definitions = list(manifest.classes), manifest.definitions
    except (KeyError, TypeError) as error:
        raise incomplete(error) from None
    retrain = "use the committee of this survey, or train one"
    if bands != list(survey.band_names):
        raise InputError(
            f"the committee was trained on survey {learnt!r}, this is {survey.name!r}: "
            f"{_first_difference(bands, list(survey.band_names))}; {retrain}"
        )
    if digest != survey.fingerprint:
        raise InputError(
            f"the committee was trained on survey {learnt!r} with fingerprint {digest[:12]}, "
            f"this is {survey.name!r} with {survey.fingerprint[:12]}: "
            f"name, wavelengths or reference band differ; {retrain}"
        )
    if classes is not None and names != list(classes):
        raise InputError(f"classes: the committee has {names}, the job {list(classes)}; the order counts")
    for name, definition in classes.items() if isinstance(classes, Mapping) else ():
        if definitions.get(name) != _plain(definition):
            raise InputError(
                f"class {name!r} is {_plain(definition)} in the job, but the committee learnt it "
                f"as {definitions.get(name)}"
            )
    if features is not None and features != kind:
        raise InputError(f"features.kind: the job has {features!r}, the committee was trained on {kind!r}")


def incomplete(error: Exception) -> InputError:
    """Return the error to raise when a manifest lacks something."""
    return InputError(f"the manifest of the committee is not complete: {error!r}; train again")


def _first_difference(trained: list[str], found: list[str]) -> str:
    if len(trained) != len(found):
        return f"{len(trained)} bands against {len(found)}"
    position = next(n for n, (one, other) in enumerate(zip(trained, found, strict=True)) if one != other)
    return f"band {position} is {trained[position]!r} against {found[position]!r} (the order of bands counts)"


def _plain(definition: ClassDefinition) -> dict[str, Any]:
    """Return a definition as JSON has it: lists, and an open end as text (JSON has no infinity)."""
    limits = None if definition.redshift is None else [_limit(value) for value in definition.redshift]
    return {"truth": list(definition.truth), "redshift": limits}


def _limit(value: float) -> float | str:
    return float(value) if np.isfinite(value) else str(float(value))


def _describe(member: TrainedMember) -> dict[str, Any]:
    return {
        "seed": member.seed,
        "epochs": len(member.history.get("loss", ())),
        "best_epoch": member.best_epoch,
        "input_scaling": None if member.scaling is None else member.scaling.to_dict(),
    }
