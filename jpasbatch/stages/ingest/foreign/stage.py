"""Stage ``foreign``: tables of others in, a catalogue beside the photometry out for each (``[[foreign]]``).

Each table is read once into canonical Parquet, matched by id or, by lsdb, by position, and what it says of the objects
of each partition is staged, committed and published as an extension of the collection: ``foreign_<name>``.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor, borrow_client
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.ingest.duplicates import find_duplicates
from jpasbatch.stages.ingest.foreign.partition import (
    MatchedPartition,
    Matching,
    match_partition,
    published_schema,
)
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed
from jpasbatch.stages.run.ingest_facts import ForeignFacts, MatchedTable
from jpasbatch.stages.run.partition_names import commit_names
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.site import Site, open_site
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, open_catalogue
from jpasbatch.storage.catalogue.crossmatch import OURS, SEPARATION, THEIRS, check_radius, match_positions
from jpasbatch.storage.catalogue.hats_import import import_tables
from jpasbatch.storage.catalogue.plan import PartitionOptions
from jpasbatch.storage.foreign.options import ForeignTable
from jpasbatch.storage.foreign.reading import UNNAMED, foreign_schema, iterate_foreign
from jpasbatch.storage.stores.files import written_aside
from jpasbatch.storage.stores.hashed import HashedFile, hash_file, reading_as_hashed
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.tables.tables import list_tables

log = logging.getLogger(__name__)

PARTITIONS = "foreign: partitions"
SHOWN = 3
SEARCH_ORDER = 6
"""HEALPix order of the finest partitions of a table that is matched by position."""


def run_foreign(workspace: Workspace, executor: Executor) -> StageRecord[ForeignFacts]:
    """Publish what each table of others says of the objects of the catalogue; return the stage's record.

    Raises
    ------
    InputError
        When a table cannot be used, repeats an id, or has no object in common with the catalogue. The tables before it
        are published then.
    """
    site = open_site(workspace)
    photometry = open_catalogue(site.folder)
    tables = workspace.job.foreign
    files = {one.name: hash_tables(one) for one in tables}
    parts = {one.name: foreign_parts(one, files[one.name], workspace, photometry.name) for one in tables}
    identities = {name: fingerprint(**asked) for name, asked in parts.items()}
    identity = fingerprint(tables=identities)
    same = unchanged(workspace, ForeignFacts, identity, parts)
    if same and all_published(site, tables, same.facts):
        return same
    found: dict[str, MatchedTable] = {}
    with stopwatch() as elapsed:
        for one in tables:
            try:
                found[one.name] = _publish(
                    site, photometry, one, files[one.name], identities[one.name], executor
                )
            except InputError as error:
                text = str(error)
                named = f"foreign {one.name!r}"
                raise InputError(text if text.startswith(named) else f"{named}: {text}") from None
    facts = ForeignFacts(
        tables=found,
        matched={name: one.matched for name, one in found.items()},
        unmatched={name: one.unmatched for name, one in found.items()},
    )
    return finish(workspace, facts, identity, elapsed[0], parts)


def all_published(site: Site, tables: Sequence[ForeignTable], facts: ForeignFacts) -> bool:
    """Return whether the collection points at what was published of every table, and it is whole."""
    return all(site.is_published(one.extension, facts.tables[one.name].extension) for one in tables)


def hash_tables(foreign: ForeignTable) -> list[HashedFile]:
    """Return the files of a table as they are now, with their hashes."""
    return [hash_file(path) for path in list_tables(Path(foreign.table))]


def foreign_parts(
    foreign: ForeignTable, files: Sequence[HashedFile], workspace: Workspace, photometry: str
) -> dict[str, Any]:
    """Return all that decides what a table says of the catalogue, by name; ``photometry`` is the version's name."""
    return {
        "inputs": [file.sha256 for file in files],
        "options": {key: value for key, value in asdict(foreign).items() if key != "table"},
        "classes": list(workspace.job.classes),
        "photometry": photometry,
        "separator": workspace.survey.catalogue.id_separator,
    }


def table_keys(files: Sequence[Any]) -> list[str]:
    """Return the name of what is written of each file of a table, which names its commit."""
    return [f"table-{number:05d}.parquet" for number in range(len(files))]


def _publish(
    site: Site,
    photometry: Catalogue,
    foreign: ForeignTable,
    files: Sequence[HashedFile],
    identity: str,
    executor: Executor,
) -> MatchedTable:
    """Read, match and publish one table; return what is recorded of it."""
    job, run = site.workspace.job, site.run("foreign", identity)
    classes = tuple(job.classes)
    if foreign.by_position:
        check_radius(site.folder, foreign.radius_arcsec)
    records = _read(run, foreign, files, job.survey, classes, executor)
    accepted = [run.path / record.name for record in records if record.accepted]
    rows = sum(record.accepted for record in records)
    if not rows:
        raise _none_usable(foreign, records)
    _check_labels(foreign, records, rows)
    said = foreign_schema(foreign, classes)
    matching = _matching(
        site, photometry, foreign, identity, said, _source(run, foreign, accepted, rows, executor)
    )
    tasks = {name: (*pixel, name) for pixel, name in commit_names(photometry).items()}
    commits = committed(run, PARTITIONS, match_partition, tasks, executor, shared=(matching,))
    partitions = [one.facts for one in commits.whole_of(MatchedPartition, "partitions").values()]
    matched = sum(record.rows for record in partitions)
    second = sum(record.second for record in partitions)
    if not matched:
        raise _no_overlap(foreign, rows, accepted, photometry)
    provenance = {
        "fingerprint": identity,
        "job": job.name,
        "table": foreign.name,
        "reference": foreign.reference,
    }
    extension = foreign.extension
    version = site.publish(extension, partitions, published_schema(said), provenance, photometry.rows)
    for scratch in ("theirs", "pairs"):
        shutil.rmtree(run.path / scratch, ignore_errors=True)
    for path in accepted:  # the catalogue holds these rows now
        path.unlink()
    return _told(foreign.name, site.place(version), records, (matched, second), photometry.rows)


def _told(
    name: str, extension: str, records: Sequence[ReadTable], found: tuple[int, int], objects: int
) -> MatchedTable:
    """Return what is recorded of a table, and log it; ``found``: rows that matched, and rows that came second."""
    matched, second = found
    rows = sum(record.accepted for record in records)
    refused = sum((Counter(record.refused) for record in records), Counter[str]())
    unnamed = sum((Counter(record.unnamed) for record in records), Counter[str]())
    unmatched = rows - matched - second
    share = matched / objects
    log.info(
        "foreign: %s: %d rows, %d matched (%.1f %% of the catalogue), %d without a counterpart, %d second at one",
        *(name, rows, matched, 100 * share, unmatched, second),
    )
    for reason, number in sorted((refused + Counter({UNNAMED: unnamed.total()})).items()):
        log.info("foreign: %s: %d rows: %s", name, number, reason)
    return MatchedTable(
        extension=extension,
        rows=rows + refused.total(),
        refused=dict(sorted(refused.items())),
        matched=matched,
        unmatched=unmatched,
        second=second,
        share_of_catalogue=share,
        unnamed=dict(unnamed.most_common(SHOWN)),
    )


def _read(
    run: Run,
    foreign: ForeignTable,
    files: Sequence[HashedFile],
    survey: str,
    classes: tuple[str, ...],
    executor: Executor,
) -> list[ReadTable]:
    """Read the files of a table on workers; return their records."""
    tasks = {name: (name, file) for name, file in zip(table_keys(files), files, strict=True)}
    shared = (foreign, survey, classes, str(run.path))
    commits = committed(run, "foreign: tables", read_table, tasks, executor, shared=shared)
    return [one.facts for one in commits.whole_of(ReadTable, "tables").values()]


@dataclass(frozen=True, kw_only=True)
class ReadTable(Facts):
    """What the commit of one file of a table tells.

    Attributes
    ----------
    name : str
        Of its usable rows, in the folder of the run.
    accepted : int
        Number of these.
    refused : dict of str to int
        Unusable rows by reason.
    named : int
        Rows with a class of ours.
    unnamed : dict of str to int
        Rows by a label that is no class of ours; the 50 commonest.
    """

    name: str
    accepted: int
    refused: dict[str, int]
    named: int
    unnamed: dict[str, int]


def read_table(
    foreign: ForeignTable, survey: str, classes: tuple[str, ...], folder: str, name: str, file: HashedFile
) -> Made:
    """Write the usable rows of one file of a table in our form; the commit holds a `ReadTable`."""
    refused: Counter[str] = Counter()
    unnamed: Counter[str] = Counter()
    rows = named = 0
    target, writer = Path(folder) / name, None
    with reading_as_hashed(file) as path, written_aside(target) as aside:
        for piece in iterate_foreign(path, foreign, load_survey(survey), classes):
            refused, unnamed = refused + piece.refused, unnamed + piece.unnamed
            rows += piece.rows.num_rows
            if foreign.label:
                named += len(piece.rows[foreign.class_column].drop_null())
            writer = writer or pq.ParquetWriter(aside, _not_null(piece.rows.schema))
            writer.write_table(piece.rows.cast(_not_null(piece.rows.schema)))
        if writer is None:
            pq.write_table(pa.table({"object_id": pa.array([], pa.string())}), aside)
        else:
            writer.close()
    facts = ReadTable(
        name=name,
        accepted=rows,
        refused=dict(refused),
        named=named,
        unnamed=dict(unnamed.most_common(50)),
    )
    return Made(rows, facts, [target])


def _not_null(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(field.name not in ("object_id", "ra", "dec")) for field in schema])


def _check_labels(foreign: ForeignTable, records: Sequence[ReadTable], rows: int) -> None:
    """Refuse labels of which none is named: then they are spelt otherwise."""
    unnamed = sum((Counter(record.unnamed) for record in records), Counter[str]())
    if foreign.label and rows and not sum(record.named for record in records):
        found = ", ".join(repr(label) for label, _ in unnamed.most_common(5)) or "nothing"
        raise InputError(f"none of the labels is in the column {foreign.label!r}, which holds {found}")


def _source(
    run: Run, foreign: ForeignTable, accepted: list[Path], rows: int, executor: Executor
) -> tuple[list[Path], Callable[[str], str]]:
    """Return the files that hold our ids with what others say, and what columns are called there."""
    if not foreign.by_position:
        _refuse_duplicates(foreign, accepted, run.path / "identifiers")
        return accepted, lambda name: name
    sky = Path(run.place) / "sky"
    options = PartitionOptions(highest_order=SEARCH_ORDER, margin_arcsec=0.0)
    with borrow_client(executor) as client:
        theirs = import_tables(client, accepted, run.path / "theirs", f"theirs-{foreign.name}", options, rows)
        pairs = match_positions(client, theirs, sky, foreign.radius_arcsec, run.path / "pairs")
    return pairs, lambda name: SEPARATION if name == foreign.separation_column else f"{name}{THEIRS}"


def _matching(
    site: Site,
    photometry: Catalogue,
    foreign: ForeignTable,
    identity: str,
    said: pa.Schema,
    source: tuple[list[Path], Callable[[str], str]],
) -> Matching:
    files, called = source
    position = foreign.by_position
    return Matching(
        store=str(site.store),
        catalogue=site.key(photometry.path.name),
        sky=site.sky,
        staging=site.staging_key(identity),
        files=tuple(str(path) for path in files),
        identifier=f"object_id{OURS}" if position else "object_id",
        order=(SEPARATION, f"object_id{THEIRS}") if position else (),
        columns={field.name: called(field.name) for field in said},
        schema=said,
        fingerprint=identity,
    )


def _refuse_duplicates(foreign: ForeignTable, accepted: list[Path], scratch: Path) -> None:
    duplicates = find_duplicates(accepted, scratch) if accepted else {}
    if duplicates:
        count = sum(map(len, duplicates.values()))
        shown = [identifier for rows in duplicates.values() for _, identifier in rows][:SHOWN]
        raise InputError(
            f"{count} rows of {foreign.table} repeat an id that another row has ({', '.join(shown)}"
            f"{', ...' if count > len(shown) else ''}): one row an object is allowed; remove the others"
        )


def _none_usable(foreign: ForeignTable, records: Sequence[ReadTable]) -> InputError:
    refused = sum((Counter(record.refused) for record in records), Counter[str]())
    if not refused:
        return InputError(f"{foreign.table} has no rows; nothing was published of it")
    why = ", ".join(f"{number:,} rows: {reason}" for reason, number in refused.most_common())
    return InputError(
        f"no row of {foreign.table} is usable ({why}); see which columns the job names. Nothing was published of it"
    )


def _no_overlap(foreign: ForeignTable, rows: int, accepted: list[Path], photometry: Catalogue) -> InputError:
    if foreign.by_position:
        how = f"lies within {foreign.radius_arcsec:g} arcsec of an object of the catalogue"
        return InputError(f"no row of {foreign.table} ({rows} usable) {how}; nothing was published of it")
    theirs = pq.read_table(accepted[0], columns=["object_id"])["object_id"][0]
    pixel = photometry.pixels[0]
    ours = pq.ParquetFile(photometry.partition_path(*pixel)).read_row_group(0, ["object_id"])["object_id"][0]
    return InputError(
        f"no id of {foreign.table} ({rows} usable rows) is in the catalogue; theirs are like "
        f"'{theirs}', ours like '{ours}'. Nothing was published of it"
    )
