"""Which survey of the package a table is of, where nobody says: the one whose columns and bands it has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.photometry.normalisation import QualityCuts, normalise
from jpasbatch.photometry.survey import Survey, load_survey, survey_names
from jpasbatch.storage.tables.tables import iterate_raw

NO_CUTS = QualityCuts(maximum_rejected_fraction=1.0)


def recognise_survey(path: Path, filter_table: Path | None = None) -> Survey:
    """Return the survey of the package that describes a table; only its first row is looked at.

    Raises
    ------
    InputError
        When none does, with what each of them lacks; or several do.
    """
    found, troubles = [], []
    for name in survey_names():
        survey = load_survey(name)
        try:
            _read_first(path, survey, filter_table)
        except InputError as error:
            troubles.append(f"{name}: {str(error).removeprefix(f'{path}: ')}")
        else:
            found.append(survey)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{path}: has the columns of several surveys ({', '.join(survey.name for survey in found)}); name "
            "one of them (--survey)"
        )
    if len({trouble.partition(": ")[2] for trouble in troubles}) == 1:
        raise InputError(f"{path}: {troubles[0].partition(': ')[2]}")  # the file itself is wrong
    lines = "\n".join(f"  {trouble[:300]}" for trouble in troubles)
    raise InputError(
        f"{path}: has the columns of no survey that comes with the package; name its survey file (--survey FILE.toml; "
        f"docs/extending.md says how one is written), or repair the table:\n{lines}"
    )


def _read_first(path: Path, survey: Survey, filter_table: Path | None) -> None:
    with closing(iterate_raw(path, survey, 1, filter_table)) as tables:  # type: ignore[type-var]
        normalise(next(tables), survey, NO_CUTS, positions=False, unique=False)
