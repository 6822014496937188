"""Input files in, accepted and rejected rows of each aside: every file is read once, and checked row by row."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import LEFT_OUT, Facts
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.photometry.carried.values import with_carried
from jpasbatch.photometry.normalisation import normalise
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import catalogue_schema, quarantine_schema
from jpasbatch.stages.ingest.carrying import unwanted_rows
from jpasbatch.stages.ingest.duplicates import find_duplicates
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.hashed import HashedFile, reading_as_hashed
from jpasbatch.storage.tables.carried import carried_rows
from jpasbatch.storage.tables.tables import iterate_raw

CHECKED = "ingest: checked tables"


@dataclass(frozen=True, kw_only=True)
class CheckedTable(Facts):
    """What came of the rows of one input file.

    Attributes
    ----------
    name : str
        Of the tables of its rows, in the folders ``accepted`` and ``rejected`` of the run.
    source : str
        Path of the file.
    rows, accepted : int
        In the file, and in its table of accepted rows.
    reasons : dict of str to int
        Rejected rows by reason.
    values : dict of str to int
        Values (an object in a band) that were doubted or completed, by what was done.
    notes : tuple of str
    first : str or None
        Name of the tables as they were before rows went to the quarantine for an id that occurs in two files; None
        where none did.
    """

    name: str
    source: str
    rows: int
    accepted: int
    reasons: dict[str, int]
    values: dict[str, int]
    notes: tuple[str, ...]
    first: str | None = field(default=None, metadata=LEFT_OUT)

    @property
    def as_read(self) -> str:
        """Name of the tables of all rows that were accepted or rejected when the file was read."""
        return self.first or self.name


def read_tables(
    files: list[HashedFile],
    filter_table: HashedFile | None,
    workspace: Workspace,
    run: Run,
    executor: Executor,
    carried: pa.Schema,
) -> list[CheckedTable]:
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
    list of CheckedTable
        One of each file, in their order.

    Raises
    ------
    InputError
        When a file cannot be used, or an id occurs in two files and the job refuses that.
    """
    tasks = {name: (name, file) for name, file in table_names(files).items()}
    shared = (workspace.job.survey, workspace.job.catalogue, filter_table, carried, str(run.path))
    commits = committed(run, CHECKED, normalise_table, tasks, executor, shared=shared)
    commits.measure(workspace, "ingest")
    records = [one.facts for one in commits.whole_of(CheckedTable, "input files").values()]
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
    """Check one input file, and write its accepted and its rejected rows into folders of a run, under a name.

    The commit holds a `CheckedTable`; ``carried`` are the columns that travel. Memory holds a chunk of the file.

    Raises
    ------
    InputError
        When the file cannot be used, or it or its filter table changed since it was hashed.
    """
    survey = load_survey(survey_name, section.aperture)
    parts = {kind: Path(folder) / kind / name for kind in ("accepted", "rejected")}
    for part in parts.values():
        part.parent.mkdir(parents=True, exist_ok=True)
    rows = kept = 0
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
            rows += result.accepted.num_rows + result.rejected.num_rows
            kept += result.accepted.num_rows
            reasons.update(result.reasons())
            values.update(result.values)
    facts = CheckedTable(
        name=name,
        source=str(file.path),
        rows=rows,
        accepted=kept,
        reasons=dict(reasons),
        values=dict(values),
        notes=tuple(sorted(notes)),
    )
    return Made(rows, facts, list(parts.values()))


def _settle_duplicates(
    records: list[CheckedTable], section: CatalogueSection, folder: Path
) -> list[CheckedTable]:
    """Refuse ids that occur in two files, or move the later rows to the quarantine."""
    names = [record.name for record in records]
    duplicates = find_duplicates([folder / "accepted" / name for name in names], folder / "identifiers")
    if not duplicates:
        return records
    sources = {record.name: record.source for record in records}
    if section.cuts.duplicates == "refuse":
        first = next(iter(duplicates.values()))[0]
        files = ", ".join(sources[path.name] for path in duplicates)
        raise InputError(
            f"object id '{first[1]}' (and {sum(map(len, duplicates.values())) - 1} more) occurs more than once; "
            f"the later rows are in {files}. Remove the rows or the file that was listed twice, or set "
            '[catalogue.cuts] duplicates = "quarantine" to keep the first row of each'
        )
    return [
        _drop(record, duplicates.get(folder / "accepted" / record.name, []), folder) for record in records
    ]


def _drop(record: CheckedTable, rows: list[tuple[int, str]], folder: Path) -> CheckedTable:
    """Write a file again without the given rows, and quarantine these."""
    if not rows:
        return record
    accepted = pq.read_table(folder / "accepted" / record.name)
    rejected = pq.read_table(folder / "rejected" / record.name)
    indices = np.array([index for index, _ in rows])
    keep = np.ones(accepted.num_rows, dtype=bool)
    keep[indices] = False
    dropped = accepted.take(pa.array(indices))
    source_rows = rows_of_source(record.rows, rejected["row"].to_numpy())
    quarantined = pa.table(
        {
            "object_id": dropped["object_id"],
            "ra": dropped["ra"],
            "dec": dropped["dec"],
            "reason": pa.array(["duplicate id"] * len(rows)),
            "source": pa.array([record.source] * len(rows)),
            "row": pa.array(source_rows[indices], pa.int64()),
        },
        schema=quarantine_schema(),
    )
    name = f"unique-{record.name}"
    pq.write_table(accepted.filter(pa.array(keep)), folder / "accepted" / name, use_dictionary=False)
    pq.write_table(pa.concat_tables([rejected, quarantined]), folder / "rejected" / name)
    reasons = {**record.reasons, "duplicate id": record.reasons.get("duplicate id", 0) + len(rows)}
    return replace(
        record, name=name, first=record.name, accepted=record.accepted - len(rows), reasons=reasons
    )


def rows_of_source(rows: int, rejected: np.ndarray) -> np.ndarray:
    """Return the numbers in their file of the accepted rows, int64 (n,): those that were not rejected, in their order.

    Parameters
    ----------
    rows : int
        Of the file.
    rejected : ndarray of int64
        Numbers of the rejected rows.
    """
    return np.delete(np.arange(rows), rejected)
