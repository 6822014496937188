"""Stage ``mock``: write the job's mock sky, or real spectra seen through the filters, as survey tables.

A mock that descends from a template pack is made by `jpasbatch.mocks.stages.sets`. The tables of the others have
the form in which their survey publishes catalogues, so that a mock enters by the same door as real
data. Each fingerprint has its own folder: tables of two mocks never lie side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.errors import InputError
from jpasbatch.mocks.options.broadband import BroadbandSky
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.options.spectra import ObservedSpectra
from jpasbatch.mocks.options.table import required_mock
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.mock_facts import MockSets, MockTables
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.stores.files import sha256_file
from jpasbatch.storage.stores.ledger import fingerprint

TableMock = MockSky | ObservedSpectra | BroadbandSky
"""Kinds of mock that are written as tables."""

SURVEY, TRAINING, VALIDATION = "survey", "training", "validation"


def run_mock(workspace: Workspace, executor: Executor) -> StageRecord[MockTables] | StageRecord[MockSets]:
    """Make the tables of the job's ``[mock]`` and return the stage's record.

    Raises
    ------
    InputError
        When the job has no ``[mock]``, or a table of it cannot be made.
    """
    options = required_mock(workspace.job)
    if isinstance(options, TemplateSky):
        from jpasbatch.mocks.stages.sets import run_sets

        return run_sets(workspace, options, executor)
    parts = ask_tables(workspace, options)
    identity = fingerprint(**parts)
    done = unchanged(workspace, MockTables, identity, parts)
    if done and all((workspace.folder / path).is_file() for path in done.facts.tables):
        return done
    folder = workspace.run_folder("mock", identity)
    with stopwatch() as elapsed:
        tasks = [
            Task(key, (options, workspace.job.survey, part, index, str(folder)))
            for key, (part, index) in table_keys(options).items()
        ]
        results, troubles = map_tasks("mock: tables", write_mock_table, tasks, executor)
        require_all(troubles, "mock tables")
    rows = {part: 0 for part, _ in _parts(options)}
    for table in results.values():
        rows[table.part] += table.rows
    tables = sorted(str(Path(table.path).relative_to(workspace.folder)) for table in results.values())
    facts = MockTables(
        kind=options.kind,
        rows=rows,
        tables=tuple(tables),
        folder=str(folder.relative_to(workspace.folder)),
    )
    return finish(workspace, facts, identity, elapsed[0], parts, parts["algorithms"])


def ask_tables(workspace: Workspace, options: TableMock) -> dict[str, Any]:
    """Return what decides the tables of a mock, by name."""
    return {
        "options": asdict(options),
        "inputs": _input_hashes(options),
        "survey": workspace.survey_text("mock"),
        "algorithms": algorithm_numbers("mock_tables"),
    }


def table_keys(options: TableMock) -> dict[str, tuple[str, int]]:
    """Return part and number of each table by the key of the task that writes it."""
    return {f"mock-{part}-{index}": (part, index) for part, index in _parts(options)}


def _parts(options: TableMock) -> list[tuple[str, int]]:
    """Return what is to be written; the long parts first, so that no worker ends up alone with them."""
    if isinstance(options, ObservedSpectra):
        return [(SURVEY, 0)]
    if isinstance(options, BroadbandSky):
        from jpasbatch.mocks.skies.broadband import table_count

        return [(name, table) for name in options.sets for table in range(table_count(options, name))]
    return [(TRAINING, 0), (VALIDATION, 0), *((SURVEY, tile) for tile in range(options.tiles))]


def _input_hashes(options: TableMock) -> dict[str, str]:
    folders = [options.filters] if not isinstance(options, BroadbandSky) and options.filters else []
    if isinstance(options, ObservedSpectra):
        folders.append(options.spectra)
    hashes = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(
                f"[mock]: no such folder: {folder}; download the public data and name its folder"
            )
        hashes.update(
            {
                f"{folder.name}/{path.name}": sha256_file(path)
                for path in sorted(folder.iterdir())
                if path.is_file()
            }
        )
    return hashes


class WrittenTable(NamedTuple):
    """A table that was written: of which part of the mock, its rows, and where it is."""

    part: str
    rows: int
    path: str


def write_mock_table(
    options: TableMock, survey_name: str, part: str, index: int, folder: str
) -> WrittenTable:
    """Make one table and write it whole: aside, fsynced, renamed."""
    from jpasbatch.storage.tables.tables import write_published

    survey = load_survey(survey_name)
    rows = cast(dict[str, np.ndarray], _make_rows(options, survey, part, index))
    target = Path(folder) / part
    target.mkdir(parents=True, exist_ok=True)
    origin = "observed spectra" if isinstance(options, ObservedSpectra) else f"mock, {options.kind}"
    path = write_published(target, f"{part}_{index:04d}", rows, survey, origin)
    return WrittenTable(part, len(rows["ra"]), str(path))


def _make_rows(options: TableMock, survey: Survey, part: str, index: int) -> Mapping[str, Any]:
    from jpasbatch.mocks.skies.broadband import make_table
    from jpasbatch.mocks.skies.builtin import mock_sample, mock_tile, observed_spectra_table

    if isinstance(options, BroadbandSky):
        return make_table(options, survey, part, index)
    if isinstance(options, ObservedSpectra):
        return observed_spectra_table(options, survey)
    if part == SURVEY:
        return mock_tile(options, survey, index)
    return mock_sample(options, survey, part)
