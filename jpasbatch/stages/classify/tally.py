"""What became of the rows of a table: counts only, whatever its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from jpasbatch.facts import Facts
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

    def told(
        self, tables: Sequence[Path], output: Path, classes: tuple[str, ...], seconds: float
    ) -> ClassifiedTables:
        """Return what is told of the rows of tables that became one; ``classes`` are all that the committee knows."""
        return ClassifiedTables(
            tables=tuple(map(str, tables)),
            output=str(output),
            rows=self.rows,
            classified=self.classified,
            refused=dict(sorted(self.reasons.items())),
            classes={name: self.classes[name] for name in classes},
            subsets=dict(sorted(self.subsets.items())),
            values={name: number for name, number in sorted(self.values.items()) if number},
            notes=tuple(sorted(self.notes)),
            seconds=round(seconds, 2),
            rows_per_second=round(self.rows / max(seconds, 1e-6)),
        )


@dataclass(frozen=True, kw_only=True)
class ClassifiedTables(Facts):
    """What was done with tables whose rows became those of one output.

    Attributes
    ----------
    tables : tuple of str
        Paths, in the order of the rows.
    output : str
    rows, classified : int
    refused : dict of str to int
        Rows that were not classified, by reason.
    classes : dict of str to int
        Rows by the class that the committee decides for; in the order of the classes, those of no row included.
    subsets : dict of str to int
    values : dict of str to int
        Single values (an object in a band) that were doubted or completed, by what was done.
    notes : tuple of str
        What was changed on the way, in words.
    seconds : float
        Wall clock.
    rows_per_second : int
    """

    tables: tuple[str, ...]
    output: str
    rows: int
    classified: int
    refused: dict[str, int]
    classes: dict[str, int]
    subsets: dict[str, int]
    values: dict[str, int]
    notes: tuple[str, ...]
    seconds: float
    rows_per_second: int
