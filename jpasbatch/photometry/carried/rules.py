"""Which rows of a catalogue a job wants, by columns that travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from annotated_types import MinLen

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.carried.columns import CarriedColumn
from jpasbatch.photometry.carried.types import is_number


@dataclass(frozen=True)
class CarriedRule(Options):
    """What a row of the catalogue must meet, in a column that travels; other rows go to quarantine.

    Attributes
    ----------
    column : str
        By its name in the catalogue.
    reason : str
        What is said of a row that does not meet it.
    at_least, at_most : float, optional
        Limits of a number, inclusive.
    one_of : tuple of str
        Values of a text; give these or limits.
    unknown : {"keep", "reject"}
        What becomes of a row in which it is missing: nothing speaks against it, unless the job says so.
    """

    column: str
    reason: Annotated[str, MinLen(1)]
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] = ()
    unknown: Literal["keep", "reject"] = "keep"

    def check_relations(self) -> None:
        """Refuse a rule that asks for nothing, for two things, or for what no row can meet."""
        limits = [one for one in (self.at_least, self.at_most) if one is not None]
        if bool(limits) == bool(self.one_of):
            raise ValueError(f"rule on {self.column!r}: give at_least and at_most, or one_of")
        if len(limits) == 2 and limits[0] > limits[1]:
            raise ValueError(
                f"rule on {self.column!r}: at_least = {limits[0]} is above at_most = {limits[1]}"
            )

    def failed(self, rows: pa.Table) -> np.ndarray:
        """Return which rows do not meet it, bool (n,).

        Raises
        ------
        InputError
            If the column is of a type that the rule says nothing of.
        """
        column = rows[self.column]
        is_text = pa.types.is_string(column.type)
        if is_text != bool(self.one_of) or not (is_text or is_number(column.type)):
            wanted = "text" if self.one_of else "numbers"
            raise InputError(
                f"[[catalogue.rules]] column = {self.column!r} holds {column.type}, the rule needs {wanted}"
            )
        absent = column.is_null().to_numpy(zero_copy_only=False)
        if is_text:
            values = pc.SetLookupOptions(value_set=pa.array(self.one_of))
            wrong = ~pc.call_function("is_in", [column], values).to_numpy(zero_copy_only=False)
        else:
            numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            wrong = np.zeros(len(numbers), dtype=bool)
            if self.at_least is not None:
                wrong |= numbers < self.at_least
            if self.at_most is not None:
                wrong |= numbers > self.at_most
        return np.where(absent, self.unknown == "reject", wrong)


def check_rules(rules: Sequence[CarriedRule], carried: Sequence[CarriedColumn]) -> None:
    """Refuse rules on columns that do not travel, and two rules with one reason.

    Raises
    ------
    InputError
    """
    names = [one.published for one in carried]
    for number, rule in enumerate(rules):
        if rule.column not in names:
            raise InputError(
                f"[[catalogue.rules]] column = {rule.column!r}: no column of that name travels; "
                f"[catalogue] carry gives {', '.join(names) or 'none'}"
            )
        if rule.reason in [other.reason for other in rules[:number]]:
            raise InputError(
                f"[[catalogue.rules]] reason = {rule.reason!r} is given twice; rows are counted by it"
            )
