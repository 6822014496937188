"""Stage ``infer``: run the committee over every partition of the catalogue and publish its predictions.

`jpasbatch.stages.classification` is the pure half. Around it: a worker reads one partition, writes the records
aside, fsyncs, renames, and commits; the driver plans from the commits in storage alone and publishes when none
is missing.

A commit is named after the bytes of the partition that it was made from, in a ledger that belongs to all else that
decides the result (committee, runtime, survey, code). So partitions that another version of the catalogue carries
over unchanged are found there, and their files get another name in the new version of the predictions: nothing is
computed or written twice.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Outcome, Task
from jpasbatch.errors import GapsError, InputError
from jpasbatch.learning.committee import Committee, check_manifest
from jpasbatch.learning.runtimes import InferenceOptions, runtime_of
from jpasbatch.photometry.features import Features, make_features
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.products.record import record_schema
from jpasbatch.stages.changes import changed_parts, digests
from jpasbatch.stages.classification import classify
from jpasbatch.stages.commits import hash_files, publish_quarantine, whole_commits
from jpasbatch.stages.mapping import run_each
from jpasbatch.stages.precision import engine_of, measure_precision
from jpasbatch.stages.train import GPU, find_committee
from jpasbatch.stages.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.artefacts import load_committee
from jpasbatch.storage.catalogue import (
    STAGING,
    Catalogue,
    StagedPartition,
    current_extension,
    open_catalogue,
    partition_file,
    publish_extension,
    published_partitions,
    read_partition,
    write_partition,
)
from jpasbatch.storage.files import written_aside
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
SHA_DIGITS = 16
"""Of a partition's hash in the name of its commit: with a million versions of it, two agree once in 10^7 surveys."""

COLUMNS = ("_healpix_29", "object_id", "ra", "dec", "flux", "flux_err", "class_star")
CODE = ("photometry", "learning", "products.record", "storage", "stages.infer", "stages.classification")

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Inference:
    """What a worker needs to classify a partition: paths and names, never arrays.

    Attributes
    ----------
    catalogue, committee, folder, staging : str
        Folders of the photometry, of the committee, of the commits, and of the files that they name (within the
        collection, so that publishing moves no bytes).
    survey : str
        Name or path of the survey.
    options : InferenceOptions
        How the forward pass is computed.
    fingerprint : str
        Of all that decides the result but the partition; in every commit.
    """

    catalogue: str
    committee: str
    folder: str
    staging: str
    survey: str
    options: InferenceOptions
    fingerprint: str


@functools.lru_cache(maxsize=2)
def _load(committee: str, survey: Survey, options: InferenceOptions) -> tuple[Features, Committee]:
    """Load a committee once a process."""
    manifest, graph = load_committee(Path(committee))
    features = make_features(manifest["features"]["kind"], survey, manifest["features"]["state"])
    return features, Committee.load(manifest, graph, options)


def classify_partition(inference: Inference, order: int, pixel: int, name: str) -> dict[str, Any]:
    """Classify one partition of the catalogue, write its records and commit them under a name.

    Returns
    -------
    dict
        ``rows`` classified and ``quarantined``.

    Raises
    ------
    InputError
        When the partition is damaged.
    """
    survey = load_survey(inference.survey)
    features, committee = _load(inference.committee, survey, inference.options)
    path = Path(inference.catalogue) / partition_file(order, pixel)
    records, rejected = classify(read_partition(path, list(COLUMNS)), survey, features, committee)
    folder = Path(inference.folder)
    staged = write_partition(records, Path(inference.staging), name)
    sky = Path(inference.catalogue).parent
    commit = staged.record((order, pixel), sky, inference.fingerprint, rejected.num_rows)
    commit["files"] = {str(Path(sky.name) / commit["path"]): staged.sha256} if staged.path else {}
    if rejected.num_rows:
        place = _rejected_file(folder, name)
        _write_rejected(rejected, place)
        commit["files"] |= hash_files(sky.parent, [place])
    if not Ledger(folder / "ledger").commit(name, commit) and staged.path is not None:
        # the same task ran twice and the other copy was first: its file is the one that counts
        staged.path.unlink(missing_ok=True)
    return {"rows": records.num_rows, "quarantined": rejected.num_rows}


def commit_name(record: Mapping[str, Any], digest: str) -> str:
    """Return the key of a partition in ledgers and staging folders: its pixel, and the hash of what it is made of."""
    return f"{record['order']}_{record['pixel']}-{digest[:SHA_DIGITS]}"


def commit_names(catalogue: Catalogue) -> dict[Pixel, str]:
    """Return the name of the commit of each partition: its pixel and the SHA-256 of its bytes."""
    return {
        (record["order"], record["pixel"]): commit_name(record, record["sha256"])
        for record in published_partitions(catalogue)
        if record["rows"]
    }


def _rejected_file(folder: Path, name: str) -> Path:
    return folder / "rejected" / f"{name}.parquet"


def _write_rejected(rejected: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        pq.write_table(rejected, aside)


def run_infer(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Classify what is not yet classified, publish the predictions and return the stage's record.

    Raises
    ------
    InputError
        When there is no catalogue or no committee, or they do not fit each other.
    GapsError
        When partitions failed and gaps are not allowed; what succeeded is kept for the next run.
    """
    job = workspace.job
    manifest, graph, committee_folder = find_committee(workspace)
    # a committee that was trained elsewhere brings its own features
    kind = None if job.committee.artefact else job.features.kind
    check_manifest(manifest, workspace.survey, job.classes or None, kind)
    if workspace.record("ingest") is not None:
        workspace.require("ingest")
    catalogue = open_catalogue(workspace.sky)
    names = commit_names(catalogue)
    parts = {
        "committee": [manifest, hashlib.sha256(graph).hexdigest()],
        "survey": repr(workspace.survey),
        "code": code_fingerprint(*CODE),
        "engine": engine_of(runtime_of(graph, job.inference), job.inference),
    }
    base = fingerprint(**parts)
    identity = fingerprint(**parts, catalogue=catalogue.name, partitions=sorted(names.values()))
    unchanged = workspace.unchanged("infer", identity)
    if unchanged and not unchanged["gaps"] and is_published(workspace, unchanged["predictions"]):
        return {**unchanged, "recomputed": 0, "changed": []}
    changed = changed_parts(workspace.record("infer"), {**parts, "catalogue": catalogue.name})
    folder = workspace.run_folder("infer", base)
    inference = Inference(
        catalogue=str(catalogue.path),
        committee=str(committee_folder),
        folder=str(folder),
        staging=str(workspace.sky / STAGING / folder.name),
        survey=job.survey,
        options=job.inference,
        fingerprint=base,
    )
    with stopwatch() as elapsed:
        computed, gaps = _classify_missing(workspace, inference, names, executor)
        precision = measure_precision(inference, catalogue, executor)
        with stopwatch() as publishing:
            predictions, records = _publish(workspace, (catalogue, names), manifest, inference)
    content = {
        "predictions": str(predictions.relative_to(workspace.folder)),
        "committee": str(committee_folder),
        "classes": manifest["classes"],
        "engine": parts["engine"],
        "precision": precision,
        "partitions": len(catalogue.pixels),
        "recomputed": computed,
        "changed": changed,
        "gaps": gaps,
        "rows_in": catalogue.rows,
        "rows_out": sum(record["rows"] for record in records),
        "quarantined": sum(record["quarantined"] for record in records),
        "seconds_publishing": round(publishing[0], 2),
        "parts": digests({**parts, "catalogue": catalogue.name}),
    }
    return workspace.finish("infer", identity, elapsed[0], content)


def is_published(workspace: Workspace, predictions: str) -> bool:
    """Return whether the collection points at these predictions, and they have all of their files.

    Parameters
    ----------
    workspace : Workspace
    predictions : str
        Folder of the version, relative to the output folder.
    """
    version = (workspace.folder / predictions).resolve()
    try:
        if current_extension(workspace.sky, PREDICTIONS).resolve() != version:
            return False
        catalogue = open_catalogue(version)
    except InputError:
        return False
    return all(catalogue.partition_path(*pixel).is_file() for pixel in catalogue.pixels)


def _classify_missing(
    workspace: Workspace, inference: Inference, names: dict[Pixel, str], executor: Executor
) -> tuple[int, int]:
    """Classify partitions without a commit; return how many were computed, and how many failed."""
    ledger = Ledger(Path(inference.folder) / "ledger")
    done = set(whole_commits(ledger, workspace.folder, names.values()))
    todo = {pixel: name for pixel, name in names.items() if name not in done}
    meter = Meter("infer: partitions", len(names), earlier=len(names) - len(todo))
    log.info("infer: %d of %d partitions to classify, %d carried over", len(todo), meter.total, meter.earlier)
    tasks = (Task(name, (inference, *pixel, name)) for pixel, name in todo.items())
    resources = executor.request(GPU) if inference.options.device == "gpu" else None
    first: Outcome | None = None
    for outcome in run_each(meter, classify_partition, tasks, executor, resources):
        if outcome.status != "done":
            ledger.quarantine(outcome.key, {"status": outcome.status, "reason": str(outcome.result)})
            first = first or outcome
    if first is not None and not workspace.allow_gaps:
        raise GapsError(
            f"{meter.errors} of {len(names)} partitions could not be classified and nothing was "
            f"published; the first is {first.key} ({first.status}): {first.result}\n"
            "Repair the cause and run the same command again, or publish without them with --allow-gaps"
        )
    return meter.done - meter.earlier, meter.errors


def _publish(
    workspace: Workspace,
    source: tuple[Catalogue, dict[Pixel, str]],
    manifest: dict[str, Any],
    inference: Inference,
) -> tuple[Path, list[dict[str, Any]]]:
    """Publish what is committed, from the commits alone; return the version and one record a partition."""
    ledger = Ledger(Path(inference.folder) / "ledger")
    catalogue, names = source
    commits = {pixel: ledger.read(name) for pixel, name in names.items()}
    held = catalogue.rows_by_partition() if None in commits.values() else {}
    records = [
        # a gap that the user allowed: all of its rows are in quarantine
        commit
        or StagedPartition(None, "", 0, 0).record(pixel, workspace.sky, inference.fingerprint, held[pixel])
        for pixel, commit in commits.items()
    ]
    provenance = {
        "fingerprint": inference.fingerprint,
        "job": workspace.job.name,
        "catalogue": catalogue.name,
        "committee": manifest,
    }
    folder = Path(inference.folder)
    rejected = [_rejected_file(folder, name) for name in names.values()]
    publish_quarantine(
        [path for path in rejected if path.is_file()],
        workspace.quarantine / f"infer-{inference.fingerprint[:SHORT]}.parquet",
    )
    schema = record_schema(workspace.survey, tuple(manifest["classes"]))
    version = publish_extension(workspace.sky, PREDICTIONS, records, schema, provenance, catalogue.rows)
    return version, records
