"""Stage ``infer``: run the committee over every partition of the catalogue and publish its predictions.

`jpasbatch.stages.infer.partition` is the pure half. Around it: a worker reads one partition, stages the records,
whole or not at all, and commits; the driver plans from the commits in storage alone and publishes when none is missing.
All of that goes through a store, on disk and in an object store alike (`jpasbatch.stages.run.site`).

A commit is named after the bytes of the partition that it was made from, in a ledger that belongs to all else that
decides the result (committee, runtime, survey, code). So partitions that another version of the catalogue carries
over unchanged are found there, and their files get another name in the new version of the predictions: nothing is
computed or written twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import GapsError, InputError, TryAgainError
from jpasbatch.learning.inference import describe_engine
from jpasbatch.learning.manifest import Manifest, check_manifest
from jpasbatch.learning.redshifts import RedshiftRanges
from jpasbatch.photometry.features.registry import auxiliary_of
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.record import record_schema
from jpasbatch.stages.infer.partition import ClassifiedPartition, Inference, classify_partition, rejected_key
from jpasbatch.stages.infer.precision import measure_precision
from jpasbatch.stages.infer.redshifts import RedshiftSearch, candidate_classes
from jpasbatch.stages.run.changes import changed_parts
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import Commits, committed
from jpasbatch.stages.run.committees import (
    GPU,
    StoredCommittee,
    few_bands_warning,
    find_committee,
    load_version,
    try_committee,
)
from jpasbatch.stages.run.partition_names import PREDICTIONS, Pixel, commit_names
from jpasbatch.stages.run.quarantine import publish_quarantine
from jpasbatch.stages.run.records import StageRecord, finish, retold, unchanged
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.stage_facts import InferFacts, RedshiftCommittee
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, open_catalogue
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import EMPTY
from jpasbatch.storage.stores.artefacts import load_ordinary
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.stores.store import read_object

log = logging.getLogger(__name__)


def run_infer(workspace: Workspace, executor: Executor) -> StageRecord[InferFacts]:
    """Classify what is not yet classified, publish the predictions and return the stage's record.

    Raises
    ------
    InputError
        When there is no catalogue or no committee, or they do not fit each other.
    GapsError
        When partitions failed and gaps are not allowed; what succeeded is kept for the next run.
    """
    (manifest, _, committee_folder), search, second, parts = ask_infer(workspace)
    if workspace.record("ingest") is not None:
        workspace.require("ingest")
    site = open_site(workspace)
    catalogue = open_catalogue(site.folder)
    _check_auxiliary(manifest, workspace.survey, catalogue)
    names = commit_names(catalogue)
    base = fingerprint(**parts)
    given = {"catalogue": catalogue.name, **site.identity}
    told = {**parts, **given}
    identity = fingerprint(**told, partitions=sorted(names.values()))
    done = unchanged(workspace, InferFacts, identity, told)
    if done and not done.facts.gaps and site.is_published(PREDICTIONS, done.facts.predictions):
        return retold(done, recomputed=0, changed=())
    changed = changed_parts(workspace.record("infer"), told)
    try_committee(committee_folder, workspace.survey)
    if second is not None:
        try_committee(second.version, workspace.survey)
    site.check()
    run = site.run("infer", base)
    inference = _inference(site, catalogue, run, base, committee_folder, search)
    with stopwatch() as elapsed:
        commits = _classify(run, inference, names, site, executor)
        commits.measure(workspace, "infer")
        precision = measure_precision(inference, catalogue, executor)
        with stopwatch() as publishing:
            predictions, records = _publish(site, (catalogue, names), manifest, inference, commits)
    few_bands, rows_out = count_few_bands(records), sum(record.rows for record in records)
    for text in few_bands_warning(few_bands, rows_out):
        log.warning("infer: %s", text)
    facts = InferFacts(
        predictions=site.place(predictions),
        committee=str(committee_folder),
        classes=tuple(manifest.classes),
        learnt=manifest.learnt,
        origin=manifest.origin,
        engine=parts["engine"],
        precision=precision,
        partitions=len(catalogue.pixels),
        recomputed=commits.computed,
        changed=tuple(changed),
        gaps=len(commits.failed),
        rows_in=catalogue.rows,
        rows_out=rows_out,
        quarantined=sum(record.quarantined for record in records),
        few_bands=few_bands,
        seconds_publishing=round(publishing[0], 2),
        redshifts=second and RedshiftCommittee(str(second.version), second.manifest.origin),
    )
    return finish(workspace, facts, identity, elapsed[0], told, parts["algorithms"])


def _inference(
    site: Site,
    catalogue: Catalogue,
    run: Run,
    base: str,
    committee: Path,
    search: RedshiftSearch | None,
) -> Inference:
    """Return what workers need; ``base`` is the fingerprint of all that decides a partition but its bytes."""
    job = site.workspace.job
    if search is not None:
        search = replace(search, committee=site.committee(Path(search.committee)))
    return Inference(
        store=str(site.store),
        sky=site.sky,
        catalogue=site.key(catalogue.path.name),
        folder=run.folder,
        staging=site.staging_key(base),
        committee=site.committee(committee),
        survey=job.survey,
        options=job.inference,
        fingerprint=base,
        redshifts=search,
    )


def _check_auxiliary(manifest: Manifest, survey: Survey, catalogue: Catalogue) -> None:
    """Refuse a catalogue without a column that the committee looks at.

    Raises
    ------
    InputError
    """
    needed = auxiliary_of(manifest.make_features(survey))
    lacking = [name for name in needed if name not in catalogue.schema.names]
    if lacking:
        raise InputError(
            f"the committee looks at the columns {', '.join(needed)} beside the photometry, and the catalogue "
            f"{catalogue.name} lacks {', '.join(lacking)}: let them travel ([catalogue] carry) and ingest again, or "
            "use a committee without them"
        )


class Asked(NamedTuple):
    """What decides the records of any partition: committees, which redshifts they look for, and all of it by name."""

    stored: StoredCommittee
    search: RedshiftSearch | None
    second: StoredCommittee | None
    parts: dict[str, Any]


def ask_infer(workspace: Workspace) -> Asked:
    """Return what the job asks of this stage; nothing is computed yet.

    Raises
    ------
    InputError
        When there is no committee, or it does not fit the job.
    """
    job = workspace.job
    stored = find_committee(workspace)
    # a committee that was trained elsewhere brings its own features
    kind = None if job.committee.artefact else job.features.kind
    check_manifest(stored.manifest, workspace.survey, job.classes or None, kind)
    parts = {
        "committee": _identity(stored, load_ordinary(stored.version)),
        "survey": workspace.survey_text("infer"),
        "algorithms": algorithm_numbers("infer"),
        "engine": describe_engine(stored.graph, job.inference),
    }
    search, second = _redshift_search(workspace, stored.manifest)
    if search is not None and second is not None:
        parts["redshifts"] = [*_identity(second), search.minimum]
    return Asked(stored, search, second, parts)


def count_few_bands(records: Iterable[PartitionFacts]) -> int | None:
    """Return how many classified rows have fewer bands than the committee was validated with.

    Parameters
    ----------
    records : iterable of PartitionFacts
        One that was left out as a gap holds no classified row, and says nothing.

    Returns
    -------
    int or None
        None for a committee that does not know with how few bands it was validated.
    """
    told = [record.few_bands for record in records if isinstance(record, ClassifiedPartition)]
    known = [number for number in told if number is not None]
    return sum(known) if len(known) == len(told) else None


def _identity(stored: StoredCommittee, ordinary: bytes | None = None) -> list[Any]:
    """Return what decides the judgements of a committee, and those of what it knows of ordinary objects."""
    parts = (hashlib.sha256(one).hexdigest() for one in (stored.graph, ordinary) if one is not None)
    return [stored.manifest.to_json(), *parts]


def _redshift_search(
    workspace: Workspace, manifest: Manifest
) -> tuple[RedshiftSearch | None, StoredCommittee | None]:
    """Return which redshifts the job looks for, and the committee that finds them; nothing in a job without.

    Raises
    ------
    InputError
        When there is no such committee, it is of another survey, or its classes are no ranges of redshift.
    """
    options = workspace.job.redshifts
    if options is None:
        return None, None
    second = load_version(options.artefact)
    check_manifest(second.manifest, workspace.survey)
    ranges = RedshiftRanges.of(second.manifest)
    classes = candidate_classes(manifest, ranges)
    return RedshiftSearch(str(second.version), ranges, classes, options.minimum_probability), second


def _classify(
    run: Run, inference: Inference, names: dict[Pixel, str], site: Site, executor: Executor
) -> Commits:
    """Classify the partitions that have no commit yet.

    Raises
    ------
    GapsError
        When partitions failed and gaps are not allowed.
    """
    tasks = {name: (*pixel, name) for pixel, name in names.items()}
    resources = executor.request(GPU) if inference.options.device == "gpu" else None
    commits = committed(
        run,
        "infer: partitions",
        classify_partition,
        tasks,
        executor,
        shared=(inference,),
        resources=resources,
    )
    if commits.failed and not site.workspace.allow_gaps:
        first = commits.troubles[0]
        raise GapsError(
            f"{len(commits.failed)} of {len(names)} partitions could not be classified and nothing was "
            f"published; the first is {first.key} ({first.status}): {first.result}\n"
            "Repair the cause and run the same command again, or publish without them with --allow-gaps",
            first.state,
        )
    return commits


def _publish(
    site: Site,
    source: tuple[Catalogue, dict[Pixel, str]],
    manifest: Manifest,
    inference: Inference,
    classified: Commits,
) -> tuple[str, list[PartitionFacts]]:
    """Publish what is committed, from the commits alone; return the version and one record a partition."""
    catalogue, names = source
    workspace, store = site.workspace, site.store
    commits = classified.facts_of(ClassifiedPartition)
    lost = sorted(set(names.values()) - commits.keys() - classified.failed)
    if lost:
        raise TryAgainError(
            f"{len(lost)} commits are gone again, such as {lost[0]}: another run found their files damaged. Run the "
            "same command again.",
            "OVERTAKEN",
        )
    held = catalogue.rows_by_partition() if len(commits) < len(names) else {}
    records: list[PartitionFacts] = [
        # a gap that the user allowed: all of its rows are in quarantine
        commits.get(name) or EMPTY.facts(pixel, "", inference.fingerprint, held[pixel])
        for pixel, name in names.items()
    ]
    provenance = {
        "fingerprint": inference.fingerprint,
        "job": workspace.job.name,
        "catalogue": catalogue.name,
        "committee": manifest.to_json(),
    }
    rejected = [
        rejected_key(inference.folder, name) for name, commit in commits.items() if commit.quarantined
    ]
    publish_quarantine(
        (pa.BufferReader(read_object(store, key)) for key in rejected),
        workspace.quarantine / f"infer-{inference.fingerprint[:SHORT]}.parquet",
    )
    ranges = None if inference.redshifts is None else inference.redshifts.ranges
    schema = record_schema(workspace.survey, tuple(manifest.classes), ranges)
    version = site.publish(PREDICTIONS, records, schema, provenance, catalogue.rows)
    return version, records
