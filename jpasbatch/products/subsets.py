"""The product ``subsets``: how many objects of each class are like what was learnt, and how many are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.learning.novelty.novelty import SUBSETS, UNKNOWN, UNSAFE
from jpasbatch.pages.page import package_file
from jpasbatch.products.accumulation import decode_counts, encode_counts
from jpasbatch.products.protocol import Columns, Findings, Partition, Product
from jpasbatch.products.record import class_indices, probability_column, record_probabilities
from jpasbatch.products.sections import Number, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

MANY_UNSAFE = 0.03
"""Share of unsafe objects above which the page warns: three times that of ordinary objects."""

ORDINARY_SHARE = 0.01
"""Of ordinary objects, which are unsafe by the choice of the limit."""

BY_CHANCE = 1e-3
"""Chance of as many unsafe objects among ordinary ones, from which on a few objects are no reason to warn."""


@dataclass(frozen=True)
class SubsetCounts:
    """Objects by class, magnitude bin and subset (`SUBSETS`); the last bin holds those outside all bins.

    Attributes
    ----------
    predicted : ndarray of int64, shape (classes, bins + 1, subsets)
        Objects that are decided to be of the class.
    probability : ndarray of int64, shape (classes, bins + 1, subsets)
        Sums of probabilities, exact.
    """

    predicted: np.ndarray
    probability: np.ndarray

    def merge(self, other: SubsetCounts) -> SubsetCounts:
        """Return the counts of both parts."""
        return SubsetCounts(self.predicted + other.predicted, self.probability + other.probability)

    def extract(self) -> SubsetCounts:
        """Return the counts themselves."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-able values."""
        return {"predicted": encode_counts(self.predicted), "probability": encode_counts(self.probability)}

    @property
    def by_bin(self) -> np.ndarray:
        """Objects by magnitude bin and subset, int64 (bins + 1, subsets)."""
        return self.predicted.sum(axis=0)

    @property
    def by_class(self) -> np.ndarray:
        """Objects by predicted class and subset, int64 (classes, subsets)."""
        return self.predicted.sum(axis=1)

    @property
    def expected(self) -> np.ndarray:
        """Sums of probabilities by class and subset, float64 (classes, subsets)."""
        return inexact(self.probability.sum(axis=1))

    @property
    def unsafe_share(self) -> float:
        """Share of unsafe objects among those of which it is known; NaN where there is none."""
        unsafe, known = self._unsafe_of_known
        return unsafe / known if known else float("nan")

    @property
    def chance(self) -> float:
        """How often so many unsafe objects, or more, are found among as many ordinary ones."""
        from scipy.stats import binom

        unsafe, known = self._unsafe_of_known
        return float(binom.sf(unsafe - 1, known, ORDINARY_SHARE))

    @property
    def _unsafe_of_known(self) -> tuple[int, int]:
        """Numbers of unsafe objects, and of those of which it is known."""
        numbers = self.by_bin.sum(axis=0)
        return int(numbers[UNSAFE]), int(numbers.sum() - numbers[UNKNOWN])


class Subsets(Product[SubsetCounts, SubsetCounts]):
    """Numbers of objects by class and subset."""

    name = "subsets"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        probabilities = (probability_column(name) for name in self.setting.class_names)
        return Columns(predictions=("predicted_class", "magnitude_bin", "subset", *probabilities))

    def create(self) -> SubsetCounts:
        """Return the counts of no objects."""
        shape = len(self.setting.classes), len(self.setting.bins) + 1, len(SUBSETS)
        return SubsetCounts(np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64))

    def add(self, tally: SubsetCounts, partition: Partition) -> SubsetCounts:
        """Return the counts with a partition added."""
        records = partition.predictions
        subset = subset_numbers(records)
        place = records["magnitude_bin"].to_numpy().astype(np.int64)
        place[place < 0] = len(self.setting.bins)
        predicted, probability = np.zeros_like(tally.predicted), np.zeros_like(tally.probability)
        np.add.at(predicted, (class_indices(records, self.setting.class_names), place, subset), 1)
        units = exact(record_probabilities(records, self.setting.class_names))
        for number, column in enumerate(units.T):
            np.add.at(probability[number], (place, subset), column)
        return tally.merge(SubsetCounts(predicted, probability))

    def from_record(self, record: dict[str, Any]) -> SubsetCounts:
        """Return the counts that `to_record` described."""
        return SubsetCounts(decode_counts(record["predicted"]), decode_counts(record["probability"]))

    def numbers(self, found: SubsetCounts, findings: Findings) -> Iterator[Number]:
        """Yield the number of unsafe objects, where it is known."""
        if np.isfinite(found.unsafe_share):
            note = f"{100 * found.unsafe_share:.1f} % of all; 1 % of ordinary objects"
            yield Number("unlike what was learnt", f"{found.by_bin[:, UNSAFE].sum():,}", note)

    def warnings(self, found: SubsetCounts, findings: Findings) -> Iterator[str]:
        """Yield that nothing is known of unusual objects, or that there are many."""
        if found.predicted.sum() and not np.isfinite(found.unsafe_share):
            yield (
                "Of no object is it known whether it is like what was learnt, so that none is called safe, and none is "
                "left out for being unusual: the committee does not know what is ordinary (train it again to know), or "
                "all objects have too few bands."
            )
        elif found.unsafe_share > MANY_UNSAFE and found.chance < BY_CHANCE:
            yield (
                f"{100 * found.unsafe_share:.1f} % of the objects are unlike what was learnt, against 1 % of ordinary "
                "ones: look at their magnitudes, tiles and bands. A zero point may be off, or errors too small, or "
                "the training sample may lack what is in this sky."
            )

    def section(
        self, found: SubsetCounts, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return tables by class and by magnitude."""
        names = self.setting.class_names
        body = render_body(
            package_file("products/subsets.html.j2"),
            names,
            subsets=SUBSETS,
            rows=list(zip(names, found.by_class.tolist(), found.expected.tolist(), strict=True)),
            bins=list(zip((*self.setting.bins, "outside these"), found.by_bin.tolist(), strict=True)),
        )
        return Section("subsets", "Unusual objects", "Unusual objects", body)

    def summary(self, found: SubsetCounts, findings: Findings) -> dict[str, Any]:
        """Return the numbers by class and subset, and the sums of probabilities."""
        by_class = {
            name: {
                subset: {"number": number, "summed_probability": expected}
                for subset, number, expected in zip(SUBSETS, numbers, sums, strict=True)
            }
            for name, numbers, sums in zip(
                self.setting.class_names, found.by_class.tolist(), found.expected.tolist(), strict=True
            )
        }
        return {"subsets": {"unsafe_share": found.unsafe_share, "by_class": by_class}}


def subset_numbers(records: pa.Table) -> np.ndarray:
    """Return the position in `SUBSETS` of each record's ``subset``, int64 (n,).

    Raises
    ------
    ValueError
        When a record holds a subset that there is not.
    """
    options = pc.SetLookupOptions(value_set=pa.array(list(SUBSETS)))
    index = pc.call_function("index_in", [records["subset"]], options)
    if index.null_count:
        raise ValueError(f"records hold a subset that is not among {', '.join(SUBSETS)}")
    return index.to_numpy().astype(np.int64)
