"""Stage ``train``: labelled samples in, a committee out.

The labelled sample is read, checked and turned into features once; each member of the committee is then one
task with its own seed, on a worker with a ``GPU`` where the cluster file declares one. A member that is
committed is never trained again, so that an interrupted training goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.config import Job
from jpasbatch.errors import InputError
from jpasbatch.learning.samples import LabelledFeatures, label
from jpasbatch.photometry.features import make_features
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.commits import hash_files, whole_commits
from jpasbatch.stages.mapping import map_tasks, require_all
from jpasbatch.stages.samples import identify_sample, list_sample, read_sample, sample_path
from jpasbatch.stages.workspace import Workspace, stopwatch
from jpasbatch.storage.artefacts import committee_version, load_committee, save_committee
from jpasbatch.storage.files import sha256_file, written_aside
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint

if TYPE_CHECKING:
    from jpasbatch.learning.training import TrainedMember

SAMPLES = ("training", "validation")
GPU = "GPU"


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
    samples = {part: list_sample(sample_path(workspace, part)) for part in SAMPLES}
    identity = fingerprint(
        samples={part: identify_sample(files) for part, files in samples.items()},
        survey=repr(workspace.survey),
        **job.model_dump(include={"classes", "features", "model", "training", "seed"}),
        cuts=asdict(job.catalogue.cuts),
        filter_table=sha256_file(Path(job.samples.filter_table)) if job.samples.filter_table else None,
        members=job.committee.members,
        code=code_fingerprint("photometry", "learning", "storage", "stages.train", "stages.samples"),
    )
    unchanged = workspace.unchanged("train", identity)
    if unchanged and (workspace.folder / unchanged["committee"]).is_dir():
        return unchanged
    folder = workspace.run_folder("train", identity)
    with stopwatch() as elapsed:
        prepared = _prepare(samples, workspace, folder, executor)
        members = _train_members(workspace, folder, executor)
        committee, scores = _publish(workspace, folder, prepared, members)
    content = {
        "committee": str(committee.relative_to(workspace.folder)),
        "members": job.committee.members,
        "rows": {part: prepared[part]["rows"] for part in SAMPLES},
        "rows_by_class": {part: prepared[part]["classes"] for part in SAMPLES},
        "quarantined": {part: prepared[part]["rejected"] for part in SAMPLES},
        "epochs": [member["epochs"] for member in members],
        "seconds_per_member": [member["seconds"] for member in members],
        "validation": scores,
    }
    return workspace.finish("train", identity, elapsed[0], content)


def _prepare(
    samples: dict[str, list[Path]], workspace: Workspace, folder: Path, executor: Executor
) -> dict[str, dict[str, Any]]:
    """Write features and labels of both samples; training first, since it fits the features."""
    ledger = Ledger(folder / "ledger")
    done = whole_commits(ledger, folder)
    for part in SAMPLES:
        if part not in done:
            task = Task(part, ([str(path) for path in samples[part]], part, workspace.job, str(folder)))
            _, troubles = map_tasks(f"train: {part} features", prepare_sample, [task], executor)
            require_all(troubles, "samples")
    records = {part: ledger.read(part) for part in SAMPLES}
    return {part: record for part, record in records.items() if record is not None}


def prepare_sample(files: list[str], part: str, job: Job, folder: str) -> dict[str, Any]:
    """Read a labelled sample and write its features and labels aside, then commit.

    Returns
    -------
    dict
        ``rows``, ``rejected`` rows by reason, ``classes`` (rows by class) and the state of the features.
    """
    survey = load_survey(job.survey)
    accepted, rejected = read_sample([Path(path) for path in files], survey, job)
    photometry = photometry_from_table(accepted, survey)
    ledger = Ledger(Path(folder) / "ledger")
    fitted = ledger.read(SAMPLES[0])
    features = (
        make_features(job.features.kind, survey).fit(photometry)
        if fitted is None
        else make_features(job.features.kind, survey, fitted["features"])
    )
    sample = LabelledFeatures.from_rows(features(photometry), _labels(accepted, job), tuple(job.classes))
    by_class = sample.class_counts()
    _check_classes(by_class, part, files)
    arrays = [Path(folder) / f"{part}-{content}.npy" for content in ("features", "labels")]
    for path, values in zip(arrays, (sample.features, sample.labels), strict=True):
        _save(path, values)
    rejected["no class of the job, or no features"] = accepted.num_rows - len(sample)
    record = {
        "rows": len(sample),
        "rejected": {reason: count for reason, count in sorted(rejected.items()) if count},
        "classes": by_class,
        "features": features.state(),
        "files": hash_files(Path(folder), arrays),
    }
    ledger.commit(part, record)
    return record


def _labels(table: pa.Table, job: Job) -> np.ndarray:
    return label(
        table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
    )


def _check_classes(by_class: dict[str, int], part: str, files: list[str]) -> None:
    empty = [name for name, count in by_class.items() if count == 0]
    if empty:
        raise InputError(
            f"the {part} sample ({', '.join(files[:3])}) holds no usable object of class {', '.join(empty)}; "
            f"found {by_class}. Add such objects, or correct `truth` and `redshift` in [classes]"
        )


def _save(path: Path, array: np.ndarray) -> None:
    with written_aside(path) as aside, aside.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _train_members(workspace: Workspace, folder: Path, executor: Executor) -> list[dict[str, Any]]:
    ledger = Ledger(folder / "ledger")
    keys = [f"member-{index:02d}" for index in range(workspace.job.committee.members)]
    done = whole_commits(ledger, folder)
    tasks = [
        Task(key, (index, workspace.job, str(folder))) for index, key in enumerate(keys) if key not in done
    ]
    _, troubles = map_tasks("train: members", train_one_member, tasks, executor, executor.request(GPU))
    require_all(troubles, "members of the committee")
    records = [ledger.read(key) for key in keys]
    return [record for record in records if record is not None]


def train_one_member(index: int, job: Job, folder: str) -> dict[str, Any]:
    """Train one member from the prepared features and write its weights aside, then commit.

    Returns
    -------
    dict
        ``index``, ``seed``, ``epochs``, ``seconds`` and ``files``: its weights, with their sha256.
    """
    from jpasbatch.learning.training import limit_threads, train_member

    limit_threads(1)
    seed = member_seed(job.seed, index)
    training, validation = (read_prepared(Path(folder), part, job) for part in SAMPLES)
    with stopwatch() as elapsed:
        member = train_member(job.model, job.training, training, validation, seed)
    target = Path(folder) / f"member-{index:02d}.npz"
    with written_aside(target) as aside, aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **member.to_arrays())
    record = {
        "index": index,
        "seed": seed,
        "epochs": len(member.history["loss"]),
        "best_epoch": member.best_epoch,
        "seconds": round(elapsed[0], 2),
        "files": hash_files(Path(folder), [target]),
    }
    Ledger(Path(folder) / "ledger").commit(f"member-{index:02d}", record)
    return record


def read_prepared(folder: Path, part: str, job: Job) -> LabelledFeatures:
    """Read a sample that `prepare_sample` wrote."""
    return LabelledFeatures(
        np.load(folder / f"{part}-features.npy", allow_pickle=False),
        np.load(folder / f"{part}-labels.npy", allow_pickle=False),
        tuple(job.classes),
    )


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
    from jpasbatch.learning.training import TrainedMember

    if sha256_file(path) != sha256:
        raise InputError(f"{path}: not the weights that were trained (sha256 differs); remove its folder")
    with np.load(path, allow_pickle=False) as arrays:
        return TrainedMember.from_arrays(arrays)


def _publish(
    workspace: Workspace, folder: Path, prepared: dict[str, Any], records: list[dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    from jpasbatch.learning.committee import committee_manifest
    from jpasbatch.learning.graph import committee_graph

    job, survey = workspace.job, workspace.survey
    features = make_features(job.features.kind, survey, prepared["training"]["features"])
    members = [
        read_member(folder / name, sha256) for record in records for name, sha256 in record["files"].items()
    ]
    graph = committee_graph(members, features.n_inputs)
    scores = score_committee(graph, job, folder)
    options = {"model": asdict(job.model), "training": asdict(job.training)}
    manifest = committee_manifest(survey, features, job.classes, members, options, scores)
    return save_committee(workspace.committees, manifest, graph), scores


def score_committee(graph: bytes, job: Job, folder: Path) -> dict[str, Any]:
    """Return the validation scores of a committee: weighted f1, f1 by class, expected calibration error."""
    from jpasbatch.learning.committee import vote
    from jpasbatch.learning.inference import InferenceEngine
    from jpasbatch.learning.metrics import ConfusionTally, ReliabilityTally, scores

    sample = read_prepared(folder, "validation", job)
    probabilities = vote(InferenceEngine(graph).members(sample.features))
    everywhere = np.zeros(len(sample), dtype=int)
    confusion = ConfusionTally.create(len(job.classes), 1)
    confusion.add(sample.labels, probabilities.argmax(axis=1), everywhere)
    result = scores(confusion.total())
    calibration = ReliabilityTally.create(len(job.classes)).add(sample.labels, probabilities).extract()
    return {
        "weighted_f1": result.weighted_f1,
        "f1": dict(zip(job.classes, result.f1.tolist(), strict=True)),
        "expected_calibration_error": calibration.ece,
    }


def find_committee(workspace: Workspace) -> tuple[dict[str, Any], bytes, Path]:
    """Return manifest, graph and folder of the committee that the job uses: its own, or the named one.

    Raises
    ------
    InputError
        When there is none, or its bytes are not those of its manifest.
    """
    named = workspace.job.committee.artefact
    folder = Path(named) if named else workspace.folder / workspace.require("train")["committee"]
    # the version, and not the pointer, which may move while workers still load the committee
    version = committee_version(folder)
    manifest, graph = load_committee(version)
    return manifest, graph, version
