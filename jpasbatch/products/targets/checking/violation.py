"""One fault of a target catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Violation:
    """One fault: what rule, where, what was found and what is allowed.

    Attributes
    ----------
    rule : str
        Short name of the rule, as ``column-format``.
    where : str
        ``file``, ``primary`` or ``table``.
    found, allowed : str
    column : str
        Column or header card; empty where it is about neither.
    rows : tuple of int
        Rows from 1; empty where it is about no single rows.
    severity : {"error", "warning"}
        A list with an error cannot be submitted; a warning is odd, and may be meant.
    """

    rule: str
    where: str
    found: str
    allowed: str
    column: str = ""
    rows: tuple[int, ...] = ()
    severity: Severity = "error"

    def to_dict(self) -> dict[str, Any]:
        """Return the fault as JSON-able values."""
        return asdict(self) | {"rows": list(self.rows)}


def shortened(value: object, length: int = 60) -> str:
    """Return a value as one line of a message."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def row_ranges(rows: tuple[int, ...], most: int = 8) -> str:
    """Return rows as people write them: ``1-12, 15``; the rest of very many ranges is counted."""
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    words = [str(low) if low == high else f"{low}-{high}" for low, high in ranges[:most]]
    left = sum(high - low + 1 for low, high in ranges[most:])
    return ", ".join(words) + (f" and {left} more" if left else "")


def at_rows(
    rule: str,
    column: str,
    wrong: np.ndarray,
    values: np.ndarray | None,
    allowed: str,
    severity: Severity = "error",
) -> Iterator[Violation]:
    """Yield one fault of all rows where something is wrong; nothing where nothing is.

    Parameters
    ----------
    rule, column : str
    wrong : ndarray of bool, shape (n,)
    values : ndarray, shape (n,)
        What was found there.
    allowed : str
    severity : {"error", "warning"}
    """
    rows = np.flatnonzero(wrong)
    if len(rows):
        cells = [] if values is None else [values[row].item() for row in rows[:200]]
        seen = list(dict.fromkeys(shortened(cell, 40) for cell in cells))
        found = ", ".join(seen[:3]) + (", ..." if len(seen) > 3 else "")
        yield Violation(rule, "table", found, allowed, column, tuple((rows + 1).tolist()), severity)
