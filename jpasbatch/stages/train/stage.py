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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed, run_on_disk
from jpasbatch.stages.run.committees import GPU
from jpasbatch.stages.run.samples import identify_sample, list_sample, sample_origin, sample_path
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.stages.train.prepared import (
    VALIDATION,
    fitted_features,
    member_samples,
    noise_model,
    prepare_sample,
    read_prepared,
    sample_parts,
    training_draws,
)
from jpasbatch.storage.stores.artefacts import save_committee
from jpasbatch.storage.stores.files import sha256_file, written_aside
from jpasbatch.storage.stores.ledger import fingerprint

if TYPE_CHECKING:
    from jpasbatch.learning.committee import Committee
    from jpasbatch.learning.members import TrainedMember

log = logging.getLogger(__name__)

RECORDED = ("model", "training", "loss", "stop", "augmentation")
"""Tables of the job that the manifest of a committee holds."""

PREPARED = "with-groups"
"""In the names of commits of samples: what is kept of a sample. One that an older version kept is prepared again, and
members stay."""

MEMBERS = {*RECORDED, "classes", "features", "seed"}
"""Tables of the job that decide a member."""


def run_train(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Train the job's committee and publish it; return the stage's record.

    Raises
    ------
    InputError
        When the job has no classes, a sample is missing or lacks a class, or a member cannot be trained.
    """
    job = workspace.job
    if len(job.classes) < 2:
        raise InputError(f"job '{job.name}': [classes] needs at least two classes to train a committee")
    parts = sample_parts(job)
    samples = {part: list_sample(sample_path(workspace, part)) for part in parts}
    members_identity = _members_identity(workspace, samples)
    identity = fingerprint(
        members=members_identity,
        number=(job.committee.members, job.committee.grow),
        calibration=job.calibration.kind,
        decision=asdict(job.decision),
        variants={
            name: identify_sample(list_sample(Path(path))) for name, path in job.samples.variants.items()
        },
        algorithms=algorithm_numbers("committee"),
    )
    unchanged = workspace.unchanged("train", identity)
    if unchanged and (workspace.folder / unchanged["committee"]).is_dir():
        return unchanged
    # another number of members, or another calibration, finds the members that are trained already
    run = run_on_disk(workspace, "train", members_identity)
    with stopwatch() as elapsed:
        prepared = _prepare(samples, workspace, run, executor)
        learnt = prepared[parts[0]]
        members, growth = _train_members(workspace, run, learnt["features"], executor)
        committee, found = _publish(Trained(workspace, run, learnt, members), samples)
    content = {
        "committee": str(committee.relative_to(workspace.folder)),
        "members": len(members),
        "rows": {part: prepared[part]["rows"] for part in parts},
        "rows_by_class": {part: prepared[part]["classes"] for part in parts},
        "quarantined": {part: prepared[part]["rejected"] for part in parts},
        "epochs": [member["epochs"] for member in members],
        "seconds_per_member": [member["seconds"] for member in members],
        **found,
        "algorithms": algorithm_numbers("members", "committee"),
        **growth,
    }
    return workspace.finish("train", identity, elapsed[0], content)


def _members_identity(workspace: Workspace, samples: dict[str, list[Path]]) -> str:
    """Return the fingerprint of all that decides the members of the committee."""
    job = workspace.job
    return fingerprint(
        samples={part: identify_sample(files) for part, files in samples.items()},
        survey=repr(workspace.survey),
        **job.model_dump(include=MEMBERS),
        share=job.samples.training_share,
        folds=fold_options(job),
        noise=asdict(noise_model(job)) if job.augmentation.noise == "fresh" else None,
        cuts=asdict(job.catalogue.cuts),
        filter_table=sha256_file(Path(job.samples.filter_table)) if job.samples.filter_table else None,
        algorithms=algorithm_numbers("members"),
    )


def fold_options(job: Job) -> tuple[int, int, bool] | None:
    """Return what decides who learns from what, or None for a job without folds."""
    samples = job.samples
    return None if samples.folds is None else (samples.folds, samples.fold_seed, samples.nested)


def _prepare(
    samples: dict[str, list[Path]], workspace: Workspace, run: Run, executor: Executor
) -> dict[str, dict[str, Any]]:
    """Write all samples as arrays and return their commits; the first one fits the features of all."""
    job, records, fitted = workspace.job, {}, None
    for part in sample_parts(job):
        key = f"{part}-{PREPARED}"
        tasks = {key: (part, [str(path) for path in samples[part]], fitted)}
        shared = (job, str(run.path))
        commits = committed(run, f"train: {part} sample", prepare_sample, tasks, executor, shared=shared)
        records[part] = commits.whole("samples")[key]
        fitted = records[part]["features"]
    return records


def member_name(index: int) -> str:
    """Return the key of a member in the ledger, which its files are named after."""
    return f"member-{index:02d}"


def _train_members(
    workspace: Workspace, run: Run, fitted: dict[str, Any], executor: Executor
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train the members, or as many as help; return their records, and how the committee grew."""
    limit = workspace.job.committee.members * (workspace.job.samples.folds or 1)
    if not workspace.job.committee.grow:
        return _train_up_to(limit, workspace, run, fitted, executor), {}
    together = max(len(executor.client.scheduler_info()["workers"]), 1) if executor.client else 1
    scores: list[float] = []
    records: list[dict[str, Any]] = []
    while len(records) < limit and grown(scores) is None:
        # what is trained at once is no more than what there are hands for, and decides nothing
        records = _train_up_to(min(len(records) + together, limit), workspace, run, fitted, executor)
        scores = _scores_by_size(Trained(workspace, run, {"features": fitted}, records))
    size = grown(scores) or len(records)
    log.info(
        "train: a committee of %d (validation f1 by size: %s)", size, ", ".join(f"{x:.4f}" for x in scores)
    )
    return records[:size], {"weighted_f1_by_members": scores[: size + 1]}


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
    members: int, workspace: Workspace, run: Run, fitted: dict[str, Any], executor: Executor
) -> list[dict[str, Any]]:
    tasks = {member_name(index): (index,) for index in range(members)}
    commits = committed(
        run,
        "train: members",
        train_one_member,
        tasks,
        executor,
        shared=(workspace.job, str(run.path), fitted),
        resources=executor.request(GPU),
    )
    return list(commits.whole("members of the committee").values())


def train_one_member(job: Job, folder: str, fitted: dict[str, Any], index: int) -> Made:
    """Train one member from the prepared samples and write its arrays aside.

    After every epoch its whole state is written too, so that a killed training goes on from there. The commit holds
    ``index``, ``seed``, ``epochs``, ``best_epoch`` and ``seconds`` (of this process alone).

    Parameters
    ----------
    job : Job
    folder : str
        Of the run.
    fitted : dict
        State of the features.
    index : int
        Which member.
    """
    from jpasbatch.learning.training import Monitor

    place, survey, seed = Path(folder), load_survey(job.survey), member_seed(job.seed, index)
    features = fitted_features(job, survey, fitted)
    learns, validates = member_samples(place, job, index)
    training = training_draws(learns, job, survey, features, seed)
    validation = validates.labelled(features, tuple(job.classes))
    state = place / f"{member_name(index)}.state.npz"
    monitor = Monitor(save=lambda snapshot: _write_arrays(state, snapshot), resume=_read_arrays(state))
    with stopwatch() as elapsed:
        member = job.model.train(job.plan, training, validation, seed, monitor)
    target = place / f"{member_name(index)}.npz"
    _write_arrays(target, member.to_arrays())
    facts = {
        "index": index,
        "seed": seed,
        "epochs": len(member.history["validation_loss"]),
        "best_epoch": member.best_epoch,
        "seconds": round(elapsed[0], 2),
    }
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


def read_member(path: Path, sha256: str) -> TrainedMember:
    """Read a member and check that its bytes are those that were committed.

    Raises
    ------
    InputError
        When the file was changed since.
    """
    from jpasbatch.learning.members import member_from_arrays

    if sha256_file(path) != sha256:
        raise InputError(f"{path}: not the weights that were trained (sha256 differs); remove its folder")
    with np.load(path, allow_pickle=False) as arrays:
        return member_from_arrays(arrays)


class Trained(NamedTuple):
    """Members that are trained: the run that trained them, the commit of what they learnt from, and their commits."""

    workspace: Workspace
    run: Run
    learnt: dict[str, Any]
    members: list[dict[str, Any]]


def _untried_committee(trained: Trained) -> tuple[list[TrainedMember], bytes, Committee]:
    """Return the members, their graph, and the committee that they are before anything is fitted to its votes."""
    from jpasbatch.learning.committee import Committee
    from jpasbatch.learning.graph import committee_graph
    from jpasbatch.learning.inference import InferenceEngine
    from jpasbatch.learning.judgement import Jury

    job, survey = trained.workspace.job, trained.workspace.survey
    features = fitted_features(job, survey, trained.learnt["features"])
    members = [
        read_member(Path(trained.run.place) / file, sha256)
        for record in trained.members
        for file, sha256 in record["files"].items()
    ]
    graph = committee_graph(members, features.n_inputs)
    committee = Committee(survey, features, InferenceEngine(graph), Jury.plain(), tuple(job.classes))
    return members, graph, committee


def _scores_by_size(trained: Trained) -> list[float]:
    """Return the weighted f1 on the validation set of the first 1, 2, ... members."""
    from jpasbatch.scoring.metrics import validation_scores

    _, _, committee = _untried_committee(trained)
    sample = read_prepared(trained.run.path, VALIDATION)
    members = committee.member_probabilities(sample.photometry)[1]
    magnitude = sample.magnitude(trained.workspace.survey)
    judged = [
        committee.jury.judge(members[:, :size], magnitude) for size in range(1, len(trained.members) + 1)
    ]
    return [validation_scores(sample.labels, one, committee.classes)["weighted_f1"] for one in judged]


def _publish(trained: Trained, samples: dict[str, list[Path]]) -> tuple[Path, dict[str, Any]]:
    """Calibrate and score the committee on the validation sample, and save it as an immutable version.

    With it goes how many objects of each class it learnt from (who borrows it is warned of a mix that no sky has), what
    it says of the validation sample (``correct`` finds the mix of a sky by it), and what is ordinary.
    """
    from jpasbatch.learning.judgement import Jury
    from jpasbatch.learning.manifest import describe_committee
    from jpasbatch.priors.validation import Validation
    from jpasbatch.scoring.metrics import validation_scores
    from jpasbatch.stages.train.ordinary import ordinary_objects
    from jpasbatch.stages.train.validation import describe_folds, judged_variants, validated_sample

    job, survey = trained.workspace.job, trained.workspace.survey
    members, graph, committee = _untried_committee(trained)
    known, classes = validated_sample(trained.run.path, job, survey, committee), committee.classes
    jury = Jury.fit(
        known.probabilities, known.magnitude, known.labels, job.calibration.kind, job.decision, classes
    )
    judgement = jury.judge_votes(known.probabilities, known.magnitude)
    ordinary = ordinary_objects(trained.run.path, job, known)
    scores = validation_scores(known.labels, judgement, classes)
    manifest = describe_committee(
        survey,
        committee.features,
        job.classes,
        members,
        jury,
        options={key: asdict(getattr(job, key)) for key in RECORDED},
        validation=scores,
        learnt=trained.learnt["classes"],
        folds=None if job.samples.folds is None else describe_folds(job, samples),
        origin=sample_origin(trained.workspace, sample_parts(job)[0]),
    )
    variants = judged_variants(job, survey, committee, jury)
    beside = (
        Validation(known.judged(judgement), variants).to_bytes(),
        None if ordinary is None else ordinary.to_bytes(),
    )
    saved = save_committee(trained.workspace.committees, manifest.to_json(), graph, *beside)
    return saved, {"validation": scores, "ordinary": None if ordinary is None else ordinary.describe()}
