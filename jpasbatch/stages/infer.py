"""Stage ``infer``: run the committee over every partition of the catalogue and publish its predictions.

`classify` is the pure half. Around it: a worker reads one partition, writes the records aside, fsyncs,
renames, and commits; the driver plans from the commits in storage alone and publishes when none is missing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.errors import GapsError, InputError
from jpasbatch.learning.committee import Committee, check_manifest
from jpasbatch.learning.metrics import entropy
from jpasbatch.photometry.features import Features, make_features
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table, quarantine_schema
from jpasbatch.products.record import make_record, record_schema
from jpasbatch.stages.mapping import map_tasks
from jpasbatch.stages.train import find_committee
from jpasbatch.stages.workspace import Workspace, stopwatch
from jpasbatch.storage.artefacts import load_committee
from jpasbatch.storage.catalogue import Catalogue, open_catalogue, read_partition, write_partition
from jpasbatch.storage.files import fsync_file, fsync_folder
from jpasbatch.storage.ledger import Ledger, code_fingerprint, fingerprint
from jpasbatch.storage.publication import publish_extension

PREDICTIONS = "predictions"
COLUMNS = ("_healpix_29", "object_id", "ra", "dec", "flux", "flux_err", "class_star")
CODE = ("photometry", "learning", "products.record", "storage", "stages.infer")


@dataclass(frozen=True)
class Inference:
    """What a worker needs to classify a partition: paths and names, never arrays.

    Attributes
    ----------
    catalogue, committee, folder : str
        Folders of the photometry, of the committee, and of this run (ledger and staging).
    survey : str
        Name or path of the survey.
    fingerprint : str
        Of this run; in every commit.
    code : str
        Fingerprint of the code of the driver; a worker with other code refuses.
    """

    catalogue: str
    committee: str
    folder: str
    survey: str
    fingerprint: str
    code: str


def classify(
    table: pa.Table, survey: Survey, features: Features, committee: Committee
) -> tuple[pa.Table, pa.Table]:
    """Classify the rows of a partition.

    Parameters
    ----------
    table : pyarrow.Table
        Canonical photometry (n rows).
    survey : Survey
    features : Features
        As the committee was trained with.
    committee : Committee

    Returns
    -------
    records : pyarrow.Table
        `record_schema`, rows in input order.
    rejected : pyarrow.Table
        `quarantine_schema`: rows that have no finite features or probabilities. Every input row is in
        exactly one of the two.
    """
    photometry = photometry_from_table(table, survey)
    inputs = features(photometry)
    finite = np.isfinite(inputs).all(axis=1)
    probabilities = np.full((len(inputs), len(committee.classes)), np.nan)
    probabilities[finite] = committee.predict(inputs[finite])
    usable = np.isfinite(probabilities).all(axis=1)
    rejected = _reject(table, ~finite, "features not finite", finite & ~usable, "probabilities not finite")
    if not usable.all():
        table = table.filter(pa.array(usable))
        photometry = photometry_from_table(table, survey)
        probabilities = probabilities[usable]
    records = make_record(table, photometry, probabilities, survey, committee.classes, entropy(probabilities))
    return records, rejected


def _reject(table: pa.Table, *masks_and_reasons: Any) -> pa.Table:
    parts = []
    for mask, reason in zip(masks_and_reasons[::2], masks_and_reasons[1::2], strict=True):
        rows = np.flatnonzero(mask)
        part = table.select(["object_id", "ra", "dec"]).take(pa.array(rows))
        part = part.append_column("reason", pa.array([reason] * len(rows), pa.string()))
        part = part.append_column("source", pa.array(["catalogue"] * len(rows), pa.string()))
        parts.append(part.append_column("row", pa.array(rows, pa.int64())).cast(quarantine_schema()))
    return pa.concat_tables(parts)


@functools.lru_cache(maxsize=2)
def _load(committee: str, survey_name: str) -> tuple[Survey, Features, Committee]:
    """Load a committee once a process."""
    survey = load_survey(survey_name)
    manifest, graph = load_committee(Path(committee))
    features = make_features(manifest["features"]["kind"], survey, manifest["features"]["state"])
    return survey, features, Committee.load(manifest, graph)


@functools.lru_cache(maxsize=2)
def _open(catalogue: str) -> Catalogue:
    return open_catalogue(Path(catalogue))


def classify_partition(inference: Inference, order: int, pixel: int) -> dict[str, Any]:
    """Classify one partition of the catalogue, write its records and commit them.

    Returns
    -------
    dict
        ``rows`` classified and ``quarantined``.

    Raises
    ------
    InputError
        When the partition is damaged, or this worker runs other code than the driver.
    """
    if code_fingerprint(*CODE) != inference.code:
        raise InputError(
            "this worker runs another version of jpasbatch than the driver; install the same on both"
        )
    survey, features, committee = _load(inference.committee, inference.survey)
    path = _open(inference.catalogue).partition_path(order, pixel)
    records, rejected = classify(read_partition(path, list(COLUMNS)), survey, features, committee)
    folder, name = Path(inference.folder), partition_name(order, pixel)
    if rejected.num_rows:
        _write_rejected(rejected, folder / "rejected" / f"{name}.parquet")
    content: dict[str, Any] = {"rows": 0, "bytes": 0, "sha256": "", "path": ""}
    if records.num_rows:
        staged = write_partition(records, folder / "staging", name)
        content = {
            "rows": staged.rows,
            "bytes": staged.bytes,
            "sha256": staged.sha256,
            "path": str(staged.path.relative_to(folder)),
        }
    record = {
        "order": order,
        "pixel": pixel,
        "fingerprint": inference.fingerprint,
        "quarantined": rejected.num_rows,
        **content,
    }
    if not Ledger(folder / "ledger").commit(name, record) and records.num_rows:
        # the same task ran twice and the other copy was first: its file is the one that counts
        (folder / content["path"]).unlink(missing_ok=True)
    return {"rows": records.num_rows, "quarantined": rejected.num_rows}


def partition_name(order: int, pixel: int) -> str:
    """Return the key of a partition in ledgers and staging folders."""
    return f"{order}_{pixel}"


def _write_rejected(rejected: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{id(rejected):x}")
    pq.write_table(rejected, aside)
    fsync_file(aside)
    aside.replace(path)
    fsync_folder(path.parent)


def run_infer(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Classify what is not yet classified, publish the predictions and return the stage's record.

    Raises
    ------
    InputError
        When there is no catalogue or no committee, or they do not fit each other.
    GapsError
        When partitions failed and gaps are not allowed; what succeeded is kept for the next run.
    """
    survey, job = workspace.survey, workspace.job
    manifest, _, committee_folder = find_committee(workspace)
    check_manifest(manifest, survey, tuple(job.classes) or None, None)
    ingested = workspace.require("ingest")
    catalogue = open_catalogue(workspace.folder / ingested["catalogue"])
    identity = fingerprint(
        catalogue=catalogue.identity,
        committee=committee_folder.resolve().name,
        manifest=manifest,
        survey=repr(survey),
        code=code_fingerprint(*CODE),
    )
    folder = workspace.run_folder("infer", identity)
    unchanged = workspace.unchanged("infer", identity)
    if unchanged and (workspace.folder / unchanged["predictions"]).is_dir():
        return {**unchanged, "recomputed": 0}
    inference = Inference(
        str(catalogue.path), str(committee_folder), str(folder), job.survey, identity, code_fingerprint(*CODE)
    )
    with stopwatch() as elapsed:
        computed = _classify_missing(workspace, inference, catalogue, executor)
        with stopwatch() as publishing:
            predictions = _publish(workspace, catalogue, manifest, folder, identity)
    records = _commits(folder)
    content = {
        "predictions": str(predictions.relative_to(workspace.folder)),
        "committee": str(committee_folder),
        "classes": manifest["classes"],
        "partitions": len(catalogue.pixels),
        "recomputed": computed,
        "rows_in": catalogue.rows,
        "rows_out": sum(record["rows"] for record in records),
        "quarantined": sum(record["quarantined"] for record in records),
        "seconds_publishing": round(publishing[0], 2),
    }
    return workspace.finish("infer", identity, elapsed[0], content)


def _commits(folder: Path) -> list[dict[str, Any]]:
    ledger = Ledger(folder / "ledger")
    return [record for key in ledger.keys() if (record := ledger.read(key)) is not None]


def _classify_missing(
    workspace: Workspace, inference: Inference, catalogue: Catalogue, executor: Executor
) -> int:
    """Classify partitions without a commit; return how many were computed."""
    ledger = Ledger(Path(inference.folder) / "ledger")
    done = set(ledger.keys())
    tasks = [
        Task(partition_name(order, pixel), (inference, order, pixel))
        for order, pixel in catalogue.pixels
        if partition_name(order, pixel) not in done
    ]
    results, troubles = map_tasks("infer: partitions", classify_partition, tasks, executor)
    for outcome in troubles:
        ledger.quarantine(outcome.key, {"status": outcome.status, "reason": str(outcome.result)})
    if troubles and not workspace.allow_gaps:
        first = troubles[0]
        raise GapsError(
            f"{len(troubles)} of {len(catalogue.pixels)} partitions could not be classified and nothing was published; "
            f"the first is {first.key} ({first.status}): {first.result}\n"
            "Repair the cause and run the same command again, or publish without them with --allow-gaps"
        )
    return len(results)


def _publish(
    workspace: Workspace, catalogue: Catalogue, manifest: dict[str, Any], folder: Path, identity: str
) -> Path:
    records = _commits(folder)
    done = {(record["order"], record["pixel"]) for record in records}
    gaps = [pixel for pixel in catalogue.pixels if tuple(pixel) not in done]
    if gaps and not workspace.allow_gaps:
        raise GapsError(f"{len(gaps)} partitions have no commit; nothing was published")
    return publish_extension(
        workspace.sky,
        PREDICTIONS,
        records,
        folder,
        record_schema(workspace.survey, tuple(manifest["classes"])),
        {
            "fingerprint": identity,
            "job": workspace.job.name,
            "catalogue": catalogue.name,
            "committee": manifest,
            "gaps": [list(pixel) for pixel in gaps],
        },
    )
