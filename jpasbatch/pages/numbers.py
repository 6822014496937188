"""The numbers behind a figure, as a table that lies beside the page (CSV)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Numbers = Mapping[str, np.ndarray]
"""Columns of the same length. The name of a column of numbers ends with its unit in brackets: "purity (share)"."""

_UNIT = re.compile(r"\S.* \([^()]+\)")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def checked_numbers(numbers: Numbers) -> dict[str, np.ndarray]:
    """Return the columns as arrays.

    Raises
    ------
    ValueError
        When there is none, when their lengths differ, or when a column of numbers has no unit.
    """
    columns = {name: np.asarray(values) for name, values in numbers.items()}
    if not columns or len({len(one) for one in columns.values()}) != 1:
        raise ValueError(f"the numbers of a figure are columns of one length, not {list(columns)}")
    for name, one in columns.items():
        if one.dtype.kind in "iufb" and not _UNIT.fullmatch(name):
            raise ValueError(
                f"column {name!r} of a figure has no unit: write 'area (deg2)', 'purity (share)'"
            )
    return columns


def numbers_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Numbers:
    """Return rows as columns of these names; None, as JSON has it, becomes NaN beside numbers."""
    parts = list(zip(*rows, strict=True)) or [()] * len(columns)
    return {name: _column(values) for name, values in zip(columns, parts, strict=True)}


def _column(values: Sequence[Any]) -> np.ndarray:
    if not values or any(isinstance(one, str) for one in values):
        return np.array(values, dtype=str)
    return np.array([np.nan if one is None else one for one in values])


def csv_bytes(numbers: Numbers) -> bytes:
    """Return a table as CSV: the names of columns, then a row each; what is not known is empty.

    Numbers are written so that reading them gives the same ones. Texts may come from a catalogue: one that begins as a
    formula of a spreadsheet does gets an apostrophe before it.
    """
    columns = checked_numbers(numbers)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(_cells(one) for one in columns.values()), strict=True))
    return text.getvalue().encode()


def _cells(column: np.ndarray) -> list[str]:
    if column.dtype.kind == "f":
        return ["" if np.isnan(one) else str(one) for one in column]  # of float32: 0.1, and not 0.10000000149
    texts = [str(one) for one in column.tolist()]
    if column.dtype.kind in "iub":
        return texts
    return [f"'{one}" if one.startswith(_FORMULA) else one for one in texts]
