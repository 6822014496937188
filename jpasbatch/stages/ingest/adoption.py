"""Ingest by adoption: a set that the mock stage made by partition becomes the job's catalogue as it is.

Its rows are canonical and divided already, so that nothing is read row by row, divided or written again: the
partitions get a second name in the collection, and the same bytes are verified once more.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema, photometry_from_table
from jpasbatch.stages.ingest.carrying import check_adopted
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.mock_facts import MockSets
from jpasbatch.stages.run.mock_parts import set_folder
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.collection import Catalogue, open_catalogue
from jpasbatch.storage.catalogue.primary import (
    PrimaryOptions,
    catalogue_identity,
    grown_from,
    publish_primary,
    published_partitions,
)
from jpasbatch.storage.stores.ledger import fingerprint

PHOTOMETRY = "photometry"


def adopt_set(workspace: Workspace, mock: StageRecord[MockSets]) -> StageRecord[IngestFacts]:
    """Publish a set of the job's mock as its catalogue, and return the record of the stage ``ingest``.

    Quality cuts are not applied, and no row goes to quarantine: the set is the catalogue.

    Parameters
    ----------
    workspace : Workspace
    mock : StageRecord of MockSets
        Of the job's mock.

    Raises
    ------
    InputError
        When there is no such set, it is not what the mock recorded, or a file of it is damaged.
    """
    section = workspace.job.catalogue
    name = section.sample or mock.facts.catalogue
    made = open_catalogue(set_folder(workspace, mock.content, name, "[catalogue] sample"))
    parts = adoption_parts(workspace, made)
    identity = fingerprint(**parts)
    same = unchanged(workspace, IngestFacts, identity, parts)
    if same and is_published(workspace, same.facts.catalogue):
        return same
    _check_set(made, mock.facts.sets[name].rows, workspace.survey)
    check_adopted(section, made.schema, made.path)
    options = PrimaryOptions(made.map_order, source_folder=made.path, expected_rows=made.rows)
    provenance = {"mock_set": name, "catalogue": catalogue_identity(made)}
    with stopwatch() as elapsed:
        records = published_partitions(made)
        adopted = publish_primary(workspace.sky, PHOTOMETRY, records, made.schema, provenance, options)
    facts = IngestFacts(
        catalogue=str(adopted.relative_to(workspace.folder)),
        files=len(made.pixels),
        rows_in=made.rows,
        rows_out=made.rows,
        partitions=len(made.pixels),
        cuts=asdict(section.cuts),
        notes=(f"adopted from the mock set {name} ({made.name}) as it was made: no cuts were applied",),
    )
    return finish(workspace, facts, identity, elapsed[0], parts, parts["algorithms"])


def adoption_parts(workspace: Workspace, made: Catalogue) -> dict[str, Any]:
    """Return what decides the catalogue that a set of the mock becomes, by name."""
    return {
        "catalogue": catalogue_identity(made),
        "survey": workspace.survey_text("ingest"),
        "algorithms": algorithm_numbers("ingest"),
    }


def is_published(workspace: Workspace, catalogue: str) -> bool:
    """Return whether the collection points at this catalogue (a path relative to the output folder)."""
    try:
        return open_catalogue(workspace.sky).path.resolve() == (workspace.folder / catalogue).resolve()
    except InputError:
        return False


def can_be_revised(workspace: Workspace, catalogue: str) -> bool:
    """Return whether a catalogue is published, or one that was made of it by a run that was stopped just then."""
    if is_published(workspace, catalogue):
        return True
    try:
        return grown_from(open_catalogue(workspace.sky)) == Path(catalogue).name
    except InputError:
        return False


def _check_set(made: Catalogue, rows: int, survey: Survey) -> None:
    """Refuse a set that is not the one that the mock recorded, or that is not of the job's survey."""
    if made.rows != rows:
        raise InputError(
            f"{made.path} holds {made.rows} rows, but the mock recorded {rows}: run `jpasbatch mock JOB.toml` again"
        )
    expected = catalogue_schema(survey)
    missing = [column for column in expected.names if column not in made.schema.names]
    if missing:
        raise InputError(
            f"{made.path} is no canonical photometry: it lacks {', '.join(missing)}; it has "
            f"{', '.join(made.schema.names)}. Make the mock again"
        )
    photometry_from_table(made.schema.empty_table(), survey)  # bands of another survey, or in another order
