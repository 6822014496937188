"""Several networks that vote as one, and the manifest that says what they are."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

import jpasbatch
from jpasbatch.errors import InputError
from jpasbatch.learning.calibration import make_calibration
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.runtimes import DEFAULT, InferenceOptions
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.features.registry import Features
from jpasbatch.photometry.survey import Survey

if TYPE_CHECKING:
    from jpasbatch.learning.members import TrainedMember

_PACKAGES = ("numpy", "keras", "tensorflow", "scikit-learn", "onnx")
UNCALIBRATED = {"kind": "none", "state": {}}


def vote(member_probabilities: np.ndarray) -> np.ndarray:
    """Combine the members: the median of each class, renormalised (paper A, section 3.4).

    Where the medians of all classes are 0, the members contradict each other completely and a median has
    nothing to renormalise: such a row gets the mean of the members.

    Parameters
    ----------
    member_probabilities : ndarray of float32, shape (n, members, classes)

    Returns
    -------
    ndarray of float64, shape (n, classes)
        Rows sum to 1 within rounding.

    Raises
    ------
    InputError
        When a probability is not finite.
    """
    if not np.isfinite(member_probabilities).all():
        rows = np.flatnonzero(~np.isfinite(member_probabilities).all(axis=(1, 2)))
        raise InputError(
            f"the committee gave probabilities that are not finite for {rows.size} rows "
            f"(first: row {rows[0]}): the features are too large for single precision, "
            "or the committee is damaged"
        )
    n_members = member_probabilities.shape[1]
    ordered = np.sort(member_probabilities, axis=1)
    low, high = ordered[:, (n_members - 1) // 2], ordered[:, n_members // 2]
    median = 0.5 * (low.astype(np.float64) + high)
    undecided = ~median.any(axis=1)
    if undecided.any():
        median[undecided] = member_probabilities[undecided].mean(axis=1, dtype=np.float64)
    return median / median.sum(axis=1, keepdims=True)


class Committee:
    """A trained committee, ready to classify.

    Parameters
    ----------
    manifest : mapping
        As `committee_manifest` made it.
    engine : InferenceEngine
        With the graph that belongs to the manifest.

    Raises
    ------
    InputError
        When manifest and graph do not belong together.
    """

    def __init__(self, manifest: Mapping[str, Any], engine: InferenceEngine) -> None:
        try:
            self.classes: tuple[str, ...] = tuple(manifest["classes"])
            described = (int(manifest["features"]["n_inputs"]), len(manifest["members"]), len(self.classes))
            # committees older than calibration have none
            kind, state = (manifest.get("calibration", UNCALIBRATED)[key] for key in ("kind", "state"))
        except (KeyError, TypeError, ValueError) as error:
            raise _incomplete(error) from None
        found = (engine.n_inputs, engine.n_members, engine.n_classes)
        if described != found:
            raise InputError(
                f"the manifest describes a committee of (features, members, classes) {described}, "
                f"its graph has {found}: they do not belong together"
            )
        self.manifest = dict(manifest)
        self._calibration = make_calibration(kind, state)
        self._engine = engine

    @classmethod
    def load(
        cls, manifest: Mapping[str, Any], graph: bytes, options: InferenceOptions = DEFAULT
    ) -> Committee:
        """Return the committee of a manifest and the bytes of its graph."""
        return cls(manifest, InferenceEngine(graph, options))

    def predict(self, features: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
        """Return the calibrated probability of each class.

        Parameters
        ----------
        features : ndarray of float32, shape (n, n_inputs)
            Finite: a network turns NaN into finite, plausible numbers, so leave out rows without features.
        magnitude : ndarray, shape (n,)
            Of the survey's reference band, for the calibration.

        Returns
        -------
        ndarray of float64, shape (n, classes)
            Rows sum to 1 within 1e-9. Same rows, same order, same bytes: see `InferenceEngine`.

        Raises
        ------
        InputError
            When a feature or a result is not finite, or the features have another width.
        """
        bad = ~np.isfinite(features).all(axis=1)
        if bad.any():
            raise InputError(
                f"features of {int(bad.sum())} rows are not finite (first: row {int(np.argmax(bad))}); "
                "leave such rows out before predicting"
            )
        return self._calibration(vote(self._engine.members(features)), magnitude)


def committee_manifest(
    survey: Survey,
    features: Features,
    classes: Mapping[str, ClassDefinition],
    members: Sequence[TrainedMember],
    options: Mapping[str, Any],
    validation: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe a committee, so that it can be checked before it is used and repeated later.

    Parameters
    ----------
    survey, features : Survey, Features
        What the members were trained on; the features fitted.
    classes : mapping of name to ClassDefinition
        In the order of the outputs.
    members : sequence of TrainedMember
        In the order of the graph.
    options : mapping
        ``model`` and ``training``: their options as dicts.
    validation : mapping
        Scores on the validation set, JSON-able.

    Returns
    -------
    dict
        JSON-able. ``classes`` is the list of names.
    """
    return {
        "survey": {
            "name": survey.name,
            "fingerprint": survey.fingerprint,
            "bands": list(survey.band_names),
        },
        "features": {"kind": features.name, "n_inputs": features.n_inputs, "state": features.state()},
        "classes": list(classes),
        "definitions": {name: _plain(definition) for name, definition in classes.items()},
        "combine": "median",
        "members": [_describe(member) for member in members],
        "options": _as_json(options),
        "validation": _as_json(validation),
        "versions": _versions(),
    }


def check_manifest(
    manifest: Mapping[str, Any],
    survey: Survey,
    classes: Mapping[str, ClassDefinition] | Sequence[str] | None = None,
    features: str | None = None,
) -> None:
    """Refuse a committee that was not trained for this survey, these classes and these features.

    Parameters
    ----------
    manifest : mapping
        As `committee_manifest` made it.
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
        trained, kind = manifest["survey"], manifest["features"]["kind"]
        bands, digest = list(trained["bands"]), trained["fingerprint"]
        names, definitions = list(manifest["classes"]), manifest["definitions"]
    except (KeyError, TypeError) as error:
        raise _incomplete(error) from None
    retrain = "use the committee of this survey, or train one"
    if bands != list(survey.band_names):
        raise InputError(
            f"the committee was trained on survey {trained['name']!r}, this is {survey.name!r}: "
            f"{_first_difference(bands, list(survey.band_names))}; {retrain}"
        )
    if digest != survey.fingerprint:
        raise InputError(
            f"the committee was trained on survey {trained['name']!r} with fingerprint {digest[:12]}, "
            f"this is {survey.name!r} with {survey.fingerprint[:12]}: "
            f"name, wavelengths or reference band differ; {retrain}"
        )
    if classes is not None and names != list(classes):
        raise InputError(f"classes: the committee has {names}, the job {list(classes)}; the order counts")
    for name, definition in classes.items() if isinstance(classes, Mapping) else ():
        if definitions[name] != _plain(definition):
            raise InputError(
                f"class {name!r} is {_plain(definition)} in the job, but the committee learnt it "
                f"as {definitions[name]}"
            )
    if features is not None and features != kind:
        raise InputError(f"features.kind: the job has {features!r}, the committee was trained on {kind!r}")


def _incomplete(error: Exception) -> InputError:
    return InputError(f"the manifest of the committee is not complete: {error!r}; train again")


def _first_difference(trained: list[str], found: list[str]) -> str:
    if len(trained) != len(found):
        return f"{len(trained)} bands against {len(found)}"
    position = next(n for n, (one, other) in enumerate(zip(trained, found, strict=True)) if one != other)
    return f"band {position} is {trained[position]!r} against {found[position]!r} (the order of bands counts)"


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON makes of it (lists for tuples), so that a manifest read back equals the one written."""
    return json.loads(json.dumps(content))


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


def _versions() -> dict[str, str]:
    """Return the versions that shaped the weights, without importing anything."""
    versions = {"jpasbatch": jpasbatch.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
