"""Stage ``train``: labelled samples in, a committee out.

The labelled samples are read and checked once; each member of the committee is then one task with its own seed,
on a worker with a ``GPU`` where the cluster file declares one. A member that is committed is never trained again,
and one that was cut off goes on after its last epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.learning.machine import describe_machine
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import Commit, committed, run_on_disk
from jpasbatch.stages.run.committees import GPU
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.samples import identify_sample, list_sample, sample_path
from jpasbatch.stages.run.stage_facts import TrainFacts
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.stages.train.beginning import beginning
from jpasbatch.stages.train.prepared import (
    SampleFacts,
    fitted_features,
    member_samples,
    noise_model,
    prepare_sample,
    sample_parts,
    training_draws,
)
from jpasbatch.stages.train.publishing import RECORDED, MemberFacts, Trained, publish, scores_by_size
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.ledger import fingerprint

log = logging.getLogger(__name__)

PREPARED = "with-groups"
"""In the names of commits of samples: what is kept of a sample. One that an older version kept is prepared again, and
members stay."""

MEMBERS = {*RECORDED, "classes", "features", "seed"}
"""Tables of the job that decide a member."""


def run_train(workspace: Workspace, executor: Executor) -> StageRecord[TrainFacts]:
    """Train the job's committee and publish it; return the stage's record.

    Raises
    ------
    InputError
        When the job has no classes, a sample is missing or lacks a class, or a member cannot be trained.
    """
    parts = sample_parts(workspace.job)
    samples, members_identity, identity, told = ask_train(workspace)
    done = unchanged(workspace, TrainFacts, identity, told)
    if done and (workspace.folder / done.facts.committee).is_dir():
        return done
    # another number of members, or another calibration, finds the members that are trained already
    run = run_on_disk(workspace, "train", members_identity)
    with stopwatch() as elapsed:
        prepared = _prepare(samples, workspace, run, executor)
        learnt = prepared[parts[0]]
        members, growth = _train_members(workspace, run, learnt.facts, executor)
        published = publish(Trained(workspace, run, learnt.facts, members), samples)
    facts = TrainFacts(
        committee=str(published.folder.relative_to(workspace.folder)),
        members=len(members),
        rows={part: prepared[part].rows for part in parts},
        rows_by_class={part: prepared[part].facts.classes for part in parts},
        quarantined={part: prepared[part].facts.rejected for part in parts},
        epochs=tuple(member.facts.epochs for member in members),
        seconds_per_member=tuple(member.facts.seconds for member in members),
        validation=published.validation,
        machines=tuple(published.machines),
        ordinary=published.ordinary,
        weighted_f1_by_members=growth,
    )
    return finish(workspace, facts, identity, elapsed[0], told, algorithm_numbers("members", "committee"))


class Asked(NamedTuple):
    """What decides a committee: files of its samples, fingerprints of members and committee, and all of it by name."""

    samples: dict[str, list[Path]]
    members: str
    identity: str
    told: dict[str, Any]


def ask_train(workspace: Workspace) -> Asked:
    """Return what the job asks of this stage; nothing is computed yet.

    Raises
    ------
    InputError
        When the job has no classes, or a sample is missing.
    """
    job = workspace.job
    if len(job.classes) < 2:
        raise InputError(f"job '{job.name}': [classes] needs at least two classes to train a committee")
    samples = {part: list_sample(sample_path(workspace, part)) for part in sample_parts(job)}
    members = _member_parts(workspace, samples)
    parts: dict[str, Any] = {
        "number": (job.committee.members, job.committee.grow),
        **({"weights": job.committee.weights} if job.committee.weights != "float32" else {}),
        "calibration": job.calibration.kind,
        "decision": asdict(job.decision),
        "variants": {
            name: identify_sample(list_sample(Path(path))) for name, path in job.samples.variants.items()
        },
        "algorithms": algorithm_numbers("committee"),
    }
    trained = fingerprint(**members)
    identity = fingerprint(members=trained, **parts)
    told = members | parts | {"algorithms": algorithm_numbers("members", "committee")}
    return Asked(samples, trained, identity, told)


def _member_parts(workspace: Workspace, samples: dict[str, list[Path]]) -> dict[str, Any]:
    """Return all that decides the members of the committee, by name."""
    job = workspace.job
    return dict(
        samples={part: identify_sample(files) for part, files in samples.items()},
        survey=workspace.survey_text("train"),
        **job.model_dump(include=MEMBERS),
        share=job.samples.training_share,
        **({"begin": begun.identity} if (begun := beginning(job)) else {}),
        folds=fold_options(job),
        noise=asdict(noise_model(job)) if job.augmentation.noise == "fresh" else None,
        cuts=asdict(job.catalogue.cuts),
        filter_table=sha256_file(Path(job.samples.filter_table)) if job.samples.filter_table else None,
        algorithms=algorithm_numbers("members"),
        **({"auxiliary": [asdict(one) for one in job.auxiliary]} if job.auxiliary else {}),
    )


def fold_options(job: Job) -> tuple[int, int, bool] | None:
    """Return what decides who learns from what, or None for a job without folds."""
    samples = job.samples
    return None if samples.folds is None else (samples.folds, samples.fold_seed, samples.nested)


def _prepare(
    samples: dict[str, list[Path]], workspace: Workspace, run: Run, executor: Executor
) -> dict[str, Commit[SampleFacts]]:
    """Write all samples as arrays and return their commits; the first one fits the features of all."""
    job, records = workspace.job, {}
    fitted = begun.fitted if (begun := beginning(job)) else None
    for part in sample_parts(job):
        key = f"{part}-{PREPARED}"
        tasks = {key: (part, [str(path) for path in samples[part]], fitted)}
        shared = (job, str(run.path))
        commits = committed(run, f"train: {part} sample", prepare_sample, tasks, executor, shared=shared)
        records[part] = commits.whole_of(SampleFacts, "samples")[key]
        fitted = records[part].facts.features
    return records


def member_name(index: int) -> str:
    """Return the key of a member in the ledger, which its files are named after."""
    return f"member-{index:02d}"


def _train_members(
    workspace: Workspace, run: Run, learnt: SampleFacts, executor: Executor
) -> tuple[list[Commit[MemberFacts]], tuple[float, ...] | None]:
    """Train the members, or as many as help; return their commits, and the scores by which the committee grew."""
    limit = workspace.job.committee.members * (workspace.job.samples.folds or 1)
    if not workspace.job.committee.grow:
        return _train_up_to(limit, workspace, run, learnt, executor), None
    together = max(len(executor.client.scheduler_info()["workers"]), 1) if executor.client else 1
    scores: list[float] = []
    records: list[Commit[MemberFacts]] = []
    while len(records) < limit and grown(scores) is None:
        # what is trained at once is no more than what there are hands for, and decides nothing
        records = _train_up_to(min(len(records) + together, limit), workspace, run, learnt, executor)
        scores = scores_by_size(Trained(workspace, run, learnt, records))
    size = grown(scores) or len(records)
    log.info(
        "train: a committee of %d (validation f1 by size: %s)", size, ", ".join(f"{x:.4f}" for x in scores)
    )
    return records[:size], tuple(scores[: size + 1])


def grown(scores: Sequence[float]) -> int | None:
    """Return the size at which a committee stops growing, or None if it is not known yet.

    Paper A, section 3.4: from two members on, one more at a time until the validation f1 does not improve.

    Parameters
    ----------
    scores : sequence of float
        Weighted f1 of the first 1, 2, ... members.
    """
    for size in range(2, len(scores)):
        if scores[size] <= scores[size - 1]:
            return size
    return None


def _train_up_to(
    members: int, workspace: Workspace, run: Run, learnt: SampleFacts, executor: Executor
) -> list[Commit[MemberFacts]]:
    topic = f"jpasbatch-train-{uuid4().hex}"
    tasks = {member_name(index): (index, topic) for index in range(members)}
    commits = committed(
        run,
        "train: members",
        train_one_member,
        tasks,
        executor,
        shared=(workspace.job, str(run.path), learnt.features),
        resources=executor.request(GPU),
        topic=topic,
    )
    commits.measure(workspace, "train")
    return list(commits.whole_of(MemberFacts, "members of the committee").values())


def train_one_member(
    job: Job, folder: str, fitted: dict[str, Any], index: int, topic: str | None = None
) -> Made:
    """Train one member from the prepared samples and write its arrays aside.

    After every epoch its whole state is written too, so that a killed training goes on from there. The commit holds
    `MemberFacts`.

    Parameters
    ----------
    job : Job
    folder : str
        Of the run.
    fitted : dict
        State of the features.
    index : int
        Which member.
    topic : str, optional
        On which it tells how far it is.
    """
    from jpasbatch.learning.backend import framework_threads
    from jpasbatch.learning.training import Monitor
    from jpasbatch.stages.train.watching import Watch

    place, survey, seed = Path(folder), load_survey(job.survey), member_seed(job.seed, index)
    features = fitted_features(job, survey, fitted)
    learns, validates = member_samples(place, job, index)
    training = training_draws(learns, job, survey, features, seed)
    validation = validates.labelled(features, tuple(job.classes))
    state = place / f"{member_name(index)}.state.npz"
    earlier = _read_arrays(state)
    watch = Watch(topic, member_name(index), job.plan.epochs, earlier)
    watch.begin()
    begun = beginning(job)
    monitor = Monitor(
        watch.on_epoch,
        lambda snapshot: _write_arrays(state, watch.with_curve(snapshot)),
        earlier,
        None if begun is None else begun.member(index, job),
    )
    with stopwatch() as elapsed:
        member = job.model.train(job.plan, training, validation, seed, monitor)
    target = place / f"{member_name(index)}.npz"
    _write_arrays(target, member.to_arrays())
    facts = MemberFacts(
        index=index,
        seed=seed,
        epochs=len(member.history["validation_loss"]),
        best_epoch=member.best_epoch,
        seconds=round(elapsed[0], 2),
        curve=watch.curve(member).thinned().stored(),
        machine=describe_machine(framework_threads()),
    )
    return Made(0, facts, [target], spent=[state])


def _write_arrays(path: Path, arrays: Any) -> None:
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file that was renamed into place whole, or None if there is none."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def member_seed(seed: int, index: int) -> int:
    """Return a member's own seed: independent streams from one number of the job file."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0] % (2**31))
