"""All rules on one file."""

from __future__ import annotations

from collections.abc import Iterator

from jpasbatch.products.targets.checking.columns import column_faults, read_rows
from jpasbatch.products.targets.checking.fits_file import Unit, read_units
from jpasbatch.products.targets.checking.headers import file_name_faults, primary_faults, table_faults
from jpasbatch.products.targets.checking.plausibility import plausibility_faults
from jpasbatch.products.targets.checking.positions import position_faults
from jpasbatch.products.targets.checking.values import Catalogue, value_faults
from jpasbatch.products.targets.checking.violation import Violation
from jpasbatch.products.targets.weave_template import WeaveTemplate, builtin_template

REHEARSAL = "_SIM"
"""End of the name of an extension that is allowed after the table."""


def check_catalogue(data: bytes, name: str, template: WeaveTemplate | None = None) -> list[Violation]:
    """Return all that is wrong with a WEAVE target catalogue.

    Nothing stops the check: what can be read is checked, whatever is wrong elsewhere.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Its name, without folders: WEAVE has a rule for it.
    template : WeaveTemplate, optional
        Of the survey; else `builtin_template`.

    Returns
    -------
    list of Violation
        In the order of the file; a list can be submitted when none is an error.
    """
    return list(_faults(data, name, template or builtin_template()))


def _faults(data: bytes, name: str, template: WeaveTemplate) -> Iterator[Violation]:
    units, problems = read_units(data)
    yield from problems
    if not units:
        return
    yield from primary_faults(units[0], template)
    trimester = str(units[0].values.get("TRIMESTE", ""))
    if len(units) < 2 or str(units[1].values.get("XTENSION", "")).strip() != "BINTABLE":
        found = "no extension" if len(units) < 2 else str(units[1].values.get("XTENSION"))
        yield Violation("no-table", "file", found, "a binary table as the first extension")
        return
    yield from _further(units)
    rows, problems = read_rows(units[1])
    catalogue = None if rows is None else Catalogue(rows)
    survey = catalogue.survey if catalogue else None
    yield from table_faults(units[1], template, survey)
    yield from column_faults(units[1], template)
    yield from problems
    yield from file_name_faults(name, survey, trimester)
    if catalogue is not None:
        yield from value_faults(catalogue, template, name)
        yield from position_faults(catalogue)
        yield from plausibility_faults(catalogue)
    comments = {f"MAG_{role}": units[0].values.get(f"MAG_{role}_CM") for role in "GRI"}
    for column, comment in comments.items():
        values = catalogue.numbers(column) if catalogue else None
        if values is not None and (values == values).any() and not str(comment or "").strip():
            allowed = f"where the magnitudes of {column} come from"
            yield Violation("magnitude-comment", "primary", "blank", allowed, f"{column}_CM", (), "warning")


def _further(units: list[Unit]) -> Iterator[Violation]:
    for unit in units[2:]:
        name = str(unit.values.get("EXTNAME", "")).strip()
        rehearsal = name.endswith(REHEARSAL)
        allowed = "one table" if not rehearsal else "one table; a second one is for rehearsals only"
        yield Violation(
            "further-unit", "file", repr(name), allowed, "", (), "warning" if rehearsal else "error"
        )
