"""A table of others, as job and comparison files describe it (``[[foreign]]``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Matches, Options
from jpasbatch.photometry.carried.columns import CarriedColumn

NAME = Matches(r"[a-z][a-z0-9_]{0,29}", "a lower-case letter, then a-z 0-9 _ (30 at most)")


@dataclass(frozen=True)
class ForeignTable(Options):
    """Classifications of others, by id or by position.

    Attributes
    ----------
    name : str
        Columns and catalogue are named after it.
    table : str
        A table or a folder of tables: FITS, VOTable, Parquet or CSV.
    id : tuple of str
        Columns that together are our id; joined as the survey joins its own.
    ra, dec : str
        Columns of the position, degrees (ICRS), where there is no id.
    radius_arcsec : float
        Greatest separation of a match by position; at most the margin of the catalogue.
    probabilities : dict of str to tuple of str
        By class of ours, the columns whose sum is its probability.
    label : str
        Column of their class.
    labels : dict of str to tuple of str
        By class of ours, the values of ``label`` that belong to it.
    reference : str
        Where the table comes from; kept in the provenance.
    """

    name: Annotated[str, NAME]
    table: Annotated[str, MinLen(1)]
    id: tuple[str, ...] = ()
    ra: str = ""
    dec: str = ""
    radius_arcsec: Annotated[float, Interval(gt=0, le=60)] = 1.0
    probabilities: dict[str, Annotated[tuple[str, ...], MinLen(1)]] = field(default_factory=dict)
    label: str = ""
    labels: dict[str, Annotated[tuple[str, ...], MinLen(1)]] = field(default_factory=dict)
    reference: str = ""

    def check_relations(self) -> None:
        """Refuse a table without a way to match it, with two, or without anything that it says."""
        if bool(self.ra) != bool(self.dec) or bool(self.id) == bool(self.ra):
            raise ValueError(f"foreign {self.name!r}: give id, or ra and dec, and not both")
        if bool(self.label) != bool(self.labels):
            raise ValueError(
                f"foreign {self.name!r}: label and labels belong together: a column, and its values"
            )
        if not (self.probabilities or self.label):
            raise ValueError(
                f"foreign {self.name!r}: give probabilities, or label and labels, or all of them"
            )
        values = [value for values in self.labels.values() for value in values]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"foreign {self.name!r}: labels: {twice[0]!r} belongs to two classes")

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse classes that the job does not have.

        Raises
        ------
        InputError
        """
        for key in ("probabilities", "labels"):
            unknown = [name for name in getattr(self, key) if name not in classes]
            if unknown:
                raise InputError(
                    f"foreign {self.name!r}: {key}.{unknown[0]} is no class of the job; allowed: {', '.join(classes)}"
                )

    @property
    def by_position(self) -> bool:
        """Whether objects are matched by their place in the sky."""
        return bool(self.ra)

    @property
    def extension(self) -> str:
        """Name of the catalogue beside the photometry that the table becomes."""
        return f"foreign_{self.name}"

    @property
    def class_column(self) -> str:
        """The column of ours that holds their class."""
        return f"{self.name}_class"

    @property
    def separation_column(self) -> str:
        """The column of ours that holds the separation of a match by position, arcsec."""
        return f"{self.name}_separation"

    def probability_column(self, class_name: str) -> str:
        """Return the column of ours that holds their probability of a class."""
        return f"{self.name}_probability_{class_name}"

    def whole(self, classes: Sequence[str]) -> bool:
        """Return whether it gives probabilities of all of our classes."""
        return all(name in self.probabilities for name in classes)

    def read_columns(self) -> tuple[CarriedColumn, ...]:
        """Return the columns that are read, once each, under names of their own."""
        return tuple(
            CarriedColumn(column, f"column_{n}") for n, column in enumerate(dict.fromkeys(self._named()))
        )

    def place_of(self, column: str) -> int:
        """Return where a column stands among those that are read."""
        return list(dict.fromkeys(self._named())).index(column)

    def _named(self) -> Iterator[str]:
        yield from self.id
        yield from filter(None, (self.ra, self.dec))
        for columns in self.probabilities.values():
            yield from columns
        yield from filter(None, (self.label,))


def check_foreign(tables: Sequence[ForeignTable], classes: Sequence[str]) -> None:
    """Refuse tables with one name, and classes that are not ours.

    Raises
    ------
    InputError
    """
    for number, one in enumerate(tables):
        if one.name in [other.name for other in tables[:number]]:
            raise InputError(f"foreign {one.name!r}: two tables have this name; columns are named after it")
        one.check_classes(classes)
