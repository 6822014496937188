"""Rows that come back: their files are read again, and what the quarantine said of them is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import LEFT_OUT, Facts
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.stages.ingest.departures import Departures, among
from jpasbatch.stages.ingest.reading import normalise_table, rows_of_source
from jpasbatch.stages.ingest.sources import IN_CATALOGUE, RowTable, change_fates, table_of, with_table
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.ingest_facts import Source
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.hashed import HashedFile

RETURNED = "ingest: rows that come back"


@dataclass(frozen=True)
class Returned:
    """What came back.

    Attributes
    ----------
    accepted : list of Path
        Tables of canonical rows.
    rows : mapping of str to Path
        By the former names of their files: which rows of the file they are (``row``).
    sources : mapping of str to Source
        Of all former files that stay, with what became of their rows.
    """

    accepted: list[Path]
    rows: Mapping[str, Path]
    sources: Mapping[str, Source]


@dataclass(frozen=True)
class ReturnedRows(Facts):
    """What the commit of a file that was read again tells: its table of rows, or nothing where none came back."""

    table: str | None = field(default=None, metadata=LEFT_OUT)
    sha256: str | None = field(default=None, metadata=LEFT_OUT)

    @property
    def written(self) -> RowTable | None:
        """The table of the rows of the file, written again with what became of them."""
        return None if self.table is None or self.sha256 is None else RowTable(self.table, self.sha256)


@dataclass(frozen=True)
class Returning:
    """A file that is read again, and which of its rows are wanted.

    Attributes
    ----------
    name : str
        Of the tables that are written.
    file : HashedFile
    candidates : str
        Table of the rows that may come back (``object_id``, ``row``).
    better : tuple of str
        Such tables of files whose rows come back instead, where both have an id.
    known, target : str
        Table of the rows of the file, and where to write it with what became of them, relative to the place of the run.
    """

    name: str
    file: HashedFile
    candidates: str
    better: tuple[str, ...]
    known: str
    target: str

    def rows(self) -> pa.Table:
        """Return the rows that come back, as ``candidates`` has them."""
        chosen = pq.read_table(self.candidates)
        for path in self.better:
            chosen = chosen.filter(pa.array(~among(chosen, pq.read_table(path)["object_id"])))
        return chosen


def read_returning(
    workspace: Workspace,
    departures: Departures,
    files: Mapping[str, HashedFile],
    filter_table: HashedFile | None,
    carried: pa.Schema,
    run: Run,
    executor: Executor,
) -> Returned:
    """Read those files again of which rows come back, and write these rows aside.

    Of several rows of one id the one of the file that came last is taken, and of files that came at once that of the
    first, as when they came.

    Parameters
    ----------
    workspace : Workspace
    departures : Departures
        Of a catalogue whose files are known.
    files : mapping of str to HashedFile
        The files that stay, by their former names.
    filter_table : HashedFile, optional
    carried : pyarrow.Schema
        Of the columns that travel.
    run : Run
    executor : Executor
    """
    sources, candidates = dict(departures.sources or {}), departures.returning or {}
    best_first = sorted(candidates, key=lambda label: (-sources[label].arrived, label))
    tasks, labels = {}, {}
    for number, label in enumerate(best_first):
        name = f"back-{number:05d}.parquet"
        labels[name] = label
        better = tuple(candidates[one] for one in best_first[:number])
        known = str(_place_of(sources[label], workspace, run))
        one = Returning(name, files[label], candidates[label], better, known, table_of(run, name))
        tasks[name] = (one,)
    for room in ("accepted", "returned"):
        (run.path / room).mkdir(exist_ok=True)
    shared = (run, workspace.job.survey, workspace.job.catalogue, filter_table, carried)
    commits = committed(run, RETURNED, return_rows, tasks, executor, shared=shared)
    told = {name: one.facts for name, one in commits.whole_of(ReturnedRows, "input files").items()}
    made = {name: table for name, one in told.items() if (table := one.written) is not None}
    sources |= {labels[name]: with_table(sources[labels[name]], table) for name, table in made.items()}
    return Returned(
        [run.path / "accepted" / name for name in made],
        {labels[name]: run.path / "returned" / name for name in made},
        sources,
    )


def _place_of(source: Source, workspace: Workspace, run: Run) -> Path:
    """Return where the table of a file's rows is: a plan writes new ones into a folder of its own."""
    new = Path(run.place) / source.table
    return new if new.is_file() else workspace.folder / source.table


def return_rows(
    run: Run,
    survey: str,
    section: CatalogueSection,
    filter_table: HashedFile | None,
    carried: pa.Schema,
    returning: Returning,
) -> Made:
    """Read a file again and write those of its rows that come back; there may be none.

    Parameters
    ----------
    run : Run
    survey, section, filter_table, carried
        See `jpasbatch.stages.ingest.reading.normalise_table`.
    returning : Returning

    Raises
    ------
    InputError
        When the file changed meanwhile, or a row is not found in it again.
    """
    name, chosen = returning.name, returning.rows()
    wanted = chosen["row"].to_numpy()
    if not len(wanted):
        return Made(0, ReturnedRows())
    again = run.path / "again"
    normalise_table(survey, section, filter_table, carried, str(again), name, returning.file)
    found = _write_rows(again, name, wanted, run.path / "accepted" / name)
    if found != len(wanted):
        raise InputError(
            f"{returning.file.path}: {found} of {len(wanted)} rows that come back into the catalogue were found again; "
            "run `jpasbatch ingest`, which reads all files anew, and report this"
        )
    told = run.path / "returned" / name
    with written_aside(told) as aside:
        pq.write_table(chosen, aside)
    made = change_fates(Path(returning.known), run.place, returning.target, {IN_CATALOGUE: wanted})
    return Made(
        found,
        ReturnedRows(made.table, made.sha256),
        [run.path / "accepted" / name, told, Path(run.place) / returning.target],
    )


def _write_rows(again: Path, name: str, wanted: np.ndarray, target: Path) -> int:
    """Write those accepted rows of a file whose places in it are wanted, and return how many there are."""
    rejected = pq.read_table(again / "rejected" / name, columns=["row"])["row"].to_numpy()
    found = first = 0
    with (
        pq.ParquetFile(again / "accepted" / name) as accepted,
        written_aside(target) as aside,
        pq.ParquetWriter(aside, accepted.schema_arrow, use_dictionary=False) as writer,
    ):
        rows = rows_of_source(accepted.metadata.num_rows + len(rejected), rejected)
        for batch in accepted.iter_batches(batch_size=100_000):
            keep = np.isin(rows[first : first + len(batch)], wanted)
            writer.write_batch(batch.filter(pa.array(keep)))
            found, first = found + int(keep.sum()), first + len(batch)
    return found
