"""A catalogue is revised: files came, changed or went, and only the partitions that hold their rows are made again.

What does not lie in partitions follows: the quarantine, rejected rows that are kept whole, what is known of each file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.stages.ingest.arrivals import ExpectedGrowth, expect_growth, grow_catalogue, index_rows
from jpasbatch.stages.ingest.carrying import carried_schema
from jpasbatch.stages.ingest.departures import Departures, find_departures, find_superseded
from jpasbatch.stages.ingest.inputs import InputChanges
from jpasbatch.stages.ingest.reading import CheckedTable, read_tables
from jpasbatch.stages.ingest.records import all_notes, refused_by, total_values
from jpasbatch.stages.ingest.refusals import NOTHING, Carrying
from jpasbatch.stages.ingest.request import Asked
from jpasbatch.stages.ingest.returning import Returned, read_returning
from jpasbatch.stages.ingest.sources import list_sources
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.ingest_facts import IngestFacts, Source, Touched
from jpasbatch.stages.run.partition_names import pixel_key
from jpasbatch.stages.run.quarantine import publish_quarantine
from jpasbatch.stages.run.records import StageRecord
from jpasbatch.stages.run.workspace import SOURCES, Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint


@dataclass(frozen=True)
class Revision:
    """What becomes of a catalogue whose input files changed; nothing of it is published yet.

    Attributes
    ----------
    records : list of CheckedTable
        Of the files that were read.
    departures : Departures
    returned : Returned
        Rows that come back, and what is known of the former files that stay.
    sources : mapping of str to Source, optional
        What is known of all files, by their names now; None where it is not known of the former ones.
    expected : ExpectedGrowth
    """

    records: list[CheckedTable]
    departures: Departures
    returned: Returned
    sources: dict[str, Source] | None
    expected: ExpectedGrowth


def revision_identity(before: StageRecord[IngestFacts], identity: str) -> str:
    """Return what names the run that revises a catalogue: what it comes from counts, and not only what it becomes.

    The same files may be reached on two ways, and where ids repeat, what came later counts.
    """
    return fingerprint(
        ingest=identity, **{key: before.content.get(key) for key in ("fingerprint", "catalogue", "sources")}
    )


def prepare_revision(
    workspace: Workspace,
    asked: Asked,
    changes: InputChanges,
    before: IngestFacts,
    run: Run,
    executor: Executor,
) -> Revision:
    """Read the files that came, and find which rows leave, come back, and which partitions they touch.

    Only the run's own folder is written to, and the tables of rows beside it (`jpasbatch.stages.ingest.sources`).

    Parameters
    ----------
    workspace : Workspace
    asked : Asked
    changes : InputChanges
    before : IngestFacts
        Record of the ingest that made the catalogue.
    run : Run
        See `revision_identity`.
    executor : Executor

    Raises
    ------
    InputError
        When a file is refused, or no row would be left.
    """
    catalogue = open_catalogue(workspace.folder / before.catalogue)
    (Path(run.place) / SOURCES).mkdir(parents=True, exist_ok=True)
    read = {label: asked.files[label] for label in changes.arrived}
    carried, _ = carried_schema(list(read.values()), workspace, executor, catalogue.schema)
    records = read_tables(list(read.values()), asked.filter_table, workspace, run, executor, carried)
    accepted = [run.path / "accepted" / record.name for record in records if record.accepted]
    arrivals = index_rows(workspace, accepted, run, executor)
    sources: dict[str, Source] | None = None
    if changes.sources is None:
        departures = find_superseded(run, catalogue, arrivals, executor)
        returned = Returned([], {}, {})
    else:
        arrived = 1 + max(source.arrived for source in changes.sources.values())
        files = {former: asked.files[label] for label, former in changes.kept.items()}
        former = dict(changes.sources)
        former |= {label: _renamed(former[label], str(file.path)) for label, file in files.items()}
        departures = find_departures(run, workspace.folder, former, changes.gone, arrivals, executor)
        returned = read_returning(workspace, departures, files, asked.filter_table, carried, run, executor)
        arrivals = (*arrivals, *index_rows(workspace, returned.accepted, run, executor))
        stay = {label: returned.sources[name] for label, name in changes.kept.items()}
        sources = dict(sorted((stay | list_sources(read, records, run, executor, arrived)).items()))
    options = workspace.job.catalogue.partitions
    expected = expect_growth(catalogue, arrivals, departures, run, asked.identity, options)
    if not expected.rows:
        gone = f" after {', '.join(changes.gone[:3])} went" if changes.gone else ""
        raise InputError(
            f"no row would be left in the catalogue{gone}: {len(asked.files)} input files remain, and none of their "
            "rows can be used; look at the input folder. Nothing was published"
        )
    return Revision(records, departures, returned, sources, expected)


def _renamed(source: Source, path: str) -> Source:
    notes = tuple(note.replace(source.path, path) for note in source.notes)
    return replace(source, path=path, notes=notes)


def publish_revision(
    workspace: Workspace,
    revision: Revision,
    changes: InputChanges,
    before: StageRecord[IngestFacts],
    run: Run,
    identity: str,
    executor: Executor,
) -> IngestFacts:
    """Publish a revised catalogue with its quarantine, and return what is recorded of it.

    Where no row arrives or leaves, as when a file has another name, the catalogue stays as it is.

    Raises
    ------
    InputError
        When a partition is damaged, or rows are lost or doubled. Nothing is published then.
    """
    expected = revision.expected
    rejected = [run.path / "rejected" / record.name for record in revision.records]
    earlier, carried = refused_by(workspace, before.fingerprint), run.path / "carried.parquet"
    carrying(revision, changes).rewrite(earlier, carried, "source", "row")
    # one table tells of every row that is not in the catalogue, whenever it came
    parts = [carried, *rejected, *revision.departures.superseded]
    quarantine = publish_quarantine(parts, refused_by(workspace, identity))
    if revision.sources is None:
        rows_in = before.facts.rows_in + sum(record.rows for record in revision.records)
    else:
        rows_in = sum(source.rows for source in revision.sources.values())
    if rows_in != expected.rows + sum(quarantine.values()):
        raise InputError(
            f"{rows_in} rows came in, but {expected.rows} would be in the catalogue and {sum(quarantine.values())} in "
            "quarantine; run `jpasbatch ingest`, which makes the whole catalogue anew, and report this. Nothing was "
            "published"
        )
    catalogue, made = expected.catalogue, ()
    if expected.changes:
        grown = grow_catalogue(workspace, expected, run, executor)
        catalogue, made = grown.catalogue, grown.made
    values, notes = _told(revision, changes, before.facts)
    return IngestFacts(
        catalogue=str(catalogue.path.relative_to(workspace.folder.resolve())),
        sources=revision.sources,
        rows_in=rows_in,
        rows_out=catalogue.rows,
        quarantined=sum(quarantine.values()),
        reasons=quarantine,
        values=values,
        notes=notes,
        partitions=len(catalogue.pixels),
        new_partitions=len(made),
        touched=Touched(
            made=tuple(sorted(map(pixel_key, made))), gone=tuple(sorted(map(pixel_key, expected.emptied)))
        ),
    )


def _told(
    revision: Revision, changes: InputChanges, before: IngestFacts
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return what is said of all files together: values that were doubted or completed, and notes."""
    if revision.sources is None or changes.sources is None:
        return (
            total_values([before.values or {}, *(record.values for record in revision.records)]),
            all_notes([before.notes, *(record.notes for record in revision.records)]),
        )
    of_files = {note for source in changes.sources.values() for note in source.notes}
    gone = [changes.sources[label].path for label in changes.gone]
    of_all = {note for note in set(before.notes) - of_files if not any(path in note for path in gone)}
    sources = revision.sources.values()
    return (
        total_values(source.values for source in sources),
        all_notes([of_all, *(source.notes for source in sources)]),
    )


def carrying(revision: Revision, changes: InputChanges) -> Carrying:
    """Return what becomes of the rows that were refused before."""
    sources = changes.sources
    if sources is None or revision.sources is None:
        return NOTHING
    paths = {sources[former].path: revision.sources[label].path for label, former in changes.kept.items()}
    return Carrying(
        frozenset(sources[label].path for label in changes.gone),
        {sources[label].path: path for label, path in revision.returned.rows.items()},
        {before: now for before, now in paths.items() if before != now},
    )
