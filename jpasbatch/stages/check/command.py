"""What ``jpasbatch check`` prints: a line a file, and below it what is wrong; or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.check.stage import FileReport, check_tables


def check_command(
    tables: Sequence[Path],
    survey_name: str,
    cuts: QualityCuts,
    *,
    aperture: str = "",
    filter_table: Path | None = None,
    as_json: bool = False,
) -> int:
    """Check tables, tell what was found, and return the exit code: 2 where ingest would refuse them.

    Parameters
    ----------
    tables : sequence of Path
    survey_name : str
        Name or file of the survey.
    cuts : QualityCuts
    aperture : str
        In which the photometry is read; that of the survey if empty.
    filter_table : Path, optional
    as_json : bool
        Print one JSON object instead of lines.

    Raises
    ------
    InputError
        When there is no such survey or aperture.
    """
    survey = load_survey(survey_name, aperture)
    reports = check_tables(tables, survey, cuts, filter_table)
    refused = sum(bool(report.problems) for report in reports)
    usable = sum(report.usable for report in reports)
    if as_json:
        content = {
            "survey": survey.name,
            "good": not refused and usable > 0,
            "files": [report.to_json() for report in reports],
        }
        print(json.dumps(content, indent=2))
    else:
        print("\n".join(_lines(reports)))
        rows = sum(report.rows for report in reports)
        print(
            f"{len(reports)} files of survey {survey.name}: {refused} would be refused; "
            f"{usable:,} of {rows:,} rows usable"
        )
    return InputError.exit_code if refused or not usable else 0


def _lines(reports: Sequence[FileReport]) -> list[str]:
    width = max(len(report.file) for report in reports)
    lines = [f"{'file':<{width}}  {'rows':>11}  {'usable':>11}  verdict"]
    for report in reports:
        verdict = "refused" if report.problems else "good" if report.usable else "no usable row"
        lines.append(f"{report.file:<{width}}  {report.rows:>11,}  {report.usable:>11,}  {verdict}")
        lines += [f"    refused: {problem}" for problem in report.problems]
        lines += [
            f"    quarantine: {number:,} rows: {reason}" for reason, number in sorted(report.reasons.items())
        ]
        lines += [f"    values: {number:,}: {what}" for what, number in sorted(report.values.items())]
        lines += [f"    {note.removeprefix(f'{report.file}: ')}" for note in report.notes]
    return lines
