"""Stage ``ingest``: survey tables in, a HATS catalogue of canonical photometry out.

A mock that is made by partition needs none of this; see `jpasbatch.stages.ingest.adoption`. What arrives
later is added by `jpasbatch.stages.ingest.arrivals`.

Each input file is read once, checked row by row and written aside as canonical Parquet; rows that cannot be
used go to the quarantine with their reason. Only when every file is clean does hats-import partition the
result, so that an error in the last file never leaves half a catalogue, and the slow formats are read once.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.errors import InputError
from jpasbatch.job.job import CatalogueSection
from jpasbatch.photometry.carried.values import with_carried
from jpasbatch.photometry.normalisation import normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import catalogue_schema, quarantine_schema
from jpasbatch.stages.ingest.adoption import PHOTOMETRY, adopt_set, is_published
from jpasbatch.stages.ingest.arrivals import grow_catalogue, new_files
from jpasbatch.stages.ingest.carrying import carried_schema, unwanted_rows
from jpasbatch.stages.ingest.duplicates import find_duplicates
from jpasbatch.stages.ingest.overlaps import publish_dropped, resolve_overlaps
from jpasbatch.stages.ingest.request import ask_ingest
from jpasbatch.stages.ingest.whole_rows import keep_whole_rows
from jpasbatch.stages.run.changes import changed_parts, named_parts
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed, run_on_disk
from jpasbatch.stages.run.mock_parts import makes_sets
from jpasbatch.stages.run.quarantine import no_rows_left, publish_quarantine
from jpasbatch.stages.run.workspace import SHORT, Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.hats_import import import_tables
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.hashed import HashedFile, reading_as_hashed
from jpasbatch.storage.tables.carried import carried_rows
from jpasbatch.storage.tables.tables import iterate_raw

log = logging.getLogger(__name__)


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
    files, filter_table, parts, identity = ask_ingest(workspace, executor)
    hashes = {label: file.sha256 for label, file in files.items()}
    unchanged = workspace.unchanged("ingest", identity, parts)
    if unchanged and is_published(workspace, unchanged["catalogue"]):
        return {**unchanged, "new_partitions": 0}
    before = workspace.record("ingest")
    arrived, reason = new_files(before, changed_parts(before, parts), hashes, section.overlaps is not None)
    damaged = bool(workspace.faults("ingest"))
    whole = before and is_published(workspace, before["catalogue"]) and not damaged
    arrived = arrived if workspace.incremental and whole else []
    run = run_on_disk(workspace, "ingest", identity)
    folder = run.path
    with stopwatch() as elapsed:
        read = [files[label] for label in arrived or files]
        there = open_catalogue(workspace.sky).schema if arrived else None
        carried, widened = carried_schema(read, workspace, executor, there)
        records = read_tables(read, filter_table, workspace, run, executor, carried)
        if arrived:
            log.info("ingest: %d new files for the catalogue that is there", len(arrived))
            content = _grow(workspace, before or {}, records, identity, executor)
        else:
            if workspace.incremental:
                log.info("ingest: the whole catalogue, because %s", reason or "it is not published")
            content = _import(workspace, records, identity, executor, damaged)
        if section.rejected == "whole":
            earlier = before["fingerprint"] if arrived and before else None
            whole = keep_whole_rows(records, read, workspace, run, identity, executor, earlier)
            content["whole_rows"] = {key: whole[key] for key in ("folder", "files", "rows")}
            content["notes"] = sorted({*content["notes"], *whole["troubles"]})
    if section.carry:
        content["notes"] = sorted({*content["notes"], *widened})
        content["carried"] = {field.name: str(field.type) for field in carried}
    content |= {
        "files": len(files),
        "inputs": hashes,
        **named_parts(parts),
        "algorithms": parts["algorithms"],
        "cuts": asdict(section.cuts),
    }
    for what, number in content["values"].items():
        log.info("ingest: %d values (an object in a band): %s", number, what)
    record = workspace.finish("ingest", identity, elapsed[0], content)
    shutil.rmtree(folder / "accepted")  # the catalogue holds these rows now
    for part in ("indexed", "keys", "zones", "dropped"):
        shutil.rmtree(folder / part, ignore_errors=True)
    return record


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
        [folder / "rejected" / record["name"] for record in records], _quarantine(workspace, identity)
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
        "values": _values(records),
        "notes": _notes(records),
        **more,
    }


def _grow(
    workspace: Workspace,
    before: dict[str, Any],
    records: list[dict[str, Any]],
    identity: str,
    executor: Executor,
) -> dict[str, Any]:
    """Let the catalogue take the accepted rows, publish it, and return what is recorded of it."""
    run = run_on_disk(workspace, "ingest", identity)
    folder = run.path
    accepted = [folder / "accepted" / record["name"] for record in records if record["accepted"]]
    grown = grow_catalogue(workspace, accepted, run, identity, executor)
    rejected = [folder / "rejected" / record["name"] for record in records]
    # one table tells of every row that is not in the catalogue, whenever it came
    earlier = _quarantine(workspace, before["fingerprint"])
    quarantine = publish_quarantine([earlier, *rejected, *grown.rejected], _quarantine(workspace, identity))
    return {
        "catalogue": str(grown.catalogue.path.relative_to(workspace.folder)),
        "rows_in": before["rows_in"] + sum(record["rows"] for record in records),
        "rows_out": grown.catalogue.rows,
        "quarantined": sum(quarantine.values()),
        "reasons": quarantine,
        "partitions": len(grown.catalogue.pixels),
        "new_partitions": grown.touched,
        "values": _values([before, *records]),
        "notes": sorted({*before["notes"], *_notes(records)}),
    }


def _notes(records: list[dict[str, Any]]) -> list[str]:
    return sorted({note for record in records for note in record["notes"]})


def _values(records: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many values (an object in a band) were doubted or completed, by what was done."""
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.get("values", {}))
    return dict(sorted(total.items()))


def _quarantine(workspace: Workspace, identity: str) -> Path:
    return workspace.quarantine / f"ingest-{identity[:SHORT]}.parquet"


def read_tables(
    files: list[HashedFile],
    filter_table: HashedFile | None,
    workspace: Workspace,
    run: Run,
    executor: Executor,
    carried: pa.Schema,
) -> list[dict[str, Any]]:
    """Check input files, write their rows into the folder of a run, and settle ids that occur twice.

    Parameters
    ----------
    files : list of HashedFile
    filter_table : HashedFile, optional
    workspace : Workspace
    run : Run
    executor : Executor
    carried : pyarrow.Schema
        Of the columns that travel.

    Returns
    -------
    list of dict
        Of each file what `normalise_table` commits; ``name`` is that of its rows in ``accepted`` and ``rejected``.
    """
    tasks = {name: (name, file) for name, file in table_names(files).items()}
    shared = (workspace.job.survey, workspace.job.catalogue, filter_table, carried, str(run.path))
    commits = committed(run, "ingest: checked tables", normalise_table, tasks, executor, shared=shared)
    commits.measure(workspace, "ingest")
    records = list(commits.whole("input files").values())
    return _settle_duplicates(records, workspace.job.catalogue, run.path)


def table_names(files: list[HashedFile]) -> dict[str, HashedFile]:
    """Return input files by the name of what is written of each, which names its commit."""
    return {f"{index:05d}-{_plain(file.path)}.parquet": file for index, file in enumerate(files)}


def _plain(path: Path) -> str:
    """Return a name that a ledger takes; it need not be unique, nor tell more than people can use."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", path.name.split(".")[0])[:60]


def normalise_table(
    survey_name: str,
    section: CatalogueSection,
    filter_table: HashedFile | None,
    carried: pa.Schema,
    folder: str,
    name: str,
    file: HashedFile,
) -> Made:
    """Check one input file and write its accepted and its rejected rows aside; `carried` are the columns that travel.

    Memory is bounded by a chunk of the file. The commit holds ``name``, ``source``, ``rows``, ``accepted``, ``reasons``
    (rejected rows by reason), ``values`` (an object in a band) that were doubted or completed, and ``notes``.
    There is none of a file that changed since it was hashed, or whose filter table did: that is an `InputError`.
    """
    survey = load_survey(survey_name, section.aperture)
    parts = {kind: Path(folder) / kind / name for kind in ("accepted", "rejected")}
    for part in parts.values():
        part.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"name": name, "source": str(file.path), "rows": 0, "accepted": 0}
    notes: set[str] = set()
    reasons: Counter[str] = Counter()
    values: Counter[str] = Counter()
    with (
        reading_as_hashed(file) as path,
        nullcontext() if filter_table is None else reading_as_hashed(filter_table) as listed,
        written_aside(parts["accepted"]) as accepted_aside,
        written_aside(parts["rejected"]) as rejected_aside,
        pq.ParquetWriter(accepted_aside, catalogue_schema(survey, carried), use_dictionary=False) as accepted,
        pq.ParquetWriter(rejected_aside, quarantine_schema()) as rejected,
        carried_rows(path, survey, section.carry, carried) as further,
    ):
        for raw in iterate_raw(path, survey, filter_table=listed):
            beside = further.take(len(raw))
            result = normalise(raw, survey, section.cuts, unwanted=unwanted_rows(beside, section.rules))
            notes.update(result.notes)
            accepted.write_table(with_carried(result.accepted, result.rejected, beside, raw.first_row))
            rejected.write_table(result.rejected)
            record["rows"] += result.accepted.num_rows + result.rejected.num_rows
            record["accepted"] += result.accepted.num_rows
            reasons.update(result.reasons())
            values.update(result.values)
    record |= {"reasons": reasons, "values": values, "notes": sorted(notes)}
    return Made(record["rows"], record, list(parts.values()))


def _settle_duplicates(
    records: list[dict[str, Any]], section: CatalogueSection, folder: Path
) -> list[dict[str, Any]]:
    """Refuse ids that occur in two files, or move the later rows to the quarantine."""
    names = [record["name"] for record in records]
    duplicates = find_duplicates([folder / "accepted" / name for name in names], folder / "identifiers")
    if not duplicates:
        return records
    sources = {record["name"]: record["source"] for record in records}
    if section.cuts.duplicates == "refuse":
        first = next(iter(duplicates.values()))[0]
        files = ", ".join(sources[path.name] for path in duplicates)
        raise InputError(
            f"object id '{first[1]}' (and {sum(map(len, duplicates.values())) - 1} more) occurs more than once; "
            f"the later rows are in {files}. Remove the rows or the file that was listed twice, or set "
            '[catalogue.cuts] duplicates = "quarantine" to keep the first row of each'
        )
    return [
        _drop(record, duplicates.get(folder / "accepted" / record["name"], []), folder) for record in records
    ]


def _drop(record: dict[str, Any], rows: list[tuple[int, str]], folder: Path) -> dict[str, Any]:
    """Write a file again without the given rows, and quarantine these."""
    if not rows:
        return record
    accepted = pq.read_table(folder / "accepted" / record["name"])
    rejected = pq.read_table(folder / "rejected" / record["name"])
    indices = np.array([index for index, _ in rows])
    keep = np.ones(accepted.num_rows, dtype=bool)
    keep[indices] = False
    dropped = accepted.take(pa.array(indices))
    # accepted rows are those of the source that were not rejected, in their order
    source_rows = np.delete(np.arange(record["rows"]), rejected["row"].to_numpy())
    quarantined = pa.table(
        {
            "object_id": dropped["object_id"],
            "ra": dropped["ra"],
            "dec": dropped["dec"],
            "reason": pa.array(["duplicate id"] * len(rows)),
            "source": pa.array([record["source"]] * len(rows)),
            "row": pa.array(source_rows[indices], pa.int64()),
        },
        schema=quarantine_schema(),
    )
    name = f"unique-{record['name']}"
    pq.write_table(accepted.filter(pa.array(keep)), folder / "accepted" / name, use_dictionary=False)
    pq.write_table(pa.concat_tables([rejected, quarantined]), folder / "rejected" / name)
    reasons = {**record["reasons"], "duplicate id": record["reasons"].get("duplicate id", 0) + len(rows)}
    return {**record, "name": name, "accepted": record["accepted"] - len(rows), "reasons": reasons}
