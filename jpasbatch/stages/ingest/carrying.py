"""Columns that travel through ingest: one schema for all files, and rows beside those of the photometry."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.errors import InputError
from jpasbatch.job.sections import CatalogueSection
from jpasbatch.photometry.carried.rules import CarriedRule
from jpasbatch.photometry.carried.types import agree, fits_into
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.hashed import HashedFile, reading_as_hashed
from jpasbatch.storage.tables.carried import describe_carried

log = logging.getLogger(__name__)


def carried_schema(
    files: Sequence[HashedFile], workspace: Workspace, executor: Executor, there: pa.Schema | None
) -> tuple[pa.Schema, list[str]]:
    """Return the columns that travel as all files have them, and what was widened for it.

    Parameters
    ----------
    files : sequence of HashedFile
    workspace : Workspace
    executor : Executor
    there : Schema, optional
        Of the catalogue that takes the rows of the files; they must fit into it.

    Raises
    ------
    InputError
        If a column is missing in a file, or two files disagree on its type or unit.
    """
    section = workspace.job.catalogue
    if not section.carry:
        return pa.schema([]), []
    tasks = [
        Task(f"carried-{index}", (workspace.job.survey, section, file)) for index, file in enumerate(files)
    ]
    results, troubles = map_tasks("ingest: carried columns", describe_table, tasks, executor)
    require_all(troubles, "input files")
    found = dict(results.values())
    in_order = {str(file.path): found[str(file.path)] for file in files}
    if there is not None:
        wanted = pa.schema([there.field(one.published) for one in section.carry])
        fits_into(in_order, wanted)
        return wanted, []
    schema, notes = agree(in_order)
    for note in notes:
        log.info("ingest: %s", note)
    return schema, notes


def describe_table(survey: str, section: CatalogueSection, file: HashedFile) -> tuple[str, pa.Schema]:
    """Return the path of a file, and the schema of its columns that travel."""
    with reading_as_hashed(file) as path:
        found = describe_carried(path, load_survey(survey, section.aperture), section.carry)
    return str(path), found


def unwanted_rows(beside: pa.Table, rules: Sequence[CarriedRule]) -> dict[str, np.ndarray]:
    """Return the rows that do not meet the rules, bool (n,), by the reason that is given for them."""
    return {rule.reason: rule.failed(beside) for rule in rules}


def check_adopted(section: CatalogueSection, schema: pa.Schema, where: object) -> None:
    """Refuse to adopt a set of a mock that lacks a column that is to travel; rules are not applied to it either.

    Raises
    ------
    InputError
    """
    if section.rules:
        raise InputError("[[catalogue.rules]]: a set of a mock is the catalogue as it is; take the rules out")
    if section.overlaps is not None:
        raise InputError(
            "[catalogue.overlaps]: a set of a mock is the catalogue as it is; take the table out"
        )
    lacking = [one.published for one in section.carry if one.published not in schema.names]
    if lacking:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, lacking))} of [catalogue] carry; a set of a mock is taken as "
            f"it is, with its own names: {', '.join(schema.names)}"
        )
