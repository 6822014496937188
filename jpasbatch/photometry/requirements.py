"""Which rows of a published table an analysis wants: rules that a survey file declares and a job asks for by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.options import Options


@dataclass(frozen=True)
class Requirement(Options):
    """A rule over published columns.

    Parameters
    ----------
    name : str
        By which a job asks for it (``[catalogue.cuts] require``).
    reason : str
        What is said of a row that does not meet it.
    any_known : tuple of str
        Columns of which at least one must hold a number.
    unknown : float, optional
        Numbers at or below it stand for "not known" in those columns.
    not_above : tuple of str
        Two columns: the first must not exceed the second. A row that lacks either passes, since nothing speaks
        against it.
    """

    name: str
    reason: str
    any_known: tuple[str, ...] = ()
    unknown: float | None = None
    not_above: tuple[str, ...] = ()

    def check_relations(self) -> None:
        """Refuse a rule without a name, and one that asks for nothing or for two things."""
        if not (self.name and self.reason):
            raise ValueError("requirements: each needs a name and a reason")
        if bool(self.any_known) == bool(self.not_above):
            raise ValueError(f"requirement {self.name!r}: give any_known or not_above, and not both")
        if self.not_above and len(self.not_above) != 2:
            raise ValueError(
                f"not_above = {list(self.not_above)} of requirement {self.name!r}: must be two columns, "
                "of which the first must not exceed the second"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it looks at."""
        return self.any_known or self.not_above

    def failed(self, columns: dict[str, np.ndarray], rows: int) -> np.ndarray:
        """Return which rows do not meet it, bool (rows,).

        Parameters
        ----------
        columns : dict of str to ndarray, shape (rows,)
            Those that the file has, floats, NaN where empty.
        rows : int

        Raises
        ------
        InputError
            If the file lacks a column without which the rule says nothing.
        """
        lacking = [name for name in self.columns if name not in columns]
        if (self.not_above and lacking) or len(lacking) == len(self.columns):
            raise InputError(
                f"the requirement {self.name!r} needs {'both' if self.not_above else 'one'} of the columns "
                f"{', '.join(self.columns)}, but {', '.join(lacking)} is not in the file; take it out of "
                "[catalogue.cuts] require, or correct the survey file"
            )
        if self.not_above:
            first, second = (columns[name] for name in self.not_above)
            return first > second  # false where either is NaN
        known = np.zeros(rows, dtype=bool)
        for values in (columns[name] for name in self.any_known if name in columns):
            known |= np.isfinite(values) & (True if self.unknown is None else values > self.unknown)
        return ~known
