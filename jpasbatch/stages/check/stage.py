"""Tables against the contract of a survey: every file is read to its end, and everything that is wrong is told."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jpasbatch.compute.threads import call_in_threads
from jpasbatch.errors import InputError
from jpasbatch.photometry.examination import Examined, examine
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.stages.check.identities import Identities
from jpasbatch.storage.tables.tables import iterate_raw, list_tables

MOST_THREADS = 4
MOST_PROBLEMS = 20
"""Of one file that are told."""


@dataclass
class FileReport:
    """What was found in a file: see `jpasbatch.photometry.examination.Examined`."""

    file: str
    rows: int = 0
    usable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, found: Examined) -> None:
        """Take what was found in some rows."""
        self.rows += found.rows
        self.usable += len(found.identifiers)
        self.reasons.update(found.reasons)
        self.values.update(found.values)
        for problem in found.problems:
            self.note_problem(problem)
        self.notes += [note for note in found.notes if note not in self.notes]

    def note_problem(self, problem: str) -> None:
        """Keep a problem, unless it was told of other rows already: then only numbers differ."""
        told = {re.sub(r"\d+", "", one) for one in self.problems}
        words = problem.removeprefix(f"{self.file}: ")
        if re.sub(r"\d+", "", words) not in told and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(words)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "file": self.file,
            "rows": self.rows,
            "usable": self.usable,
            "quarantined": dict(sorted(self.reasons.items())),
            "values": dict(sorted(self.values.items())),
            "problems": self.problems,
            "notes": self.notes,
        }


def check_tables(
    tables: Sequence[Path], survey: Survey, cuts: QualityCuts, filter_table: Path | None = None
) -> list[FileReport]:
    """Check tables as ingest would read them, importing nothing.

    Parameters
    ----------
    tables : sequence of Path
        Files, or folders of them.
    survey : Survey
    cuts : QualityCuts
    filter_table : Path, optional

    Returns
    -------
    list of FileReport
        In the order of the tables; one of a folder that cannot be listed has its problem.
    """
    paths, reports = _list(tables)
    with tempfile.TemporaryDirectory(prefix="jpasbatch-check-") as scratch:
        identities = Identities(Path(scratch))
        files = [
            _check_file(path, number, survey, cuts, filter_table, identities)
            for number, path in enumerate(paths)
        ]
        for number, count in identities.repeated().items():
            _tell_repeated(files[number], count, cuts)
    return reports + files


def _list(tables: Sequence[Path]) -> tuple[list[Path], list[FileReport]]:
    """Return the files of all tables, and reports of what cannot be listed."""
    paths: list[Path] = []
    reports: list[FileReport] = []
    for table in tables:
        report = FileReport(str(table))
        try:
            found = list_tables(table)
        except InputError as error:
            report.note_problem(str(error))
            reports.append(report)
            continue
        twice = [path for path in found if path in paths]
        if twice:
            report.note_problem(f"{twice[0]} is named twice; its rows would be too")
            reports.append(report)
        paths += [path for path in found if path not in paths]
    return paths, reports


def _check_file(
    path: Path,
    number: int,
    survey: Survey,
    cuts: QualityCuts,
    filter_table: Path | None,
    identities: Identities,
) -> FileReport:
    report = FileReport(str(path))

    def chunks() -> Iterator[RawTable]:
        try:
            yield from iterate_raw(path, survey, filter_table=filter_table)
        except InputError as error:
            report.note_problem(str(error))

    threads = min(MOST_THREADS, os.cpu_count() or 1)
    for found in call_in_threads(
        lambda raw: examine(raw, survey, cuts), chunks(), threads, lambda: None, 60.0
    ):
        report.take(found)
        identities.add(found.identifiers, number)
    return report


def _tell_repeated(report: FileReport, count: int, cuts: QualityCuts) -> None:
    if cuts.duplicates == "refuse":
        report.note_problem(
            f"{count} rows repeat an id that occurred before, in this file or another; remove them, or set "
            "duplicates = 'quarantine'"
        )
        return
    report.usable -= count
    report.reasons["duplicate id"] += count
