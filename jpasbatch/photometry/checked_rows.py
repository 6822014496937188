"""What was found of the rows of a table, and the tables that are made of it: accepted rows, and rejected ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jpasbatch.photometry.flux_conversion import FluxColumns
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import catalogue_schema, quarantine_schema

ACCEPTED = -1

Columns = dict[str, np.ndarray | pa.Array]


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """Rows of a table in canonical columns, each with a verdict.

    Attributes
    ----------
    raw : RawTable
    columns : dict of str to ndarray or Array
        All but fluxes and errors, (n,).
    fluxes : FluxColumns
    verdict : ndarray of int8, shape (n,)
        Why a row is rejected, as a place in ``reasons``, or `ACCEPTED`.
    reasons : tuple of str
    notes : tuple of str
        What was changed on the way, in words for a log.
    """

    raw: RawTable
    columns: Columns
    fluxes: FluxColumns
    verdict: np.ndarray
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    def identifiers(self) -> pa.Array:
        """Return the ids of the accepted rows."""
        return _filter(self.columns["object_id"], self.verdict == ACCEPTED, pa.string())

    def counts(self) -> Counter[str]:
        """Return how many rows are rejected, by reason."""
        numbers = np.bincount(self.verdict[self.verdict != ACCEPTED], minlength=len(self.reasons))
        return Counter({self.reasons[place]: int(numbers[place]) for place in np.flatnonzero(numbers)})

    def accepted(self, survey: Survey) -> pa.Table:
        """Return the accepted rows in the schema of the catalogue."""
        schema, keep = catalogue_schema(survey), self.verdict == ACCEPTED
        arrays = []
        for item in schema:
            if item.name in ("flux", "flux_err"):
                vectors = getattr(self.fluxes, item.name)
                values = pa.array((vectors if keep.all() else vectors[keep]).reshape(-1))
                arrays.append(pa.FixedSizeListArray.from_arrays(values, len(survey.bands)).cast(item.type))
            else:
                arrays.append(_filter(self.columns[item.name], keep, item.type))
        return pa.Table.from_arrays(arrays, schema=schema)

    def rejected(self) -> pa.Table:
        """Return the rejected rows in the schema of the quarantine."""
        rows, raw = self.verdict != ACCEPTED, self.raw
        schema = quarantine_schema()
        found = self.columns | {
            "reason": pa.array(self.reasons).take(pa.array(np.maximum(self.verdict, 0))),
            "source": pa.array([raw.source]).take(pa.array(np.zeros(len(raw), dtype=np.int64))),
            "row": raw.first_row + np.arange(len(raw), dtype=np.int64),
        }
        return pa.Table.from_arrays(
            [_filter(found[item.name], rows, item.type) for item in schema], schema=schema
        )


def _filter(column: np.ndarray | pa.Array, rows: np.ndarray, kind: pa.DataType) -> pa.Array:
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    return array.filter(pa.array(rows)).cast(kind)
