"""A few example objects of every class and magnitude bin, the same whatever the partitions were.

An object is kept when the hash of its identifier is among the smallest of its kind: a random choice that any
part of the survey can make for itself, and that merging cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.pages.spectra import Spectrum
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.products.accumulation import require_equal, stable_hash
from jpasbatch.products.record import HEALPIX_COLUMN, class_indices, probability_column

HASHES = 2**64
"""Number of hashes."""

UNDECIDED = "undecided"
"""The kind of objects in which no class has more than half of the probability."""


@dataclass(frozen=True)
class Example:
    """One object that was chosen.

    Attributes
    ----------
    kind : str
        Predicted class, or `UNDECIDED`.
    magnitude_bin : int
    rank : int
        The smallest are kept: a hash of the identifier, unless something else decides.
    object_id : str
    healpix_29 : int
        Nested HEALPix pixel of order 29, by which the object is found again.
    probabilities : tuple of float
        In the order of the classes.
    """

    kind: str
    magnitude_bin: int
    rank: int
    object_id: str
    healpix_29: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class ExampleSpectra:
    """The J-spectra of the examples, by class, then magnitude bin, then hash."""

    spectra: tuple[Spectrum, ...]

    @classmethod
    def of(cls, examples: Sequence[Example], table: pa.Table, photometry: Photometry) -> ExampleSpectra:
        """Return the J-spectra of some examples.

        Parameters
        ----------
        examples : sequence of Example
        table : pyarrow.Table
            ``true_class`` and ``true_redshift`` of the same objects in the same order.
        photometry : Photometry
            Of the same objects.
        """
        truth, redshift = table["true_class"].to_pylist(), table["true_redshift"].to_pylist()
        return cls(
            tuple(
                Spectrum(
                    kind=one.kind,
                    magnitude_bin=one.magnitude_bin,
                    title=one.object_id,
                    probabilities=one.probabilities,
                    flux=tuple(photometry.flux[row].tolist()),
                    flux_err=tuple(photometry.flux_err[row].tolist()),
                    true_class=truth[row] or "",
                    true_redshift=float("nan") if redshift[row] is None else redshift[row],
                )
                for row, one in enumerate(examples)
            )
        )


@dataclass(frozen=True)
class ExampleTally:
    """At most ``per_kind`` examples for every kind and magnitude bin."""

    classes: tuple[str, ...]
    per_kind: int
    examples: tuple[Example, ...]

    @classmethod
    def create(cls, classes: tuple[str, ...], per_kind: int = 1) -> ExampleTally:
        """Return an empty choice."""
        if per_kind < 1:
            raise ValueError(f"per_kind = {per_kind}: must be at least 1")
        return cls(tuple(classes), per_kind, ())

    def add(self, record: pa.Table) -> ExampleTally:
        """Return this choice among the objects of a partition (see `record_schema`) too."""
        kinds = class_indices(record, self.classes)
        best = np.max([record[probability_column(name)].to_numpy() for name in self.classes], axis=0)
        kinds[best <= 0.5] = len(self.classes)
        hashes = stable_hash(record["object_id"].to_pylist(), "examples")
        return self.among(record, kinds, record["magnitude_bin"].to_numpy(), hashes)

    def among(
        self,
        record: pa.Table,
        kinds: np.ndarray,
        bins: np.ndarray,
        hashes: np.ndarray,
        before: np.ndarray | None = None,
    ) -> ExampleTally:
        """Return this choice among some objects too: those of the smallest rank of each kind and bin.

        Parameters
        ----------
        record : pyarrow.Table
            Their records, n rows.
        kinds : ndarray of int, shape (n,)
            Position of the class, or behind the last one.
        bins : ndarray of int, shape (n,)
            Objects of negative ones are not chosen.
        hashes : ndarray of uint64, shape (n,)
        before : ndarray of int64, shape (n,), optional
            What decides first: the rank is ``before * HASHES + hash``; the hash alone without it.
        """
        first = np.zeros(len(hashes), dtype=np.int64) if before is None else before
        group = bins.astype(np.int64) * (len(self.classes) + 1) + kinds
        order = np.lexsort((hashes, first, group))
        order = order[bins[order] >= 0]
        new = np.ones(len(order), dtype=bool)
        new[1:] = group[order][1:] != group[order][:-1]
        place = np.arange(len(order)) - np.flatnonzero(new)[np.cumsum(new) - 1] if len(order) else order
        chosen = order[place < self.per_kind].tolist()
        names = (*self.classes, UNDECIDED)
        columns = [probability_column(name) for name in self.classes]
        chosen_rows = (
            record.select(["object_id", HEALPIX_COLUMN, *columns])
            .take(pa.array(chosen, pa.int64()))
            .to_pylist()
        )
        found = tuple(
            Example(
                kind=names[kinds[row]],
                magnitude_bin=int(bins[row]),
                rank=int(first[row]) * HASHES + int(hashes[row]),
                object_id=values["object_id"],
                healpix_29=values[HEALPIX_COLUMN],
                probabilities=tuple(values[name] for name in columns),
            )
            for row, values in zip(chosen, chosen_rows, strict=True)
        )
        return self.merge(ExampleTally(self.classes, self.per_kind, found))

    def merge(self, other: ExampleTally) -> ExampleTally:
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
        """Return the choice as JSON-able values."""
        examples = [
            vars(example) | {"probabilities": list(example.probabilities)} for example in self.examples
        ]
        return {"classes": list(self.classes), "per_kind": self.per_kind, "examples": examples}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ExampleTally:
        """Return the choice that `to_dict` wrote."""
        examples = (
            Example(**{**one, "probabilities": tuple(one["probabilities"])}) for one in values["examples"]
        )
        return cls(tuple(values["classes"]), values["per_kind"], tuple(examples))
