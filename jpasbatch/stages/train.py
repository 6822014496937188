"""Stage ``train``: labelled tables in, a committee out.

The labelled sample is read, checked and turned into features once; each member of the committee is then one
task with its own seed, on a worker with a ``GPU`` where the cluster file declares one. A member that is
committed is never trained again, so that an interrupted training goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.config import Job
from jpasbatch.errors import InputError
from jpasbatch.learning.samples import label
from jpasbatch.photometry.features import Features, make_features
from jpasbatch.photometry.normalisation import normalise
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.stages.mapping import map_tasks, require_all
from jpasbatch.stages.workspace import Workspace, stopwatch
from jpasbatch.storage.artefacts import load_committee, save_committee
from jpasbatch.storage.files import fsync_file, sha256_file
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint
from jpasbatch.storage.tables import iterate_raw, list_tables

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
    samples = {part: list_tables(_sample_path(workspace, part)) for part in SAMPLES}
    identity = fingerprint(
        samples={part: [sha256_file(path) for path in files] for part, files in samples.items()},
        survey=repr(workspace.survey),
        **job.model_dump(include={"classes", "features", "model", "training", "seed"}),
        cuts=asdict(job.catalogue.cuts),
        members=job.committee.members,
        code=code_fingerprint("photometry", "learning", "stages.train"),
    )
    unchanged = workspace.unchanged("train", identity)
    if unchanged and (workspace.folder / unchanged["committee"]).is_dir():
        return unchanged
    folder = workspace.run_folder("train", identity)
    with stopwatch() as elapsed:
        prepared = _prepare(samples, workspace, folder, executor)
        members = _train_members(workspace, folder, executor)
        committee, scores = _publish(workspace, folder, prepared, members, identity)
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


def _sample_path(workspace: Workspace, part: str) -> Path:
    named = getattr(workspace.job.samples, part)
    if named is not None:
        return Path(named)
    return workspace.folder / workspace.require("mock")["folder"] / part


def _prepare(
    samples: dict[str, list[Path]], workspace: Workspace, folder: Path, executor: Executor
) -> dict[str, dict[str, Any]]:
    """Write features and labels of both samples; training first, since it fits the features."""
    ledger = Ledger(folder / "ledger")
    for part in SAMPLES:
        if ledger.read(part) is None:
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
    inputs, labels = features(photometry), _labels(accepted, job)
    usable = (labels >= 0) & np.isfinite(inputs).all(axis=1)
    counts = np.bincount(labels[usable], minlength=len(job.classes))
    by_class = dict(zip(job.classes, counts.tolist(), strict=True))
    _check_classes(by_class, part, files)
    _save(Path(folder) / f"{part}-features.npy", inputs[usable])
    _save(Path(folder) / f"{part}-labels.npy", labels[usable])
    rejected["no class of the job, or no features"] = int((~usable).sum())
    record = {
        "rows": int(usable.sum()),
        "rejected": {reason: count for reason, count in sorted(rejected.items()) if count},
        "classes": by_class,
        "features": features.state(),
    }
    ledger.commit(part, record)
    return record


def read_sample(files: Sequence[Path], survey: Survey, job: Job) -> tuple[pa.Table, dict[str, int]]:
    """Read labelled tables by the door that the catalogue uses: the accepted rows, and the others counted."""
    filter_table = Path(job.samples.filter_table) if job.samples.filter_table else None
    tables: list[pa.Table] = []
    rejected: dict[str, int] = {}
    for path in files:
        for raw in iterate_raw(path, survey, filter_table=filter_table):
            result = normalise(raw, survey, job.catalogue.cuts)
            tables.append(result.accepted)
            for entry in result.rejected["reason"].value_counts().to_pylist():
                rejected[entry["values"]] = rejected.get(entry["values"], 0) + entry["counts"]
    return pa.concat_tables(tables), rejected


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
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    fsync_file(aside)
    aside.replace(path)


def _train_members(workspace: Workspace, folder: Path, executor: Executor) -> list[dict[str, Any]]:
    ledger = Ledger(folder / "ledger")
    keys = [f"member-{index:02d}" for index in range(workspace.job.committee.members)]
    tasks = [
        Task(key, (index, workspace.job, str(folder)))
        for index, key in enumerate(keys)
        if ledger.read(key) is None
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
        ``index``, ``seed``, ``epochs``, ``seconds`` and the ``sha256`` of its weights.
    """
    from jpasbatch.learning.training import LabelledFeatures, limit_threads, train_member

    limit_threads(1)
    seed = member_seed(job.seed, index)
    samples = [
        LabelledFeatures(
            np.load(Path(folder) / f"{part}-features.npy", allow_pickle=False),
            np.load(Path(folder) / f"{part}-labels.npy", allow_pickle=False),
        )
        for part in SAMPLES
    ]
    with stopwatch() as elapsed:
        member = train_member(job.model, job.training, samples[0], samples[1], seed)
    target = Path(folder) / f"member-{index:02d}.npz"
    aside = target.with_name(f".{target.name}")
    arrays = {
        f"{kind}{layer:02d}": array
        for layer, pair in enumerate(member.weights)
        for kind, array in zip(("kernel", "bias"), pair, strict=True)
    }
    with aside.open("wb") as file:
        np.savez(file, **arrays)
    fsync_file(aside)
    aside.replace(target)
    (Path(folder) / f"member-{index:02d}-history.json").write_text(
        json.dumps(member.history), encoding="utf-8"
    )
    record = {
        "index": index,
        "seed": seed,
        "epochs": len(next(iter(member.history.values()))),
        "seconds": round(elapsed[0], 2),
        "sha256": sha256_file(target),
    }
    Ledger(Path(folder) / "ledger").commit(f"member-{index:02d}", record)
    return record


def member_seed(seed: int, index: int) -> int:
    """Return a member's own seed: independent streams from one number of the job file."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0] % (2**31))


def read_member(path: Path, sha256: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read a member's weights and check that they are those that were committed.

    Raises
    ------
    InputError
        When the file was changed since.
    """
    if sha256_file(path) != sha256:
        raise InputError(
            f"{path}: not the weights that were trained (sha256 differs); remove it and its ledger entry"
        )
    with np.load(path, allow_pickle=False) as arrays:
        layers = sum(name.startswith("kernel") for name in arrays.files)
        return [(arrays[f"kernel{layer:02d}"], arrays[f"bias{layer:02d}"]) for layer in range(layers)]


def _publish(
    workspace: Workspace, folder: Path, prepared: dict[str, Any], members: list[dict[str, Any]], identity: str
) -> tuple[Path, dict[str, Any]]:
    from jpasbatch.learning.committee import committee_manifest
    from jpasbatch.learning.graph import committee_graph

    job, survey = workspace.job, workspace.survey
    features: Features = make_features(job.features.kind, survey, prepared["training"]["features"])
    weights = [read_member(folder / f"member-{m['index']:02d}.npz", m["sha256"]) for m in members]
    graph = committee_graph(weights, features.n_inputs)
    scores = score_committee(graph, features, job, folder)
    manifest = committee_manifest(
        survey=survey,
        features=features,
        classes=tuple(job.classes),
        seeds=[member["seed"] for member in members],
        model=asdict(job.model),
        training=asdict(job.training),
        validation=scores,
        fingerprint=identity,
    )
    return save_committee(workspace.committees, manifest, graph), scores


def score_committee(graph: bytes, features: Features, job: Job, folder: Path) -> dict[str, Any]:
    """Return the validation scores of a committee: weighted f1, f1 by class, mean ECE."""
    from jpasbatch.learning.committee import vote
    from jpasbatch.learning.inference import InferenceEngine
    from jpasbatch.learning.metrics import ConfusionTally, ReliabilityTally, scores

    inputs = np.load(folder / "validation-features.npy", allow_pickle=False)
    labels = np.load(folder / "validation-labels.npy", allow_pickle=False)
    probabilities = vote(InferenceEngine(graph).members(inputs))
    confusion = ConfusionTally.create(len(job.classes), 1)
    confusion.add(labels, probabilities.argmax(axis=1), np.zeros(len(labels), dtype=int))
    reliability = ReliabilityTally.create(len(job.classes))
    reliability.add(labels, probabilities)
    result = scores(confusion.extract()[0])
    return {
        "weighted_f1": float(result.weighted_f1),
        "f1": dict(zip(job.classes, map(float, result.f1), strict=True)),
        "expected_calibration_error": float(np.nanmean(reliability.extract().ece)),
    }


def find_committee(workspace: Workspace) -> tuple[dict[str, Any], bytes, Path]:
    """Return manifest, graph and folder of the committee that the job uses: its own, or the named one.

    Raises
    ------
    InputError
        When there is none, or its bytes are not those of its manifest.
    """
    named = workspace.job.committee.artefact
    folder = Path(named) if named else workspace.committees
    if named is None:
        folder = workspace.folder / workspace.require("train")["committee"]
    manifest, graph = load_committee(folder)
    return manifest, graph, folder
