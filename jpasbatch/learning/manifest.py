"""The manifest of a committee: what it is, what it was trained on, and how its members decide."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import MagnitudeCalibration, make_calibration
from jpasbatch.learning.decision import Decision, FittedDecision
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.options import from_table
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.survey import Survey

COMBINE = "median"
"""How the members of a graph vote."""

CLASS_NAME = re.compile(r"[a-z][a-z0-9_]*")

OPTIONAL = {"folds", "origin"}
"""Keys that a manifest may lack."""


@dataclass(frozen=True)
class DescribedSurvey:
    """The survey that a committee was trained on; bands by name, in the order of the inputs."""

    name: str
    fingerprint: str
    bands: tuple[str, ...]


@dataclass(frozen=True)
class DescribedFeatures:
    """The fitted features; ``state`` is what their kind keeps, JSON-able (`Features.state`)."""

    kind: str
    n_inputs: int
    state: dict[str, Any]


@dataclass(frozen=True)
class DescribedScaling:
    """How a member scales its inputs; ``centre`` and ``scale`` in the unit of the features, one an input."""

    kind: str
    centre: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class DescribedMember:
    """A member; ``input_scaling`` is None where it takes features as they are."""

    seed: int
    epochs: int
    best_epoch: int
    input_scaling: DescribedScaling | None


@dataclass(frozen=True)
class DescribedCalibration:
    """The calibration; ``state`` is what its kind keeps, JSON-able (`Calibration.state`)."""

    kind: str
    state: dict[str, Any]


@dataclass(frozen=True)
class DescribedDecision:
    """The table ``[decision]`` of the job, with what `FittedDecision` adds: it says what the fields are."""

    rule: str
    of: str
    at_least: float
    position: int
    threshold: float | None


@dataclass(frozen=True)
class DescribedFolds:
    """Which member of a committee of folds saw which object.

    Attributes
    ----------
    folds, seed, members : int
        Number of folds, by what they were dealt, and members of each.
    nested : bool
    sample : tuple
        What identifies the labelled sample: for each file its hash, or a list for a catalogue.
    """

    folds: int
    seed: int
    nested: bool
    members: int
    sample: tuple[Any, ...]


@dataclass(frozen=True)
class ValidationScores:
    """Scores on the validation sample; ``f1`` by class, the expected calibration error of all objects."""

    weighted_f1: float
    f1: dict[str, float]
    expected_calibration_error: float


@dataclass(frozen=True)
class Manifest:
    """What a committee is: enough to check it before it is used, and to repeat its training.

    Attributes
    ----------
    survey : DescribedSurvey
    features : DescribedFeatures
    classes : tuple of str
        In the order of the outputs.
    definitions : dict of str to ClassDefinition
        By class.
    combine : str
        How the members vote.
    members : tuple of DescribedMember
        In the order of the graph.
    options : dict of str to dict
        By table of the job file: the options of model and training, as JSON gives them back.
    validation : ValidationScores or None
        None where it was not scored.
    versions : dict of str to str
        Of the packages that shaped the weights.
    learnt : dict of str to int
        Objects of each class in the training sample.
    calibration : DescribedCalibration
    decision : DescribedDecision
    folds : DescribedFolds or None
        For a committee of folds.
    origin : str or None
        Which kind of mock the training sample is from (``"builtin"``, ``"templates"``, ...), or ``"given"`` for tables
        that a job names and no run of this software made. None in manifests of committees that were trained before
        this was kept.
    """

    survey: DescribedSurvey
    features: DescribedFeatures
    classes: tuple[str, ...]
    definitions: dict[str, ClassDefinition]
    combine: str
    members: tuple[DescribedMember, ...]
    options: dict[str, dict[str, Any]]
    validation: ValidationScores | None
    versions: dict[str, str]
    learnt: dict[str, int]
    calibration: DescribedCalibration
    decision: DescribedDecision
    folds: DescribedFolds | None = None
    origin: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Manifest:
        """Return the manifest that `to_json` described.

        Raises
        ------
        InputError
            When a key is missing or unknown, or holds what it cannot, or members vote in a way that is not known.
        """
        known = {item.name for item in fields(cls)}
        missing, unknown = sorted(known - OPTIONAL - content.keys()), sorted(content.keys() - known)
        if missing or unknown:
            found = ", ".join(
                [*(f"'{key}' is missing" for key in missing), *(f"'{key}' is unknown" for key in unknown)]
            )
            raise InputError(f"the manifest of the committee is not complete: {found}; train again")
        if content["combine"] != COMBINE:
            raise InputError(
                f"the manifest of the committee has combine = {content['combine']!r}; allowed is {COMBINE!r}: another "
                "program or version wrote it"
            )
        definitions = _with_numbers(content["definitions"])
        validation = content["validation"] or None
        try:
            return from_table(
                cls, {**content, "definitions": definitions, "validation": validation}, "manifest"
            )
        except (ValueError, TypeError) as error:
            raise InputError(f"the manifest of the committee is not complete: {error}; train again") from None

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON gives it back: lists for tuples, text for infinity (JSON has none)."""
        content = asdict(self)
        content["definitions"] = {name: _plain(one) for name, one in self.definitions.items()}
        content["validation"] = content["validation"] or {}
        kept = {key: value for key, value in content.items() if key not in OPTIONAL or value is not None}
        return json.loads(json.dumps(kept))

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
        """Number of features, of members and of classes."""
        return self.features.n_inputs, len(self.members), len(self.classes)

    def make_features(self, survey: Survey) -> Features:
        """Return the features that the committee was trained on.

        Raises
        ------
        InputError
            When the manifest describes none that there are.
        """
        return make_features(self.features.kind, survey, self.features.state)

    def make_jury(self) -> Jury:
        """Return what makes judgements of the members' probabilities.

        Raises
        ------
        InputError
            When the manifest describes what is not allowed.
        """
        options = {item.name: getattr(self.decision, item.name) for item in fields(Decision)}
        try:
            decision = FittedDecision(Decision(**options), self.decision.position, self.decision.threshold)
            _check_decision(decision, len(self.classes))
        except ValueError as error:
            raise incomplete(error) from None
        calibration = make_calibration(self.calibration.kind, self.calibration.state)
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
    bands, digest, learnt = list(manifest.survey.bands), manifest.survey.fingerprint, manifest.survey.name
    names, kind = list(manifest.classes), manifest.features.kind
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
        known = manifest.definitions.get(name)
        if known != definition:
            raise InputError(
                f"class {name!r} is {_plain(definition)} in the job, but the committee learnt it "
                f"as {None if known is None else _plain(known)}"
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


def _with_numbers(definitions: Any) -> Any:
    """Return definitions as JSON has them with numbers for open ends; what is no definition stays, to be refused."""
    if not isinstance(definitions, dict):
        return definitions
    return {
        name: {**one, "redshift": [_number(limit) for limit in one["redshift"]]}
        if isinstance(one, dict) and isinstance(one.get("redshift"), list)
        else one
        for name, one in definitions.items()
    }


def _number(limit: Any) -> Any:
    return float(limit) if limit in ("inf", "-inf") else limit
