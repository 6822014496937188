"""The command ``jpasbatch classify``: which tables, into which files, and what the user is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.stages.classify.committee import RAW, NamedCommittee, name_committee
from jpasbatch.stages.classify.recognition import recognise_survey
from jpasbatch.stages.classify.stage import ClassifyOptions, classify_tables
from jpasbatch.stages.classify.tally import ClassifiedTables
from jpasbatch.storage.tables.tables import extension_of, list_tables, plain_ending

log = logging.getLogger(__name__)


def classify_command(
    tables: Sequence[Path],
    committee: str | None,
    survey: str | None,
    output: Path | None,
    options: ClassifyOptions,
    *,
    aperture: str = "",
    as_json: bool = False,
) -> int:
    """Classify tables, tell what was done, and return the exit code.

    Parameters
    ----------
    tables : sequence of Path
        Files, or folders of them.
    committee, survey : str, optional
        See `name_committee`; with neither, the survey is the one that describes the first table.
    output : Path, optional
        One file for all rows; without it each table gets one in the current folder (`own_output`).
    options : ClassifyOptions
    aperture : str
        In which the photometry is read; that of the survey if empty.
    as_json : bool
        Print one JSON object instead of lines.

    Raises
    ------
    InputError
        See `classify_tables`.
    """
    paths = [path for table in tables for path in list_tables(table)]
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise InputError(f"{twice[0]}: is named twice; its rows would be too")
    if committee is None and survey is None:
        recognised = recognise_survey(paths[0], options.filter_table)
        log.info("classify: the table is of survey %s", recognised.name)
        named = name_committee(None, recognised, aperture)
    else:
        named = name_committee(committee, survey, aperture)
    groups = [(paths, output)] if output is not None else [([path], own_output(path)) for path in paths]
    _check_distinct([target for _, target in groups])
    done = [classify_tables(group, target, named, options) for group, target in groups]
    if as_json:
        outputs = [one.to_record() for one in done]
        print(json.dumps({**named.facts(), "warnings": named.warnings(), "outputs": outputs}, indent=2))
    else:
        print("\n".join(_lines(done, named)))
    return 0


def own_output(path: Path) -> Path:
    """Return where a table goes without --output: ``NAME-classified``, of the same kind, in the current folder."""
    ending = extension_of(path)
    return Path(f"{path.name[: -len(ending)]}-classified{plain_ending(ending)}")


def _check_distinct(outputs: list[Path]) -> None:
    for number, output in enumerate(outputs):
        if output in outputs[:number]:
            raise InputError(
                f"{output}: two tables of the same name would be written there; classify them one by one, with --output"
            )


def _lines(done: Sequence[ClassifiedTables], named: NamedCommittee) -> list[str]:
    lines = []
    for one in done:
        lines += [f"{one.output}: {one.rows:,} rows, {one.classified:,} classified, {one.seconds:.1f} s"]
        lines += [f"  classes: {_counts(one.classes)}"]
        lines += [f"  subsets: {_counts(one.subsets)}"] if one.subsets else []
        lines += [f"  not classified: {_counts(one.refused)}"] if one.refused else []
        lines += [f"  values: {_counts(one.values)}"] if one.values else []
        lines += [f"  {note}" for note in one.notes]
    lines += [f"committee {named.name} (survey {named.survey.name}); probabilities are {RAW}"]
    return lines + [f"warning: {warning}" for warning in named.warnings()]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
