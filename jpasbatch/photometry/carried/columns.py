"""Which columns travel, and what they are called.

Gaia's proper motions, a morphological type, what other classifiers say: types, units and descriptions stay those of the
files. Nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Matches, Options
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema

RESERVED = ("_healpix_29", "norder", "dir", "npix")
"""Names that HATS gives to columns, in lower case."""

NAME = Matches(r"[A-Za-z][A-Za-z0-9_]{0,59}", "a letter, then letters, digits and _ (60 at most)")


@dataclass(frozen=True)
class CarriedColumn(Options):
    """A column that travels.

    Attributes
    ----------
    column : str
        Its name in the files.
    name : str
        Its name in the catalogue; that of the files without it.
    missing : float, optional
        The number that stands for "not known" in it. Not a number, a masked cell and a blank text are missing anyway.
    """

    column: Annotated[str, MinLen(1)]
    name: str = ""
    missing: float | None = None

    def check_relations(self) -> None:
        """Refuse a name that a column of a catalogue cannot have."""
        if not re.fullmatch(NAME.pattern, self.published):
            key = "name" if self.name else "column"
            raise ValueError(
                f"{key}: found {self.published!r}; the catalogue takes {NAME.words}"
                + ("" if self.name else ": give the column another with name = ...")
            )

    @property
    def published(self) -> str:
        """Its name in the catalogue."""
        return self.name or self.column


def check_carried(carried: Sequence[CarriedColumn], survey: Survey) -> None:
    """Refuse names that the catalogue has already, or twice.

    Names count as the same whatever their case: services and FITS know no case.

    Raises
    ------
    InputError
    """
    canonical = {name.casefold() for name in catalogue_schema(survey).names} | set(RESERVED)
    seen: set[str] = set()
    for number, one in enumerate(carried):
        if one.column in [other.column for other in carried[:number]]:
            raise InputError(f"[catalogue] carry: column {one.column!r} is named twice; it travels once")
        name = one.published.casefold()
        if name in canonical or name in seen:
            why = (
                "the catalogue has a column of that name"
                if name in canonical
                else "two columns would have it"
            )
            raise InputError(
                f"[catalogue] carry: column {one.column!r} cannot be called {one.published!r}, since {why}; give it "
                f'another, as in {{ column = "{one.column}", name = "other_{name}" }}'
            )
        seen.add(name)


def match_carried(available: Sequence[str], carried: Sequence[CarriedColumn], survey: Survey) -> list[str]:
    """Return the columns of a file that travel, in the order of the job, as the file spells them.

    Raises
    ------
    InputError
        If one is missing, or two could be meant.
    """
    catalogue = survey.catalogue
    matched = []
    for one in carried:
        found = [name for name in available if name == one.column] or [
            name for name in available if catalogue.key(name) == catalogue.key(one.column)
        ]
        if len(found) != 1:
            near = [name for name in available if name.casefold() == one.column.casefold()]
            shown = near or list(available)[:40]
            what = "is missing" if not found else "could be several of its columns"
            raise InputError(
                f"the column {one.column!r} of [catalogue] carry {what}; the table has {', '.join(shown)[:600]}"
                + (", ..." if len(available) > len(shown) else "")
            )
        matched.append(found[0])
    return matched
