"""Stage ``infer``: run the committee over every partition of the catalogue and publish its predictions.

`jpasbatch.stages.infer.classification` is the pure half. Around it: a worker reads one partition, stages the records,
whole or not at all, and commits; the driver plans from the commits in storage alone and publishes when none is missing.
All of that goes through a store, on disk and in an object store alike (`jpasbatch.stages.run.site`).

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
from typing import Any

import pyarrow as pa

from jpasbatch.compute.clusters.cluster import Executor
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Outcome, Task
from jpasbatch.errors import GapsError, InputError, TryAgainError
from jpasbatch.learning.committee import Committee, check_manifest
from jpasbatch.learning.runtimes import InferenceOptions, runtime_of
from jpasbatch.photometry.features.registry import Features, make_features
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.products.record import record_schema
from jpasbatch.stages.infer.classification import classify
from jpasbatch.stages.infer.precision import engine_of, measure_precision
from jpasbatch.stages.run.changes import changed_parts, digests
from jpasbatch.stages.run.commits import publish_quarantine, whole_commits
from jpasbatch.stages.run.mapping import run_each
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.stages.train.stage import GPU, find_committee
from jpasbatch.storage.catalogue.collection import Catalogue, current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import (
    StagedPartition,
    parquet_bytes,
    partition_file,
    read_stored_partition,
    stage_partition,
)
from jpasbatch.storage.catalogue.primary import published_partitions
from jpasbatch.storage.stores.artefacts import load_committee
from jpasbatch.storage.stores.ledger import Ledger, code_fingerprint, fingerprint
from jpasbatch.storage.stores.store import Store, open_store, read_object

log = logging.getLogger(__name__)

PREDICTIONS = "predictions"
SHA_DIGITS = 16
"""Of a partition's hash in the name of its commit: with a million versions of it, two agree once in 10^7 surveys."""

COLUMNS = ("_healpix_29", "object_id", "ra", "dec", "flux", "flux_err", "class_star")
CODE = ("photometry", "learning", "products.record", "storage", "scoring.metrics", "stages.infer")

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Inference:
    """What a worker needs to classify a partition: locations and names, never arrays.

    Attributes
    ----------
    store : str
        Location of the store: the output folder, or one of objects.
    sky, catalogue, folder, staging : str
        Keys there: of the collection, of the photometry, of the run, and of its predictions (within the collection, so
        that publishing moves no bytes).
    committee : str
        Location of the committee.
    survey : str
        Name or path of the survey.
    options : InferenceOptions
        How the forward pass is computed.
    fingerprint : str
        Of all that decides the result but the partition; in every commit.
    """

    store: str
    sky: str
    catalogue: str
    folder: str
    staging: str
    committee: str
    survey: str
    options: InferenceOptions
    fingerprint: str


@functools.lru_cache(maxsize=2)
def _load(committee: str, survey: Survey, options: InferenceOptions) -> tuple[Features, Committee]:
    """Load a committee once a process."""
    manifest, graph = load_committee(open_store(committee))
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
    store = open_store(inference.store)
    table = read_stored_partition(store, partition_key(inference, order, pixel), COLUMNS)
    records, rejected = classify(table, survey, features, committee)
    staged = stage_partition(records, store, inference.staging, name)
    commit = staged.record((order, pixel), inference.sky, inference.fingerprint, rejected.num_rows)
    commit["files"] = dict(staged.files)
    if rejected.num_rows:
        place = _rejected_key(inference.folder, name)
        store.put(place, parquet_bytes(rejected))
        commit["files"] |= store.stamps([place])
    if not _ledger(store, inference.folder).commit(name, commit) and staged.key:
        # the same task ran twice and the other copy was first: its file is the one that counts
        store.remove(staged.key)
    return {"rows": records.num_rows, "quarantined": rejected.num_rows}


def partition_key(inference: Inference, order: int, pixel: int) -> str:
    """Return the key of a partition of the photometry."""
    return f"{inference.catalogue}/{partition_file(order, pixel).as_posix()}"


def _ledger(store: Store, folder: str) -> Ledger:
    return Ledger(store.within(f"{folder}/ledger"))


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


def _rejected_key(folder: str, name: str) -> str:
    return f"{folder}/rejected/{name}.parquet"


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
    site = open_site(workspace)
    catalogue = open_catalogue(site.folder)
    names = commit_names(catalogue)
    parts = {
        "committee": [manifest, hashlib.sha256(graph).hexdigest()],
        "survey": repr(workspace.survey),
        "code": code_fingerprint(*CODE),
        "engine": engine_of(runtime_of(graph, job.inference), job.inference),
    }
    base = fingerprint(**parts)
    given = {"catalogue": catalogue.name, **site.identity}
    identity = fingerprint(**parts, **given, partitions=sorted(names.values()))
    unchanged = workspace.unchanged("infer", identity)
    if unchanged and not unchanged["gaps"] and is_published(site, unchanged["predictions"]):
        return {**unchanged, "recomputed": 0, "changed": []}
    changed = changed_parts(workspace.record("infer"), {**parts, **given})
    site.check()
    inference = Inference(
        store=str(site.store),
        sky=site.sky,
        catalogue=site.key(catalogue.path.name),
        folder=site.run_key("infer", base),
        staging=site.staging_key(base),
        committee=site.committee(committee_folder),
        survey=job.survey,
        options=job.inference,
        fingerprint=base,
    )
    with stopwatch() as elapsed:
        computed, gaps = _classify_missing(site, inference, names, executor)
        precision = measure_precision(inference, catalogue, executor)
        with stopwatch() as publishing:
            predictions, records = _publish(site, (catalogue, names), manifest, inference, gaps)
    content = {
        "predictions": site.place(predictions),
        "committee": str(committee_folder),
        "classes": manifest["classes"],
        "learnt": manifest.get("learnt", {}),
        "engine": parts["engine"],
        "precision": precision,
        "partitions": len(catalogue.pixels),
        "recomputed": computed,
        "changed": changed,
        "gaps": len(gaps),
        "rows_in": catalogue.rows,
        "rows_out": sum(record["rows"] for record in records),
        "quarantined": sum(record["quarantined"] for record in records),
        "seconds_publishing": round(publishing[0], 2),
        "parts": digests({**parts, **given}),
    }
    return workspace.finish("infer", identity, elapsed[0], content)


def is_published(site: Site, predictions: str) -> bool:
    """Return whether the collection points at these predictions, and they have all of their files.

    Parameters
    ----------
    site : Site
    predictions : str
        What the record of the stage says of them.
    """
    try:
        version = current_extension(site.folder, PREDICTIONS)
        return site.place(version.name) == predictions and site.is_whole(open_catalogue(version))
    except InputError:
        return False


def _classify_missing(
    site: Site, inference: Inference, names: dict[Pixel, str], executor: Executor
) -> tuple[int, set[str]]:
    """Classify partitions without a commit; return how many were computed, and the names of those that failed."""
    ledger = _ledger(site.store, inference.folder)
    done = set(whole_commits(ledger, site.store, names.values()))
    todo = {pixel: name for pixel, name in names.items() if name not in done}
    meter = Meter("infer: partitions", len(names), earlier=len(names) - len(todo))
    log.info("infer: %d of %d partitions to classify, %d carried over", len(todo), meter.total, meter.earlier)
    tasks = (Task(name, (inference, *pixel, name)) for pixel, name in todo.items())
    resources = executor.request(GPU) if inference.options.device == "gpu" else None
    first: Outcome | None = None
    failed: set[str] = set()
    for outcome in run_each(meter, classify_partition, tasks, executor, resources):
        if outcome.status != "done":
            ledger.quarantine(outcome.key, {"status": outcome.status, "reason": str(outcome.result)})
            first = first or outcome
            failed.add(outcome.key)
    if first is not None and not site.workspace.allow_gaps:
        raise GapsError(
            f"{meter.errors} of {len(names)} partitions could not be classified and nothing was "
            f"published; the first is {first.key} ({first.status}): {first.result}\n"
            "Repair the cause and run the same command again, or publish without them with --allow-gaps"
        )
    return meter.done - meter.earlier, failed


def _publish(
    site: Site,
    source: tuple[Catalogue, dict[Pixel, str]],
    manifest: dict[str, Any],
    inference: Inference,
    gaps: set[str],
) -> tuple[str, list[dict[str, Any]]]:
    """Publish what is committed, from the commits alone; return the version and one record a partition."""
    catalogue, names = source
    workspace, store = site.workspace, site.store
    commits = _ledger(store, inference.folder).records(names.values())
    lost = sorted(set(names.values()) - commits.keys() - gaps)
    if lost:
        raise TryAgainError(
            f"{len(lost)} commits are gone again, such as {lost[0]}: another run found their files damaged. Run the "
            "same command again."
        )
    held = catalogue.rows_by_partition() if len(commits) < len(names) else {}
    records = [
        # a gap that the user allowed: all of its rows are in quarantine
        commits.get(name)
        or StagedPartition(None, "", 0, 0).record(pixel, site.folder, inference.fingerprint, held[pixel])
        for pixel, name in names.items()
    ]
    provenance = {
        "fingerprint": inference.fingerprint,
        "job": workspace.job.name,
        "catalogue": catalogue.name,
        "committee": manifest,
    }
    rejected = [
        _rejected_key(inference.folder, name) for name, commit in commits.items() if commit["quarantined"]
    ]
    publish_quarantine(
        (pa.BufferReader(read_object(store, key)) for key in rejected),
        workspace.quarantine / f"infer-{inference.fingerprint[:SHORT]}.parquet",
    )
    schema = record_schema(workspace.survey, tuple(manifest["classes"]))
    version = site.publish(PREDICTIONS, records, schema, provenance, catalogue.rows)
    return version, records
