"""A few example objects of every class and magnitude bin, the same whatever the partitions were.

An object is kept when the hash of its identifier is among the smallest of its kind: a random choice that any
part of the survey can make for itself, and that merging cannot change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.pages.spectra import Spectrum
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.products.accumulation import require_equal, stable_hash
from jpasbatch.products.record import probability_column
from jpasbatch.products.sky import class_indices

UNDECIDED = "undecided"
"""The kind of objects in which no class has more than half of the probability."""


@dataclass(frozen=True)
class Example:
    """One object with its J-spectrum.

    Attributes
    ----------
    kind : str
        Predicted class, or `UNDECIDED`.
    magnitude_bin : int
    rank : int
        Hash of the identifier; the smallest are kept.
    object_id : str
    ra, dec : float
        Degrees.
    probabilities : tuple of float
        In the order of the classes.
    flux, flux_err : tuple of float
        Microjansky, in the order of the bands; NaN as in `Photometry`.
    true_class : str
        Empty when it is unknown.
    true_redshift : float
        NaN when it is unknown.
    """

    kind: str
    magnitude_bin: int
    rank: int
    object_id: str
    ra: float
    dec: float
    probabilities: tuple[float, ...]
    flux: tuple[float, ...]
    flux_err: tuple[float, ...]
    true_class: str = ""
    true_redshift: float = float("nan")

    @property
    def spectrum(self) -> Spectrum:
        """What a figure shows of the object."""
        shown = (self.probabilities, self.flux, self.flux_err, self.true_class, self.true_redshift)
        return Spectrum(self.kind, self.magnitude_bin, self.object_id, *shown)


@dataclass(frozen=True)
class ExampleTally:
    """At most ``per_kind`` examples for every kind and magnitude bin."""

    classes: tuple[str, ...]
    per_kind: int
    examples: tuple[Example, ...]

    @classmethod
    def create(cls, classes: tuple[str, ...], per_kind: int = 1) -> "ExampleTally":
        """Return an empty choice."""
        if per_kind < 1:
            raise ValueError(f"per_kind = {per_kind}: must be at least 1")
        return cls(tuple(classes), per_kind, ())

    def add(self, record: pa.Table, table: pa.Table, photometry: Photometry) -> "ExampleTally":
        """Return this choice among the objects of a partition too.

        Parameters
        ----------
        record : pyarrow.Table
            See `record_schema`; rows as in ``table`` and ``photometry``.
        table : pyarrow.Table
            Catalogue rows; ``true_class`` and ``true_redshift`` are shown if they are there.
        photometry : Photometry
        """
        bins = record["magnitude_bin"].to_numpy()
        kinds = class_indices(record, self.classes)
        best = np.max([record[probability_column(name)].to_numpy() for name in self.classes], axis=0)
        kinds[best <= 0.5] = len(self.classes)
        rank = stable_hash(record["object_id"].to_pylist(), "examples")
        chosen: list[int] = []
        for number in range(int(bins.max(initial=-1)) + 1):
            for kind in range(len(self.classes) + 1):
                rows = np.flatnonzero((bins == number) & (kinds == kind))
                chosen += rows[np.argsort(rank[rows], kind="stable")][: self.per_kind].tolist()
        names = (*self.classes, UNDECIDED)
        found = tuple(
            self._example(row, (names[kinds[row]], int(bins[row]), int(rank[row])), record, table, photometry)
            for row in chosen
        )
        return self.merge(ExampleTally(self.classes, self.per_kind, found))

    def _example(
        self, row: int, key: tuple[str, int, int], record: pa.Table, table: pa.Table, photometry: Photometry
    ) -> Example:
        truth = table["true_class"][row].as_py() if "true_class" in table.column_names else None
        redshift = table["true_redshift"][row].as_py() if "true_redshift" in table.column_names else None
        return Example(
            *key,
            object_id=record["object_id"][row].as_py(),
            ra=record["ra"][row].as_py(),
            dec=record["dec"][row].as_py(),
            probabilities=tuple(record[probability_column(name)][row].as_py() for name in self.classes),
            flux=tuple(photometry.flux[row].tolist()),
            flux_err=tuple(photometry.flux_err[row].tolist()),
            true_class=truth or "",
            true_redshift=float("nan") if redshift is None else redshift,
        )

    def merge(self, other: "ExampleTally") -> "ExampleTally":
        """Return the choice among both parts."""
        require_equal(self.classes, other.classes, "classes")
        require_equal(self.per_kind, other.per_kind, "numbers of examples")
        kept: dict[tuple[str, int], list[Example]] = {}
        for example in sorted(self.examples + other.examples, key=self._order):
            kind = kept.setdefault((example.kind, example.magnitude_bin), [])
            if len(kind) < self.per_kind:
                kind.append(example)
        return ExampleTally(self.classes, self.per_kind, tuple(one for kind in kept.values() for one in kind))

    def _order(self, example: Example) -> tuple[int, int, int, str]:
        kind = (*self.classes, UNDECIDED).index(example.kind)
        return kind, example.magnitude_bin, example.rank, example.object_id

    def extract(self) -> tuple[Example, ...]:
        """Return the examples by class, then magnitude bin, then hash."""
        return self.examples

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON-able values (NaN becomes null)."""
        examples = [
            {name: _without_nan(value) for name, value in vars(example).items()} for example in self.examples
        ]
        return {"classes": list(self.classes), "per_kind": self.per_kind, "examples": examples}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ExampleTally":
        """Return the choice that `to_dict` wrote."""
        examples = tuple(
            Example(**{name: _with_nan(value) for name, value in one.items()}) for one in values["examples"]
        )
        return cls(tuple(values["classes"]), values["per_kind"], examples)


def _without_nan(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_with_nan(one) for one in value)
    return float("nan") if value is None else value
