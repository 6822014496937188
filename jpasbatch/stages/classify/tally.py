"""What became of the rows of a table: counts only, whatever its size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jpasbatch.photometry.normalisation import Normalised
from jpasbatch.stages.classify.columns import REASON


@dataclass
class RowTally:
    """Counts of rows.

    Attributes
    ----------
    rows : int
    classes, subsets : Counter of str
        Rows that were classified, by the class that the committee decides for and by subset.
    reasons : Counter of str
        Rows that were not, by reason.
    values : Counter of str
        Single values (an object in a band) that were doubted or completed, by what was done.
    notes : set of str
        What was changed on the way, in words.
    """

    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    subsets: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    notes: set[str] = field(default_factory=set)

    def add(self, found: pa.Table, normalised: Normalised) -> None:
        """Count some rows."""
        self.rows += found.num_rows
        counted = ((self.classes, "predicted_class"), (self.subsets, "subset"), (self.reasons, REASON))
        for counter, name in counted:
            counter.update(
                {one["values"]: one["counts"] for one in found[name].drop_null().value_counts().to_pylist()}
            )
        self.values.update(normalised.values)
        self.notes.update(normalised.notes)

    @property
    def classified(self) -> int:
        """Number of rows that were classified."""
        return self.rows - sum(self.reasons.values())

    def describe(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Return the counts, JSON-able; classes in their order, also those that no row is of."""
        return {
            "rows": self.rows,
            "classified": self.classified,
            "refused": dict(sorted(self.reasons.items())),
            "classes": {name: self.classes[name] for name in classes},
            "subsets": dict(sorted(self.subsets.items())),
            "values": {name: number for name, number in sorted(self.values.items()) if number},
            "notes": sorted(self.notes),
        }
