"""The validation sample that class shares are found with: that of the committee, or labelled objects of the job's own.

Objects of a class may look otherwise on a sky than in what a committee learnt from. Where labelled objects of that sky
are at hand, the committee judges them as it judged the sky, and they stand in for its own validation sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.job.paths import OF_MOCK
from jpasbatch.learning.manifest import check_manifest
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.priors.validation import Validation, ValidationSample
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committees import StoredCommittee, open_committee
from jpasbatch.stages.run.mock_parts import mock_part
from jpasbatch.stages.run.samples import (
    groups_of,
    identify_sample,
    labels_of,
    list_sample,
    read_sample,
    sky_weights_of,
    stellarity_of,
)
from jpasbatch.stages.run.stage_facts import ValidationFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.artefacts import committee_fingerprint, load_validation
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import read_object

TITLE, TASK, FILE = "correct: validation sample", "sample", "validation.npz"

ROUNDING = 1e-3
"""How far the probabilities of an object may leave a sum of 1."""

FARTHEST = 100.0
"""Magnitude beyond which no object has one; NaN and infinity stand for fluxes that have none."""


class ValidationSource(NamedTuple):
    """Where lies what a committee says of a validation sample.

    Attributes
    ----------
    place : str
        Location of the committee's version, or of the store of the run.
    key : str
        Of the file in that store; without one it is the committee's own sample.
    """

    place: str
    key: str = ""


class AskedValidation(NamedTuple):
    """Which validation sample a job asks for.

    Attributes
    ----------
    digest : str
        Changes with all that the sample depends on.
    files : tuple of Path
        Of the labelled objects that a job names; none for the committee's own sample.
    tables : mapping of str to str, optional
        SHA-256 of each of these by its name, or the hash of a catalogue.
    """

    digest: str
    files: tuple[Path, ...] = ()
    tables: Mapping[str, str] | None = None

    def judged(self, run: Run) -> ValidationSource:
        """Return where a run keeps what the committee says of labelled objects."""
        return ValidationSource(run.place, f"{run.folder}/{FILE}")


def ask_validation(workspace: Workspace, committee: StoredCommittee) -> AskedValidation:
    """Return which validation sample the job asks for; nothing is judged yet.

    Raises
    ------
    InputError
        When the committee was saved without and the job names none; or what it names is not there, or the committee
        is of other classes.
    """
    job = workspace.job
    if not job.prior.validation:
        return AskedValidation(load_validation(committee.version)[1])
    check_manifest(
        committee.manifest, workspace.survey, job.classes
    )  # labels are positions of the job's classes
    files = list_sample(_sample_path(workspace))
    identities = identify_sample(files)
    identity = fingerprint(
        sample=identities,
        committee=committee_fingerprint(committee.version),
        classes={name: asdict(one) for name, one in job.classes.items()},
        cuts=asdict(job.catalogue.cuts),
        survey=workspace.survey_text("correct"),
        algorithms=algorithm_numbers("correct"),
    )
    hashes = (one if isinstance(one, str) else one[-1] for one in identities)
    tables = dict(zip((path.name for path in files), hashes, strict=True))
    return AskedValidation(identity, tuple(files), tables)


def _sample_path(workspace: Workspace) -> Path:
    named = workspace.job.prior.validation
    if named != OF_MOCK:
        return Path(named)
    asking = f'[prior] validation = "{OF_MOCK}"'
    if workspace.job.mock is None:
        raise InputError(
            f"{asking}: job '{workspace.job.name}' has no [mock]; name labelled tables, or a catalogue"
        )
    return mock_part(workspace, workspace.require("mock"), "validation", asking)


def judge_sample(job: Job, committee: str, asked: AskedValidation, source: ValidationSource) -> Made:
    """Write what a committee says of labelled objects.

    Parameters
    ----------
    job : Job
    committee : str
        Location of its version.
    asked : AskedValidation
        With the files of the objects.
    source : ValidationSource
        Where it is written.

    Raises
    ------
    InputError
        When the objects are not as `read_sample` allows, lack columns that the committee looks at, or none is left.
    """
    survey = load_survey(job.survey)
    judge = open_committee(committee, survey)
    _check_auxiliary(job, judge.auxiliary)
    rows, rejected = read_sample(asked.files, survey, job)
    labels = labels_of(rows, job)
    labelled = labels != UNLABELLED
    rows, labels = rows.filter(pa.array(labelled)), labels[labelled]
    photometry = photometry_from_table(rows, survey, judge.auxiliary)
    judgement = judge.judge(photometry)
    usable = judgement.usable
    told = ValidationFacts(
        objects=int(usable.sum()),
        rejected=dict(rejected),
        unlabelled=int((~labelled).sum()),
        unusable=int((~usable).sum()),
        tables=dict(asked.tables or {}),
    )
    if not told.objects:
        raise InputError(
            f"[prior] validation: {asked.files[0]} leaves no object to validate with: {told.unlabelled} of no class of "
            f"the job, {told.unusable} that the committee cannot judge, rejected rows {told.rejected or 0}; name others"
        )
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
    known = (magnitude, labels, photometry.missing, groups_of(rows))
    weights, class_star = sky_weights_of(rows), stellarity_of(rows)
    sample = ValidationSample.judged(judgement.probabilities, usable, known, weights, class_star)
    open_store(source.place).put(source.key, Validation(sample, {}).to_bytes())
    return Made(told.objects, told, files=[source.key])


def _check_auxiliary(job: Job, needed: tuple[str, ...]) -> None:
    lacking = [name for name in needed if name not in job.features.auxiliary]
    if lacking:
        raise InputError(
            f"[prior] validation: the committee looks at columns beside the photometry ({', '.join(lacking)}), which "
            "are not read of labelled objects; name them in [features] auxiliary"
        )


@lru_cache(maxsize=2)
def read_validation(source: ValidationSource, classes: tuple[str, ...]) -> Validation:
    """Return what a committee says of its validation samples; a process reads it once.

    Raises
    ------
    InputError
        When a committee was saved without, or the file is damaged or of other classes.
    """
    store = open_store(source.place)
    data = read_object(store, source.key) if source.key else load_validation(store)[0]
    try:
        found = Validation.from_bytes(data, classes)
    except MemoryError as error:
        raise InputError(
            f"the validation sample of the committee claims more than fits into memory ({error}); train again"
        ) from None
    for sample in (found.sample, *found.variants.values()):
        check_sample(sample)
    return found


def check_sample(sample: ValidationSample) -> None:
    """Refuse a validation sample whose shares would be found, and wrong.

    Raises
    ------
    InputError
        When the probabilities of an object do not sum to 1, or a magnitude is none of an object.
    """
    totals = sample.probabilities.sum(axis=1, dtype=np.float64)
    worst = int(np.abs(totals - 1).argmax())
    if abs(totals[worst] - 1) > ROUNDING:
        raise InputError(
            f"the validation sample of the committee has probabilities that sum to {totals[worst]:.6g} (object "
            f"{worst + 1}); allowed is 1. Restore the committee from a copy, or train again"
        )
    beyond = np.isfinite(sample.magnitude) & (np.abs(sample.magnitude) > FARTHEST)
    if beyond.any():
        raise InputError(
            f"the validation sample of the committee has the magnitude {sample.magnitude[beyond][0]:.6g}; allowed is "
            f"-{FARTHEST:g} to {FARTHEST:g}. Restore the committee from a copy, or train again"
        )
