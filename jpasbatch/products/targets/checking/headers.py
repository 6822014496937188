"""Rules of the headers of a target catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from jpasbatch.products.targets.checking.fits_file import Unit, checksum_faults
from jpasbatch.products.targets.checking.violation import Violation, shortened
from jpasbatch.products.targets.options import OPEN_TIME, SURVEYS
from jpasbatch.products.targets.weave_template import WeaveTemplate

NEEDED = ("STL_NME1", "STL_MAIL", "CAT_NME1", "CAT_MAIL")
"""Cards that nobody can fill in but who submits."""

ADDRESSES = ("STL_MAIL", "CAT_MAIL")
TRIMESTER = r"[0-9]{4}[AB][12]"
STRUCTURE = {"BITPIX": 8, "NAXIS": 2, "PCOUNT": 0, "GCOUNT": 1}
FORBIDDEN = re.compile(r"(TSCAL|TZERO|TDIM|THEAP)\d*")
OF_COLUMN = re.compile(
    r"(TTYPE|TFORM|TDISP|TUNIT|TNULL|TLMIN|TLMAX|TUCD|TPROP|TCOMM|TSCAL|TZERO|TDIM)([0-9]+)"
)


def primary_faults(primary: Unit, template: WeaveTemplate) -> Iterator[Violation]:
    """Yield what is wrong in the primary header."""
    values = primary.values
    if primary.whole("NAXIS") != 0:
        text = f"NAXIS = {values.get('NAXIS')}"
        yield Violation(
            "primary-data", "primary", text, "0: the catalogue is in the first extension", "NAXIS"
        )
    for name in ("SIMPLE", "BITPIX", "EXTEND"):
        wanted, found = template.primary.get(name), values.get(name)
        if name in values and (found != wanted or type(found) is not type(wanted)):
            yield Violation(
                "primary-structure", "primary", shortened(found), f"{wanted}, as the template", name
            )
    yield from _cards(primary, list(template.primary), "primary")
    yield from _texts(primary, dict(template.primary.items()), "primary")
    version = template.primary.get("DATAMVER")
    if "DATAMVER" in values and str(values["DATAMVER"]) != str(version):
        yield Violation(
            "datamver", "primary", shortened(values["DATAMVER"]), f"{version!r}, as the template", "DATAMVER"
        )
    if "TRIMESTE" in values and not re.fullmatch(TRIMESTER, str(values["TRIMESTE"])):
        yield Violation(
            "trimester",
            "primary",
            shortened(values["TRIMESTE"]),
            "a year, A or B, 1 or 2, like 2027A1",
            "TRIMESTE",
        )
    if "DATETIME" in values and not _is_fits_time(str(values["DATETIME"])):
        allowed = "a time like 2027-01-31T12:00:00, in UTC and without an offset"
        yield Violation("datetime", "primary", shortened(values["DATETIME"]), allowed, "DATETIME")
    for name in NEEDED:
        if name in values and not str(values[name] or "").strip():
            yield Violation("blank-card", "primary", "blank", "a name or address", name)
    for name in ADDRESSES:
        text = str(values.get(name) or "").strip()
        if text and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
            yield Violation("address", "primary", shortened(text), "an address of electronic mail", name)
    copies = str(values.get("CAT_CC") or "").strip()
    if copies and "@" not in copies:
        yield Violation(
            "address", "primary", shortened(copies), "addresses, or nothing", "CAT_CC", (), "warning"
        )
    yield from checksum_faults(primary, "primary")


def table_faults(table: Unit, template: WeaveTemplate, survey: str | None) -> Iterator[Violation]:
    """Yield what is wrong in the header of the table, but for its columns.

    Parameters
    ----------
    table : Unit
    template : WeaveTemplate
    survey : str, optional
        The one value of TARGSRVY, where it has one.
    """
    values = table.values
    for name, wanted in STRUCTURE.items():
        if table.whole(name, -1) != wanted:
            yield Violation(
                "table-structure", "table", f"{name} = {shortened(values.get(name))}", str(wanted), name
            )
    if table.whole("NAXIS2") == 0:
        yield Violation("no-rows", "table", "0 rows", "one row or more", "NAXIS2")
    extension = str(values.get("EXTNAME", "")).strip()
    if survey is not None and extension != f"{survey} CATALOGUE":
        yield Violation("extname", "table", shortened(extension), f"'{survey} CATALOGUE'", "EXTNAME")
    elif survey is None and not extension.endswith(" CATALOGUE"):
        yield Violation("extname", "table", shortened(extension), "'<TARGSRVY> CATALOGUE'", "EXTNAME")
    for name in table.names:
        if FORBIDDEN.fullmatch(name):
            yield Violation(
                "scaled-column", "table", f"{name} = {values[name]}", "no scaled or array columns", name
            )
    own = [name for name in template.table if not _is_of_column(name)]
    yield from _cards(table, own, "table", columns=False)
    yield from _texts(table, dict(template.table.items()), "table")
    yield from checksum_faults(table, "table")


def file_name_faults(name: str, survey: str | None, trimester: str) -> Iterator[Violation]:
    """Yield what is wrong with the name of the file; nothing where survey or trimester is not known."""
    if survey is None:
        return
    open_time = re.fullmatch(OPEN_TIME, survey)
    wanted = f"{survey}.fits" if open_time else f"{survey}_{trimester}.fits"
    if (open_time or re.fullmatch(TRIMESTER, trimester)) and name != wanted:
        yield Violation("file-name", "file", shortened(name), f"'{wanted}'")
    if open_time and re.fullmatch(TRIMESTER, trimester) and survey[2:8] != trimester:
        text = f"TARGSRVY '{survey}' in trimester '{trimester}'"
        yield Violation("survey-trimester", "primary", text, "the same trimester in both", "TRIMESTE")


def known_survey(text: str) -> bool:
    """Return whether a text is in the vocabulary of TARGSRVY."""
    return text in SURVEYS or re.fullmatch(OPEN_TIME, text) is not None


def _cards(unit: Unit, wanted: list[str], where: str, columns: bool = True) -> Iterator[Violation]:
    """Yield cards that are missing, unknown, twice there, or in another order than in the template."""
    names = [name for name in unit.names if columns or not _is_of_column(name)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Violation("card-twice", where, "twice", "once", name)
        seen.add(name)
    wanted = [name for name in wanted if name not in ("", "COMMENT", "HISTORY")]
    for name in wanted:
        if name not in seen and name not in ("CHECKSUM", "DATASUM", "EXTNAME"):
            yield Violation("card-missing", where, "no such card", "the cards of the template", name)
    unknown = [name for name in dict.fromkeys(names) if name not in wanted]
    for name in unknown:
        if name not in ("CHECKSUM", "DATASUM", "EXTNAME") and not FORBIDDEN.fullmatch(name):
            yield Violation("card-unknown", where, "not in the template", "the cards of the template", name)
    common = [name for name in dict.fromkeys(names) if name in wanted]
    order = [name for name in wanted if name in seen]
    for found, expected in zip(common, order, strict=True):
        if found != expected:
            yield Violation(
                "card-order", where, f"{found} where the template has {expected}", "its order", found
            )
            return


def _texts(unit: Unit, wanted: Mapping[str, Any], where: str) -> Iterator[Violation]:
    """Yield cards that hold something else where the template has a text."""
    for name, value in unit.values.items():
        if isinstance(wanted.get(name), str) and not isinstance(value, str | None):
            yield Violation("card-type", where, shortened(value), "a text in quotes", name)


def _is_of_column(name: str) -> bool:
    return OF_COLUMN.fullmatch(name) is not None


def _is_fits_time(text: str) -> bool:
    if not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
