"""What a job asks of ``evaluate``: which committee is scored on which samples, and all that decides the scores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.errors import InputError
from jpasbatch.learning.inference import describe_engine
from jpasbatch.learning.manifest import check_manifest
from jpasbatch.stages.evaluate.cross_validation import FOLDS
from jpasbatch.stages.evaluate.stress import StressPlan, plan_stress
from jpasbatch.stages.run.committees import StoredCommittee, find_committee
from jpasbatch.stages.run.mock_parts import makes_sets, mock_part
from jpasbatch.stages.run.samples import identify_sample, list_sample, sample_path
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import fingerprint

VALIDATION = "validation"
"""The sample that choices were made on: its predictions are kept for combiners, and it has no scores here."""


class Asked(NamedTuple):
    """What decides an evaluation: committee, files of samples, all else by name, what is stressed, and all of it."""

    stored: StoredCommittee
    samples: dict[str, list[Path]]
    parts: dict[str, Any]
    stress: StressPlan | None
    identity: str


def ask_evaluate(workspace: Workspace) -> Asked:
    """Return what the job asks of this stage; nothing is computed yet. Errors are those of `run_evaluate`."""
    job = workspace.job
    stored = find_committee(workspace)
    check_manifest(stored.manifest, workspace.survey, job.classes)
    samples = {name: list_sample(path) for name, path in evaluated_samples(workspace).items()}
    parts = {
        "committee": stored.version.name,
        "samples": {name: identify_sample(files) for name, files in samples.items()},
        "survey": workspace.survey_text("evaluate"),
        "cuts": asdict(job.catalogue.cuts),
        "seed": job.seed,
        "engine": describe_engine(stored.graph, job.inference),
        "title": (job.name, job.title),
        "algorithms": algorithm_numbers("evaluate"),
    }
    whole = {name: files for name, files in samples.items() if name not in (VALIDATION, FOLDS)}
    base = fingerprint(**parts)
    plan = plan_stress(workspace, whole, base)
    identity = base if plan is None else fingerprint(base=base, stress=plan.identity)
    return Asked(stored, samples, parts, plan, identity)


def evaluated_samples(workspace: Workspace) -> dict[str, Path]:
    """Return the samples by name: those of the job, or the test set of its mock; and the validation sample.

    With folds the labelled sample is both: tested in the fold that each object is in, and validating others.

    Raises
    ------
    InputError
        When there is no test sample.
    """
    job = workspace.job
    found = {name: Path(path) for name, path in job.samples.tests.items()}
    folds = job.samples.labelled
    if not found and folds is None:
        mock = workspace.require("mock") if job.mock is not None else {}
        if not (makes_sets(mock) or "test" in mock.get("rows", {})):
            raise InputError(
                f"job '{job.name}' names no test sample; add [samples.tests] with a name and a path, or a mock that "
                "makes a test set"
            )
        found["test"] = mock_part(workspace, mock, "test", "evaluate (without [samples.tests])")
    if folds is not None:
        found |= {FOLDS: Path(folds), VALIDATION: Path(folds)}
    elif job.committee.artefact is None:
        found[VALIDATION] = sample_path(workspace, VALIDATION)
    return found
