"""Rejected rows as their files hold them: every column, beside the reason, so that nobody has to look for them again.

The table of reasons (`jpasbatch.stages.run.quarantine`) tells of all rejected rows in one form. Here each file that had
some gets a Parquet file of its own, because its columns are its own. Rows that a later file superseded are not among
them: they are in the version of the catalogue that the table of reasons names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.job.job import CatalogueSection
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.ingest.reading import CheckedTable
from jpasbatch.stages.ingest.refusals import NOTHING, Carrying
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.ingest_facts import WholeRows
from jpasbatch.stages.run.workspace import SHORT, Workspace
from jpasbatch.storage.stores.files import fsync_folder, written_aside
from jpasbatch.storage.stores.hashed import HashedFile, reading_as_hashed
from jpasbatch.storage.tables.complete.opening import open_complete

WHOLE = "whole"
REJECTED = "ingest: rejected rows"
CHUNK_ROWS = 20_000
REASON, SOURCE, ROW = "quarantine_reason", "quarantine_source", "quarantine_row"


@dataclass(frozen=True)
class Kept(Facts):
    """What became of the rejected rows of a file: the name of their table, and why they have none (or nothing)."""

    name: str
    trouble: str


def keep_whole_rows(
    records: Sequence[CheckedTable],
    read: Sequence[HashedFile],
    workspace: Workspace,
    run: Run,
    identity: str,
    executor: Executor,
    earlier: str | None = None,
    carrying: Carrying = NOTHING,
) -> tuple[WholeRows, list[str]]:
    """Publish the rejected rows of all files, whole.

    Parameters
    ----------
    records : sequence of CheckedTable
        Of the files.
    read : sequence of HashedFile
        The files.
    workspace : Workspace
    run : Run
    identity : str
        Its fingerprint.
    executor : Executor
    earlier : str, optional
        Fingerprint of the ingest that this one revises; what stays of its files is published again.
    carrying : Carrying
        What becomes of them.

    Returns
    -------
    WholeRows
        Where they are.
    list of str
        Why some files have none there, sorted.
    """
    files = {str(file.path): file for file in read}
    tasks = {key: (record.name, files[record.source]) for key, record in rejecting(records).items()}
    shared = (workspace.job.survey, workspace.job.catalogue, str(run.path))
    commits = committed(run, REJECTED, write_whole_rows, tasks, executor, shared=shared)
    made = [one.facts for one in commits.whole_of(Kept, "input files").values()]
    folder = _folder(workspace, identity)
    folder.mkdir(parents=True, exist_ok=True)
    kept = set()
    if earlier is not None and earlier != identity:
        kept = {
            path.name
            for path in sorted(_folder(workspace, earlier).glob("*.parquet"))
            if _carry(path, folder, carrying)
        }
    for one in made:
        if (path := run.path / WHOLE / one.name).is_file():
            _copy(path, target := folder / f"{run.path.name}-{one.name}")
            kept.add(target.name)
    for path in folder.glob("*.parquet"):
        if path.name not in kept:  # the same files, reached on another way
            path.unlink()
    fsync_folder(folder)
    whole = WholeRows(
        folder=str(folder.relative_to(workspace.folder)),
        files=len(kept),
        rows=sum(pq.read_metadata(folder / name).num_rows for name in kept),
    )
    return whole, sorted(one.trouble for one in made if one.trouble)


def rejecting(records: Sequence[CheckedTable]) -> dict[str, CheckedTable]:
    """Return the records of files that have rejected rows, by the key of the task that keeps them whole."""
    return {whole_rows_key(record.name): record for record in records if record.rows > record.accepted}


def whole_rows_key(name: str) -> str:
    """Return the key of the task that keeps the rejected rows of a file whole."""
    return f"whole-{name}"


def _folder(workspace: Workspace, identity: str) -> Path:
    return workspace.quarantine / f"ingest-{identity[:SHORT]}-rows"


def _carry(path: Path, folder: Path, carrying: Carrying) -> bool:
    """Take the rejected rows of a file over into a folder; return whether any stay."""
    with pq.ParquetFile(path) as file:
        source = next(file.iter_batches(batch_size=1, columns=[SOURCE]))[SOURCE][0].as_py()
    if not carrying.touches(source):
        _copy(path, folder / path.name)
        return True
    return source not in carrying.gone and bool(carrying.rewrite(path, folder / path.name, SOURCE, ROW))


def _copy(path: Path, target: Path) -> None:
    """Copy a file, so that damage to one of the two is no damage to the other."""
    with written_aside(target) as aside:
        aside.write_bytes(path.read_bytes())


def write_whole_rows(
    survey_name: str, section: CatalogueSection, folder: str, name: str, file: HashedFile
) -> Made:
    """Write the rejected rows of a file with all of its columns; a block of the file is in memory at a time.

    The commit holds a `Kept`: a file whose photometry could be read may not be one that can be handed on as a whole.

    Raises
    ------
    InputError
        When the file changed since it was hashed.
    """
    rejected = pq.read_table(Path(folder) / "rejected" / name, columns=["reason", "row"])
    order = np.argsort(rejected["row"].to_numpy(), kind="stable")
    rows, reasons = (
        rejected["row"].to_numpy()[order],
        rejected["reason"].combine_chunks().take(pa.array(order)),
    )
    target = Path(folder) / WHOLE / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with reading_as_hashed(file) as path:
        try:
            written = _write(path, load_survey(survey_name, section.aperture), rows, reasons, target)
        except InputError as error:
            target.unlink(missing_ok=True)
            return Made(0, Kept(name, f"its rejected rows are not kept whole: {error}"))
    if written != len(rows):
        raise InputError(
            f'{path}: {written} of {len(rows)} rejected rows were found again; set [catalogue] rejected = "reasons", '
            "and report this"
        )
    return Made(written, Kept(name, ""), [target])


def _write(path: Path, survey: Any, rows: np.ndarray, reasons: pa.Array, target: Path) -> int:
    """Write some rows of a file, ascending by their numbers, and return how many there were."""
    first = written = 0
    with open_complete(path, survey, CHUNK_ROWS) as table, written_aside(target) as aside:
        names = {REASON: reasons.type, SOURCE: pa.string(), ROW: pa.int64()}
        own = [field for field in table.schema if field.name not in names]
        schema = pa.schema(
            [*own, *(pa.field(key, kind) for key, kind in names.items())], table.schema.metadata
        )
        with pq.ParquetWriter(aside, schema, compression="zstd") as writer:
            for piece in table.pieces:
                begin, end = np.searchsorted(rows, [first, first + piece.num_rows])
                chosen = piece.select([field.name for field in own]).take(pa.array(rows[begin:end] - first))
                told = [
                    reasons.slice(begin, end - begin),
                    pa.array([str(path)] * (end - begin), pa.string()),
                    pa.array(rows[begin:end]),
                ]
                if end > begin:
                    writer.write_table(pa.table([*chosen.columns, *told], schema=schema))
                first, written = first + piece.num_rows, written + int(end - begin)
    return written
