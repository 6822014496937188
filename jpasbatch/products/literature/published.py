"""Published counts: one file a table, those of the package and those of a user."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from annotated_types import Interval, MinLen

from jpasbatch.options import Options, from_table
from jpasbatch.regular_files import read_text

Text = Annotated[str, MinLen(1)]

MOST_PER_DEG2 = 1e9
"""No survey sees so many objects; a thousand times those of the deepest."""


@dataclass(frozen=True)
class PublishedCount(Options):
    """Objects per square degree within limits of magnitude and redshift.

    Attributes
    ----------
    brightest, faintest : float
        AB mag; the first inclusive, the second exclusive.
    per_deg2 : float
    redshift : (float, float)
        Inclusive, exclusive; ``inf`` is allowed.
    error : float, optional
        Standard error, per deg2.
    """

    brightest: Annotated[float, Interval(ge=0, le=40)]
    faintest: Annotated[float, Interval(ge=0, le=40)]
    per_deg2: Annotated[float, Interval(ge=0, le=MOST_PER_DEG2)]
    redshift: tuple[float, float] = (0.0, math.inf)
    error: Annotated[float, Interval(ge=0, le=MOST_PER_DEG2)] | None = None

    def check_relations(self) -> None:
        """Refuse limits that hold nothing."""
        if not self.brightest < self.faintest:
            raise ValueError(
                f"brightest = {self.brightest:g}, faintest = {self.faintest:g}: the first must be less"
            )
        low, high = self.redshift
        if not 0 <= low < high:
            raise ValueError(
                f"redshift: found {self.redshift!r}; allowed is [low, high] with 0 <= low < high"
            )


@dataclass(frozen=True)
class PublishedTable(Options):
    """A table of published counts.

    Attributes
    ----------
    name : str
        In files.
    title : str
        As pages write it.
    reference : str
        Where the numbers are published.
    source : str
        Where they were taken from for this file, and what was not verified.
    truth : tuple of str
        Values of ``true_class`` that its objects would have.
    band_role : str
        Reported band of the magnitudes (``"r"``).
    counts : tuple of PublishedCount
    remark : str
        What a reader must know to compare.
    few_beyond_redshift : bool
        Whether objects beyond its first and last redshift are too few to matter.
    interpolate_redshift : bool
        Whether numbers between its limits of redshift may be interpolated.
    at_least : bool
        Whether its numbers are lower limits.
    """

    name: Annotated[str, MinLen(1)]
    title: Text
    reference: Text
    source: Text
    truth: Annotated[tuple[Text, ...], MinLen(1)]
    band_role: Text
    counts: Annotated[tuple[PublishedCount, ...], MinLen(1)]
    remark: str = ""
    few_beyond_redshift: bool = False
    interpolate_redshift: bool = False
    at_least: bool = False

    def check_relations(self) -> None:
        """Refuse two numbers of the same objects."""
        limits = [(one.brightest, one.faintest, one.redshift) for one in self.counts]
        twice = next((one for one in limits if limits.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"counts: found the limits {twice} twice; allowed is one number for each")

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Its limits of magnitude, the brightest first."""
        return tuple(sorted({(one.brightest, one.faintest) for one in self.counts}))

    def within(self, limits: tuple[float, float]) -> tuple[PublishedCount, ...]:
        """Return the numbers of some limits of magnitude, by redshift."""
        chosen = (one for one in self.counts if (one.brightest, one.faintest) == limits)
        return tuple(sorted(chosen, key=lambda one: one.redshift))


@dataclass(frozen=True)
class LiteratureOptions(Options):
    """A published table to compare with: ``[[literature]]``.

    Attributes
    ----------
    name : str
        Of a table of the package.
    file : str
        Path of a table file (TOML), in place of a name. Workers must see it, as they must a survey file.
    classes : tuple of str
        Classes of the job that are the objects of the table; without any, those whose ``truth`` is that of the table.
    band_role : str
        Reported band to compare in; without one, that of the table.
    """

    name: str = ""
    file: str = ""
    classes: tuple[str, ...] = ()
    band_role: str = ""

    def check_relations(self) -> None:
        """Refuse a name and a file together, or neither, and a table that is none."""
        if bool(self.name) == bool(self.file):
            raise ValueError(
                f"name = {self.name!r}, file = {self.file!r}: give one of them: the name of a table of the package "
                f"({', '.join(built_in_tables())}), or the path of a table file (*.toml)"
            )
        if self.name and self.name not in built_in_tables():
            raise ValueError(f"name: found {self.name!r}; allowed are {', '.join(built_in_tables())}")


def load_published(options: LiteratureOptions) -> PublishedTable:
    """Return the table that a job names.

    Raises
    ------
    ValueError
        When the file cannot be read or is not valid: the message names the key.
    """
    if options.name:
        text = (_folder() / f"{options.name}.toml").read_text(encoding="utf-8")
        return _parse(text, f"literature {options.name}")
    where = f"literature file {options.file}"
    try:
        text = read_text(Path(options.file))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{where}: cannot be read ({error})") from None
    return _parse(text, where)


def built_in_tables() -> tuple[str, ...]:
    """Return the names of the tables of the package."""
    return tuple(
        sorted(one.name.removesuffix(".toml") for one in _folder().iterdir() if one.name.endswith(".toml"))
    )


def _folder() -> Traversable:
    return resources.files("jpasbatch.products.literature") / "tables"


@lru_cache(maxsize=32)
def _parse(text: str, where: str) -> PublishedTable:
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not valid TOML: {error}") from None
    return from_table(PublishedTable, content, where)
