"""Verb ``prune``: remove what no pointer and no record of an output folder reaches any more.

What is reached: what ``collection.properties`` of each collection names, the current committee, every path and run
folder that the record of a stage names, and the commits of the partitions that are published now, with the files
that they name. Everything else that was made here goes when it is old enough; what is not proven to be ours stays
(`jpasbatch.storage.catalogue.ownership`). See `jpasbatch.storage.catalogue.pruning`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.stages.keep.versions import plan_versions
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.seals import BESIDE
from jpasbatch.stages.run.versions import in_workshop
from jpasbatch.stages.run.workspace import READS, SOURCES, Workspace
from jpasbatch.storage.catalogue.collection import (
    BUILDING,
    POINTER,
    STAGING,
    WRITER_LEASE,
    collection_members,
    current_extension,
    open_catalogue,
)
from jpasbatch.storage.catalogue.ownership import (
    BUILDING_NAME,
    RUN,
    SOURCE,
    STAGED,
    owns_catalogue,
    owns_committee,
    owns_tables,
)
from jpasbatch.storage.catalogue.pruning import (
    Remnant,
    Retention,
    find_folders,
    find_hidden,
    find_versions,
    last_change,
    occupied_bytes,
    plan_pruning,
    remove_remnants,
)
from jpasbatch.storage.stores.artefacts import POINTER as CURRENT
from jpasbatch.storage.stores.artefacts import committee_version
from jpasbatch.storage.stores.files import Lease, remove_if_empty

TABLES = "tables"
"""Begins the names of versions of fetched tables, and is the link that names the current one."""

ROOMS = {"work", "sky", "mock", "quarantine", "duplicates"} | {
    PurePath(place).parts[0] for places in BESIDE.values() for place in places
}
"""Folders of an output folder that stages write to. ``repeats/`` of a comparison holds output folders of their own."""


@dataclass(frozen=True)
class Pruning:
    """What was removed, or would be: the remnants, and the bytes of the output folder before and after."""

    remnants: list[Remnant]
    bytes_before: int
    bytes_after: int


def prune(workspace: Workspace, retention: Retention, dry_run: bool = False) -> Pruning:
    """Remove what nothing reaches and is old enough.

    Parameters
    ----------
    workspace
    retention
        What stays although nothing reaches it.
    dry_run
        Only say what would be removed.

    Raises
    ------
    InputError
        When there is no output folder, or a pointer or record is damaged: then nobody knows what is reached.
    TryAgainError
        When a run or another writer holds its lease.
    """
    require_output(workspace)
    if (workshop := in_workshop(workspace)) is not workspace:
        return _prune_versions(workspace, workshop, retention, dry_run)
    with ExitStack() as leases:
        leases.enter_context(workspace.prepare())
        collections = _collections(workspace)
        for collection in collections:
            leases.enter_context(Lease(collection / WRITER_LEASE))
        before = occupied_bytes(workspace.folder)
        remnants = plan_pruning(
            _remnants(workspace, collections), _reached(workspace, collections), retention, time.time()
        )
        if dry_run:
            gone = {path for remnant in remnants for path in remnant.paths}
            return Pruning(remnants, before, occupied_bytes(workspace.folder, without=gone))
        remove_remnants(remnants)
        for collection in collections:
            remove_if_empty(collection / STAGING)
            remove_if_empty(collection / BUILDING)
        return Pruning(remnants, before, occupied_bytes(workspace.folder))


def _prune_versions(
    workspace: Workspace, workshop: Workspace, retention: Retention, dry_run: bool
) -> Pruning:
    """Prune the output folder of a job with gates: its versions, and the folder within in which its stages run."""
    with workspace.prepare():
        before = occupied_bytes(workspace.folder)
        remnants = plan_versions(workspace.folder, retention, time.time())
        if not dry_run:
            remove_remnants(remnants)
        remnants += prune(workshop, retention, dry_run).remnants
        gone = {path for remnant in remnants for path in remnant.paths} if dry_run else set()
        return Pruning(remnants, before, occupied_bytes(workspace.folder, without=gone))


def require_output(workspace: Workspace) -> None:
    """Refuse an output folder that no run wrote to: no record tells what is reached."""
    if not (workspace.folder / "work").is_dir():
        raise InputError(
            f"{workspace.folder} is no output folder of a run: it has no 'work'. Name it with --output"
        )


def _collections(workspace: Workspace) -> list[Path]:
    """Return the collections of the output folder, also those that nothing was published in yet."""
    found = {path.parent for path in (workspace.folder / "mock").glob(f"*/{POINTER}")}
    return sorted(found | ({workspace.sky} if workspace.sky.is_dir() else set()))


def _reached(workspace: Workspace, collections: list[Path]) -> set[str]:
    """Return the names that pointers and records name."""
    reached: set[str] = set()
    for collection in collections:
        if (collection / POINTER).is_file():
            reached |= collection_members(collection)
    if (workspace.committees / CURRENT).is_file():
        reached.add(committee_version(workspace.committees).name)
    if (workspace.folder / TABLES).is_symlink():
        reached.add((workspace.folder / TABLES).readlink().name)
    return reached | named_by_records(workspace)


def named_by_records(workspace: Workspace) -> set[str]:
    """Return every name in the paths that the records of the stages tell, and in that of the job's committee."""
    texts = (workspace.job.committee.artefact or "", *_texts(list(_records(workspace).values())))
    return {part for text in texts for part in PurePath(text).parts}


def _records(workspace: Workspace) -> dict[str, dict[str, Any]]:
    records = {stage: workspace.record(stage) for stage in READS}
    return {stage: record for stage, record in records.items() if record is not None}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a record: any of them may be a path."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _remnants(workspace: Workspace, collections: list[Path]) -> Iterator[Remnant]:
    """Yield everything that could be removed, reached or not; what must stay in any case is left out."""
    yield from find_hidden(workspace.folder, ROOMS)
    if workspace.record("fetch") is not None:  # without one nobody knows which version is meant
        yield from find_versions(workspace.folder, TABLES, _owns_fetched)
    if workspace.record("ingest") is not None:  # without one nobody knows which are needed
        for path in sorted((workspace.folder / SOURCES).glob("*.parquet")):
            if SOURCE.fullmatch(path.name):
                yield Remnant("rows by file", (path,), frozenset({path.name}), last_change(path))
    whole = True
    for stage in READS:
        record = workspace.record(stage)
        folder = workspace.folder / "work" / stage
        if not folder.is_dir():
            continue
        if record is None or "runs" not in record:
            # not finished yet, or by an earlier version: each of its runs may be the one that goes on
            whole = False
            continue
        yield from find_folders(folder, "run", RUN)
        for run in record["runs"]:
            if not (folder / run).is_dir():  # in an object store
                continue
            yield from _commits(workspace, stage, folder / run, collections)
    for collection in collections:
        yield from find_folders(collection / BUILDING, "building", BUILDING_NAME)
        if whole:
            yield from find_folders(collection / STAGING, "staging", RUN)
        if (collection / POINTER).is_file():  # a lost pointer leaves no version without a reader
            yield from find_versions(collection, "version", owns_catalogue)
    if (workspace.committees / CURRENT).is_file():
        yield from find_versions(workspace.committees, "committee", owns_committee)


def _owns_fetched(version: Path) -> bool:
    return version.name.startswith(f"{TABLES}-") and owns_tables(version)


def _commits(workspace: Workspace, stage: str, run: Path, collections: list[Path]) -> Iterator[Remnant]:
    """Yield the commits of a run that are of partitions that are published no more, and files of no commit.

    A commit goes before its files: the partition is then classified again, should it ever come back.
    """
    live = live_keys(workspace, stage, workspace.sky)
    named: set[str] = set()
    for key, record in (
        Run(str(workspace.folder), run.relative_to(workspace.folder).as_posix()).commits().items()
    ):
        files = [*record.get("files", ()), *filter(None, [record.get("path")])]
        named |= {PurePath(file).name for file in files}
        if live is not None and key not in live:
            path = run / "ledger" / f"{key}.json"
            parts = (path, *(workspace.folder / file for file in record.get("files", ())))
            yield Remnant("commit", parts, frozenset({key}), last_change(path))
    for collection in collections:
        for path in sorted((collection / STAGING / run.name).glob("*.parquet")):
            if STAGED.fullmatch(path.name) and path.name not in named:
                yield Remnant("staged file", (path,), frozenset({path.name}), last_change(path))


def live_keys(workspace: Workspace, stage: str, sky: Path) -> set[str] | None:
    """Return the names of the commits that the next run of a stage would find; None where all are kept.

    Parameters
    ----------
    workspace : Workspace
    stage : str
    sky : Path
        What opens as the collection.
    """
    from jpasbatch.stages.run.partition_names import POSTERIORS, PREDICTIONS, commit_names, tally_names

    if stage in ("infer", "inspect"):
        return set(commit_names(open_catalogue(sky)).values())
    if stage == "summarise":
        try:
            predictions = open_catalogue(current_extension(sky, PREDICTIONS))
            corrected = workspace.job.prior.kind != "none"
            posteriors = open_catalogue(current_extension(sky, POSTERIORS)) if corrected else None
            return set(tally_names(open_catalogue(sky), predictions, posteriors).values())
        except (InputError, KeyError):  # the catalogue is newer than its predictions: they come back
            return None
    return None
