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

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.errors import InputError
from jpasbatch.stages.ingest.adoption import PHOTOMETRY, adopt_set, can_be_revised, is_published
from jpasbatch.stages.ingest.carrying import carried_schema
from jpasbatch.stages.ingest.inputs import InputChanges, compare_inputs
from jpasbatch.stages.ingest.overlaps import publish_dropped, resolve_overlaps
from jpasbatch.stages.ingest.reading import CheckedTable, read_tables
from jpasbatch.stages.ingest.records import all_notes, refused_by, total_values
from jpasbatch.stages.ingest.request import Asked, ask_ingest
from jpasbatch.stages.ingest.revision import carrying, prepare_revision, publish_revision, revision_identity
from jpasbatch.stages.ingest.sources import list_sources
from jpasbatch.stages.ingest.whole_rows import keep_whole_rows
from jpasbatch.stages.run.changes import changed_parts
from jpasbatch.stages.run.committed import run_on_disk
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.mock_facts import MockSets
from jpasbatch.stages.run.mock_parts import makes_sets
from jpasbatch.stages.run.quarantine import no_rows_left, publish_quarantine
from jpasbatch.stages.run.records import StageRecord, finish, recorded, required, retold, unchanged
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.hats_import import import_tables

log = logging.getLogger(__name__)

SPENT = (
    *("accepted", "indexed", "keys", "zones", "dropped"),
    *("again", "leaving", "superseded", "returning", "returned"),
)
"""Folders of a run that nothing needs any more when the catalogue is published."""


def run_ingest(workspace: Workspace, executor: Executor) -> StageRecord[IngestFacts]:
    """Ingest the job's tables and publish the catalogue; return the stage's record.

    Raises
    ------
    InputError
        When a file is refused, an id occurs twice (by policy), no row is left, or the job names a set that
        its mock does not make.
    """
    section = workspace.job.catalogue
    fetched = workspace.job.fetch is not None
    if section.input is None and not fetched and makes_sets(workspace.require("mock")):
        return adopt_set(workspace, required(workspace, MockSets))
    asked = ask_ingest(workspace, executor)
    same = unchanged(workspace, IngestFacts, asked.identity, asked.parts)
    if same and is_published(workspace, same.facts.catalogue):
        return retold(same, new_partitions=0)
    before = recorded(workspace, IngestFacts)
    changes = ask_changes(workspace, asked, before)
    with stopwatch() as elapsed:
        if before is None or changes.whole:
            if workspace.incremental:
                log.info("ingest: the whole catalogue, because %s", changes.whole)
            facts = _ingest(workspace, asked, executor)
        else:
            facts = _revise(workspace, asked, changes, before, executor)
    facts = replace(facts, files=len(asked.files), inputs=asked.hashes, cuts=asdict(section.cuts))
    for what, number in (facts.values or {}).items():
        log.info("ingest: %d values (an object in a band): %s", number, what)
    record = finish(workspace, facts, asked.identity, elapsed[0], asked.parts, asked.parts["algorithms"])
    for run in record.content["runs"]:
        for part in SPENT:  # the catalogue holds these rows now
            shutil.rmtree(workspace.folder / "work" / "ingest" / run / part, ignore_errors=True)
    return record


def ask_changes(workspace: Workspace, asked: Asked, before: StageRecord[IngestFacts] | None) -> InputChanges:
    """Return what became of the input files since the last ingest, or why the whole catalogue is ingested."""
    if not workspace.incremental:
        return InputChanges(whole="that is what was asked for")
    if before is not None and not can_be_revised(workspace, before.facts.catalogue):
        return InputChanges(whole="it is not published")
    if workspace.faults("ingest"):
        return InputChanges(whole="it is damaged")
    facts, content = (None, None) if before is None else (before.facts, before.content)
    changed = changed_parts(content, asked.parts)
    overlaps = workspace.job.catalogue.overlaps is not None
    return compare_inputs(facts, changed, asked.hashes, workspace.folder, overlaps)


def _ingest(workspace: Workspace, asked: Asked, executor: Executor) -> IngestFacts:
    """Ingest all files, and return what is recorded of it."""
    section, run = workspace.job.catalogue, run_on_disk(workspace, "ingest", asked.identity)
    read = list(asked.files.values())
    carried, widened = carried_schema(read, workspace, executor, None)
    records = read_tables(read, asked.filter_table, workspace, run, executor, carried)
    sources = list_sources(asked.files, records, run, executor, arrived=0)
    damaged = bool(workspace.faults("ingest"))
    facts = replace(_import(workspace, records, asked.identity, executor, damaged), sources=sources)
    troubles: list[str] = []
    if section.rejected == "whole":
        whole, troubles = keep_whole_rows(records, read, workspace, run, asked.identity, executor)
        facts = replace(facts, whole_rows=whole)
    if section.carry:
        facts = replace(facts, carried={field.name: str(field.type) for field in carried})
    return replace(facts, notes=all_notes([facts.notes, widened, troubles]))


def _revise(
    workspace: Workspace,
    asked: Asked,
    changes: InputChanges,
    before: StageRecord[IngestFacts],
    executor: Executor,
) -> IngestFacts:
    """Revise the catalogue for the files that came, changed and went, and return what is recorded of it."""
    section = workspace.job.catalogue
    log.info("ingest: %d files to read, %d are gone or changed", len(changes.arrived), len(changes.gone))
    run = run_on_disk(workspace, "ingest", revision_identity(before, asked.identity))
    revision = prepare_revision(workspace, asked, changes, before.facts, run, executor)
    facts = publish_revision(workspace, revision, changes, before, run, asked.identity, executor)
    troubles: list[str] = []
    if section.rejected == "whole":
        read = [asked.files[label] for label in changes.arrived]
        whole, troubles = keep_whole_rows(
            revision.records,
            read,
            workspace,
            run,
            asked.identity,
            executor,
            before.fingerprint,
            carrying(revision, changes),
        )
        facts = replace(facts, whole_rows=whole)
    if section.carry:
        facts = replace(facts, carried=before.facts.carried)
    return replace(facts, notes=all_notes([facts.notes, troubles]))


def _import(
    workspace: Workspace, records: list[CheckedTable], identity: str, executor: Executor, damaged: bool
) -> IngestFacts:
    """Partition all accepted rows, publish them in the place of what is damaged, and return what is recorded of it."""
    section, folder = workspace.job.catalogue, workspace.run_folder("ingest", identity)
    resolved = None
    if section.overlaps is not None:
        run = run_on_disk(workspace, "ingest", identity)
        resolved = resolve_overlaps(records, workspace.job.survey, section, run, executor)
    # before the import, so that the reasons can be read when no row is left to import
    quarantine = publish_quarantine(
        [folder / "rejected" / record.name for record in records], refused_by(workspace, identity)
    )
    if resolved is not None:
        records = resolved.records
        publish_dropped(resolved, workspace.folder / "duplicates" / f"ingest-{identity[:SHORT]}.parquet")
    rows = sum(record.accepted for record in records)
    if not rows:
        raise no_rows_left([(record.source, record.rows) for record in records], quarantine)
    with borrow_client(executor) as client:
        catalogue = import_tables(
            client,
            [folder / "accepted" / record.name for record in records if record.accepted],
            workspace.sky,
            f"{PHOTOMETRY}-{identity[:SHORT]}",
            replace(section.partitions, progress=section.partitions.progress or sys.stderr.isatty()),
            rows,
            damaged=damaged,
        )
    published = open_catalogue(catalogue)
    if published.rows != rows:
        raise InputError(f"{catalogue}: holds {published.rows} rows, but {rows} were accepted; remove it")
    return IngestFacts(
        catalogue=str(catalogue.relative_to(workspace.folder)),
        rows_in=sum(record.rows for record in records),
        rows_out=rows,
        quarantined=sum(quarantine.values()),
        reasons=quarantine,
        duplicates=None if resolved is None else resolved.rows,
        values=total_values(record.values for record in records),
        notes=all_notes(record.notes for record in records),
        partitions=len(published.pixels),
        new_partitions=len(published.pixels),
    )
