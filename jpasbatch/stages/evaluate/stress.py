"""Test samples under stress: spoiled in stated ways and classified again, a task for each sample and stress.

Of a sample so many objects are written aside once, with the classes that they have unspoilt. A task spoils and judges
them all; it commits counts alone, so that memory grows with neither samples nor stresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.job.job import Job
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.published import table_writers
from jpasbatch.scoring.stress import Stress, spoil_sample, survey_stresses
from jpasbatch.scoring.stress_scores import (
    CountedGroup,
    StressSample,
    count_stress,
    library_groups,
    magnitude_groups,
    stress_scores,
)
from jpasbatch.scoring.stress_tables import Content, called_table, stress_table
from jpasbatch.stages.evaluate.cross_validation import FOLDS
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed, run_on_disk
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.records import recorded
from jpasbatch.stages.run.samples import PARENT, labels_of, read_sample, sample_photometry
from jpasbatch.stages.run.stage_facts import EvaluateFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.ledger import fingerprint

STEM, CALLED = "stress", "stress_called"
"""Names of the tables: scores, and who is called what."""

ENDINGS = ("ecsv", "parquet")
ARRAYS = ("flux", "flux_err", "labels", "decided", "groups")
CHOSEN = 0
"""Seed of the draw of objects: the same for every committee."""


PREPARE, STRESS = "evaluate: samples to stress", "evaluate: stresses"
"""What the progress says of the two kinds of tasks."""


@dataclass(frozen=True)
class StressPlan:
    """What is to be stressed.

    Attributes
    ----------
    identity : str
        Fingerprint of all that decides the table.
    files : dict of str to list of str
        Of each sample, by its name.
    stresses : tuple of Stress
    """

    identity: str
    files: dict[str, list[str]]
    stresses: tuple[Stress, ...]

    def sample_keys(self) -> dict[str, str]:
        """Return the key of the task that prepares each sample, by name."""
        return {name: f"{name}-sample" for name in self.files}

    def stress_keys(self) -> dict[tuple[str, int], str]:
        """Return the key of the task of each sample and stress, by name and number."""
        return {
            (name, number): f"{name}-{number:03d}"
            for name in self.files
            for number in range(len(self.stresses))
        }


@dataclass(frozen=True)
class StressedSample(Facts):
    """What the commit of a prepared sample tells: the names of its groups of objects, and refused rows by reason."""

    groups: tuple[str, ...]
    rejected: dict[str, int]


@dataclass(frozen=True)
class StressCounts(Facts):
    """What the commit of a stress tells: of each group of objects what was counted."""

    groups: tuple[CountedGroup, ...]


def plan_stress(workspace: Workspace, samples: Mapping[str, list[Path]], base: str) -> StressPlan | None:
    """Return what is to be stressed; None where neither job nor user asks, and no table of before still holds.

    Parameters
    ----------
    workspace : Workspace
    samples : mapping of str to list of Path
        Files of the test samples.
    base : str
        Fingerprint of the evaluation without it.

    Raises
    ------
    InputError
        When it is asked for, and there is no such sample.
    """
    options = workspace.job.evaluation.stress
    asked = options.enabled or workspace.stress
    chosen = {name: files for name, files in samples.items() if name in (options.tests or samples)}
    stresses = survey_stresses(workspace.survey)
    identity = fingerprint(
        base=base, rows=options.rows, samples=list(chosen), stresses=[repr(one) for one in stresses]
    )
    before = recorded(workspace, EvaluateFacts)
    stressed = None if before is None else before.facts.stress
    if not asked and (stressed is None or stressed.identity != identity):
        return None
    _check(options.tests, samples)
    return StressPlan(identity, {name: [str(path) for path in one] for name, one in chosen.items()}, stresses)


def _check(named: tuple[str, ...], samples: Mapping[str, list[Path]]) -> None:
    unknown = [name for name in named if name not in samples]
    if unknown:
        raise InputError(
            f"[evaluation.stress] tests: there is no test sample {unknown[0]!r} to stress; allowed are "
            f"{', '.join(samples) or 'none'}"
        )
    if not samples:
        raise InputError(
            f"the stress table needs a test sample that the whole committee judges, and this job has {FOLDS!r} alone, "
            "whose objects are judged by the members of their fold. Name a sample that no member learnt from in "
            "[samples.tests]"
        )


def run_stress(
    plan: StressPlan, committee: Path, workspace: Workspace, executor: Executor
) -> dict[str, dict[str, Any]]:
    """Stress the samples of a plan; return what came of each, by name (`jpasbatch.scoring.stress_tables.Content`).

    Raises
    ------
    InputError
        When a sample holds no object that the committee can classify.
    """
    run = run_on_disk(workspace, "evaluate", plan.identity)
    shared = (str(committee), workspace.job, workspace.survey, run)
    tasks: dict[str, tuple[Any, ...]] = {
        key: (name, plan.files[name]) for name, key in plan.sample_keys().items()
    }
    commits = committed(run, PREPARE, prepare_stress_sample, tasks, executor, shared=shared)
    prepared = commits.whole_of(StressedSample, "samples")
    keys = plan.stress_keys()
    tasks = {
        key: (name, prepared[f"{name}-sample"].facts.groups, plan.stresses[number])
        for (name, number), key in keys.items()
    }
    found = committed(run, STRESS, stress_sample, tasks, executor, shared=shared)
    counts = found.whole_of(StressCounts, "stresses")
    return {
        name: {
            "objects": prepared[f"{name}-sample"].rows,
            "rejected": prepared[f"{name}-sample"].facts.rejected,
            "stresses": [
                {
                    "stress": stress.name,
                    "level": stress.level,
                    "bands": stress.bands,
                    "wavelength": stress.wavelength,
                    "groups": [stress_scores(one) for one in counts[keys[name, number]].facts.groups],
                }
                for number, stress in enumerate(plan.stresses)
            ],
        }
        for name in plan.files
    }


def prepare_stress_sample(
    committee: str, job: Job, survey: Survey, run: Run, name: str, files: list[str]
) -> Made:
    """Write aside the objects of a sample that are to be stressed, and what the committee says of them unspoilt.

    The commit holds `StressedSample`.
    """
    accepted, rejected = read_sample([Path(path) for path in files], survey, job)
    labels = labels_of(accepted, job)
    chosen = np.flatnonzero(labels != UNLABELLED)
    rejected["no class of the job"] = len(labels) - len(chosen)
    order = np.random.default_rng(CHOSEN).permutation(len(chosen))[: job.evaluation.stress.rows]
    chosen = np.sort(chosen[order])
    photometry = sample_photometry(accepted, survey, job).select(chosen)
    judgement = open_committee(committee, survey, job.inference).judge(photometry)
    usable = judgement.usable
    rejected["no features"] = int((~usable).sum())
    if not usable.any():
        raise InputError(
            f"the sample {name!r} ({', '.join(files[:3])}) holds no object of a class of the job that the committee "
            "can classify"
        )
    photometry, labels = photometry.select(usable), labels[chosen[usable]]
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
    groups = magnitude_groups(magnitude, survey.magnitude_bins, survey.reference_band)
    groups |= library_groups(_parents(accepted, chosen[usable]))
    arrays = (
        photometry.flux,
        photometry.flux_err,
        labels,
        judgement.decided[usable],
        np.stack(list(groups.values())),
    )
    paths = []
    kinds = (*ARRAYS, *(f"auxiliary-{column}" for column in photometry.auxiliary))
    for array, kind in zip((*arrays, *photometry.auxiliary.values()), kinds, strict=True):
        paths.append(run.path / f"{name}-{kind}.npy")
        with written_aside(paths[-1]) as aside, aside.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    facts = StressedSample(
        groups=tuple(groups),
        rejected={reason: count for reason, count in sorted(rejected.items()) if count},
    )
    return Made(len(labels), facts, paths)


def _parents(accepted: pa.Table, rows: np.ndarray) -> np.ndarray | None:
    """Return the names of the parents of some rows, text (n,), empty where unknown; None in samples without."""
    if PARENT not in accepted.column_names:
        return None
    names = accepted[PARENT].take(pa.array(rows)).to_pylist()
    return np.array([name or "" for name in names], dtype=str)


def stress_sample(
    committee: str, job: Job, survey: Survey, run: Run, name: str, groups: Sequence[str], stress: Stress
) -> Made:
    """Spoil one sample in one way, classify it again, and commit what is counted.

    The commit holds `StressCounts`.
    """
    flux, error, labels, decided, members = (
        np.load(run.path / f"{name}-{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in ARRAYS
    )
    further = {
        column: np.load(run.path / f"{name}-auxiliary-{column}.npy", mmap_mode="r", allow_pickle=False)
        for column in job.features.auxiliary
    }
    spoilt = spoil_sample(Photometry(flux, error, further), stress, survey)
    judgement = open_committee(committee, survey, job.inference).judge(spoilt)
    magnitude = ab_magnitude(flux[:, survey.reference_index])
    sample = StressSample(labels, decided, magnitude, dict(zip(groups, members, strict=True)))
    counted = count_stress(sample, judgement, tuple(job.classes))
    return Made(len(labels), StressCounts(tuple(counted)))


def write_stress(
    folder: Path, content: Mapping[str, Content], classes: tuple[str, ...], described: Mapping[str, str]
) -> list[str]:
    """Write the tables of samples under stress as ECSV and Parquet, and return the names of the files.

    Parameters
    ----------
    folder : Path
        Of the evaluation. Without samples tables that an earlier evaluation left there are removed: they are of another
        committee, or other samples.
    content : mapping of str to Content
        By sample.
    classes : tuple of str
    described : mapping of str to str
        What the tables say of themselves.
    """
    names = [f"{stem}.{ending}" for stem in (STEM, CALLED) for ending in ENDINGS]
    if not content:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        return []
    tables = {STEM: stress_table(content, classes), CALLED: called_table(content, classes)}
    for stem, table in tables.items():
        for name, write in table_writers(stem, table, {}, described).items():
            with written_aside(folder / name) as aside, aside.open("wb") as file:
                write(file)
    return names
