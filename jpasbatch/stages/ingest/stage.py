"""Stage ``ingest``: survey tables in, a HATS catalogue of canonical photometry out.

A mock that is made by partition needs none of this; see `jpasbatch.stages.ingest.adoption`. When files come, change or
go later, `jpasbatch.stages.ingest.revision` makes again what they touch.

Each input file is read once, checked row by row and written aside as canonical Parquet; rows that cannot be
used go to the quarantine with their reason. Only when every file is clean does hats-import partition the
result, so that an error in the last file never leaves half a catalogue, and the slow formats are read once.
"""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import asdict, replace
from typing import Any

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.errors import InputError
from jpasbatch.stages.ingest.adoption import PHOTOMETRY, adopt_set, can_be_revised, is_published
from jpasbatch.stages.ingest.carrying import carried_schema
from jpasbatch.stages.ingest.inputs import InputChanges, compare_inputs
from jpasbatch.stages.ingest.overlaps import publish_dropped, resolve_overlaps
from jpasbatch.stages.ingest.reading import read_tables
from jpasbatch.stages.ingest.records import all_notes, refused_by, total_values
from jpasbatch.stages.ingest.request import Asked, ask_ingest
from jpasbatch.stages.ingest.revision import carrying, prepare_revision, publish_revision, revision_identity
from jpasbatch.stages.ingest.sources import described, list_sources
from jpasbatch.stages.ingest.whole_rows import keep_whole_rows
from jpasbatch.stages.run.changes import changed_parts, named_parts
from jpasbatch.stages.run.committed import run_on_disk
from jpasbatch.stages.run.mock_parts import makes_sets
from jpasbatch.stages.run.quarantine import no_rows_left, publish_quarantine
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.hats_import import import_tables

log = logging.getLogger(__name__)

SPENT = (
    *("accepted", "indexed", "keys", "zones", "dropped"),
    *("again", "leaving", "superseded", "returning", "returned"),
)
"""Folders of a run that nothing needs any more when the catalogue is published."""


def run_ingest(workspace: Workspace, executor: Executor) -> dict[str, Any]:
    """Ingest the job's tables and publish the catalogue; return the stage's record.

    Raises
    ------
    InputError
        When a file is refused, an id occurs twice (by policy), no row is left, or the job names a set that
        its mock does not make.
    """
    section = workspace.job.catalogue
    fetched = workspace.job.fetch is not None
    if section.input is None and not fetched and makes_sets(mock := workspace.require("mock")):
        return adopt_set(workspace, mock)
    asked = ask_ingest(workspace, executor)
    unchanged = workspace.unchanged("ingest", asked.identity, asked.parts)
    if unchanged and is_published(workspace, unchanged["catalogue"]):
        return {**unchanged, "new_partitions": 0}
    before = workspace.record("ingest")
    changes = ask_changes(workspace, asked, before)
    with stopwatch() as elapsed:
        if before is None or changes.whole:
            if workspace.incremental:
                log.info("ingest: the whole catalogue, because %s", changes.whole)
            content = _ingest(workspace, asked, executor)
        else:
            content = _revise(workspace, asked, changes, before, executor)
    content |= {
        "files": len(asked.files),
        "inputs": asked.hashes,
        **named_parts(asked.parts),
        "algorithms": asked.parts["algorithms"],
        "cuts": asdict(section.cuts),
    }
    for what, number in content["values"].items():
        log.info("ingest: %d values (an object in a band): %s", number, what)
    record = workspace.finish("ingest", asked.identity, elapsed[0], content)
    for run in record["runs"]:
        for part in SPENT:  # the catalogue holds these rows now
            shutil.rmtree(workspace.folder / "work" / "ingest" / run / part, ignore_errors=True)
    return record


def ask_changes(workspace: Workspace, asked: Asked, before: dict[str, Any] | None) -> InputChanges:
    """Return what became of the input files since the last ingest, or why the whole catalogue is ingested."""
    if not workspace.incremental:
        return InputChanges(whole="that is what was asked for")
    if before is not None and not can_be_revised(workspace, before["catalogue"]):
        return InputChanges(whole="it is not published")
    if workspace.faults("ingest"):
        return InputChanges(whole="it is damaged")
    changed = changed_parts(before, asked.parts)
    overlaps = workspace.job.catalogue.overlaps is not None
    return compare_inputs(before, changed, asked.hashes, workspace.folder, overlaps)


def _ingest(workspace: Workspace, asked: Asked, executor: Executor) -> dict[str, Any]:
    """Ingest all files, and return what is recorded of it."""
    section, run = workspace.job.catalogue, run_on_disk(workspace, "ingest", asked.identity)
    read = list(asked.files.values())
    carried, widened = carried_schema(read, workspace, executor, None)
    records = read_tables(read, asked.filter_table, workspace, run, executor, carried)
    sources = list_sources(asked.files, records, run, executor, arrived=0)
    damaged = bool(workspace.faults("ingest"))
    content = _import(workspace, records, asked.identity, executor, damaged)
    content["sources"] = described(sources)
    if section.rejected == "whole":
        content |= keep_whole_rows(records, read, workspace, run, asked.identity, executor)
    if section.carry:
        content["carried"] = {field.name: str(field.type) for field in carried}
    content["notes"] = sorted({*content["notes"], *widened, *content.pop("troubles", ())})
    return content


def _revise(
    workspace: Workspace, asked: Asked, changes: InputChanges, before: dict[str, Any], executor: Executor
) -> dict[str, Any]:
    """Revise the catalogue for the files that came, changed and went, and return what is recorded of it."""
    section = workspace.job.catalogue
    log.info("ingest: %d files to read, %d are gone or changed", len(changes.arrived), len(changes.gone))
    run = run_on_disk(workspace, "ingest", revision_identity(before, asked.identity))
    revision = prepare_revision(workspace, asked, changes, before, run, executor)
    content = publish_revision(workspace, revision, changes, before, run, asked.identity, executor)
    if revision.sources is not None:
        content["sources"] = described(revision.sources)
    if section.rejected == "whole":
        read = [asked.files[label] for label in changes.arrived]
        content |= keep_whole_rows(
            revision.records,
            read,
            workspace,
            run,
            asked.identity,
            executor,
            before["fingerprint"],
            carrying(revision, changes),
        )
    if section.carry:
        content["carried"] = before["carried"]
    content["notes"] = sorted({*content["notes"], *content.pop("troubles", ())})
    return content


def _import(
    workspace: Workspace, records: list[dict[str, Any]], identity: str, executor: Executor, damaged: bool
) -> dict[str, Any]:
    """Partition all accepted rows, publish them in the place of what is damaged, and return what is recorded of it."""
    section, folder = workspace.job.catalogue, workspace.run_folder("ingest", identity)
    resolved = None
    if section.overlaps is not None:
        run = run_on_disk(workspace, "ingest", identity)
        resolved = resolve_overlaps(records, workspace.job.survey, section, run, executor)
    # before the import, so that the reasons can be read when no row is left to import
    quarantine = publish_quarantine(
        [folder / "rejected" / record["name"] for record in records], refused_by(workspace, identity)
    )
    more: dict[str, Any] = {}
    if resolved is not None:
        records = resolved.records
        more = {"duplicates": resolved.rows}
        publish_dropped(resolved, workspace.folder / "duplicates" / f"ingest-{identity[:SHORT]}.parquet")
    rows = sum(record["accepted"] for record in records)
    if not rows:
        raise no_rows_left(records, quarantine)
    with borrow_client(executor) as client:
        catalogue = import_tables(
            client,
            [folder / "accepted" / record["name"] for record in records if record["accepted"]],
            workspace.sky,
            f"{PHOTOMETRY}-{identity[:SHORT]}",
            replace(section.partitions, progress=section.partitions.progress or sys.stderr.isatty()),
            rows,
            damaged=damaged,
        )
    published = open_catalogue(catalogue)
    if published.rows != rows:
        raise InputError(f"{catalogue}: holds {published.rows} rows, but {rows} were accepted; remove it")
    return {
        "catalogue": str(catalogue.relative_to(workspace.folder)),
        "rows_in": sum(record["rows"] for record in records),
        "rows_out": rows,
        "quarantined": sum(quarantine.values()),
        "reasons": quarantine,
        "partitions": len(published.pixels),
        "new_partitions": len(published.pixels),
        "values": total_values(records),
        "notes": all_notes(records),
        **more,
    }
