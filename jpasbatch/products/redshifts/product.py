"""The product ``redshifts``: how many quasars there are at which redshift, and how good their redshifts are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.learning.redshifts import RedshiftRanges
from jpasbatch.pages.page import package_file
from jpasbatch.products.counts.tally import CountOptions
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.published import description, table_writers
from jpasbatch.products.record import (
    REDSHIFT,
    REDSHIFT_HIGH,
    REDSHIFT_LOW,
    REDSHIFT_PROBABILITIES,
    magnitude_column,
    probability_column,
    range_probabilities,
    record_probabilities,
)
from jpasbatch.products.redshifts.distribution import RedshiftSummary, observed_area, spread_over_ranges
from jpasbatch.products.redshifts.figures import (
    confusion_figure,
    confusion_numbers,
    distribution_figure,
    distribution_numbers,
)
from jpasbatch.products.redshifts.tally import RedshiftTally
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

STEM, QUALITY = "counts/redshifts", "counts/redshift_quality"
UNITS = {"per_deg2": "deg-2", "per_deg2_error": "deg-2"}
COUNTED = "counted"
MUCH = 0.1
"""Share of the expected quasars without a redshift above which a reader is warned."""
MEANING = (
    "number: sum of the probabilities to be a quasar within the range of redshift, of objects that have a redshift; "
    "error: counting error, the root of the sum of squares; left_out: the same sum over objects without a redshift; "
    "true: quasars by true redshift, NaN where a class or redshift is not known; group counted: the objects that "
    "[counts] counts"
)

Groups = Iterable[tuple[np.ndarray, np.ndarray]]
"""Rows of a partition, and the group of each of them, int64 (rows,) both."""


class RedshiftDistribution(Product[RedshiftTally, RedshiftSummary]):
    """The distribution of quasars in redshift by magnitude, and the errors of redshifts where the truth is known."""

    name = "redshifts"
    options: CountOptions

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> CountOptions:
        """Return what is counted."""
        return tables["counts"]

    @property
    def _ranges(self) -> RedshiftRanges | None:
        return self.setting.redshifts

    @property
    def _quasars(self) -> dict[str, tuple[float, float]]:
        """Limits of redshift of each class whose objects the ranges are of."""
        truth = () if self._ranges is None else self._ranges.truth
        kinds = self.setting.classes.items()
        return {name: kind.redshift or (0.0, np.inf) for name, kind in kinds if set(kind.truth) <= set(truth)}

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of objects, in plain letters."""
        band, limits = self.setting.survey.reference_band, self.setting.survey.magnitude_bins
        return (*(f"{low:g} < {band} <= {high:g}" for low, high in limits), "all", COUNTED)

    def check(self) -> None:
        """Refuse classes whose redshifts are in none of the ranges."""
        if self._ranges is None:
            return
        bottom, top = self._ranges.limits[0], self._ranges.limits[-1]
        for name, (low, high) in self._quasars.items():
            if high <= bottom or low >= top:
                raise InputError(
                    f"class {name!r} is at redshifts {low:g} to {high:g}, and the ranges of the committee that finds "
                    f"redshifts are at {bottom:g} to {top:g}; train one whose ranges hold the class"
                )

    def columns(self) -> Columns:
        """Return the columns that `add` reads; none where there are no redshifts."""
        if self._ranges is None:
            return Columns()
        names = [probability_column(name) for name in self._quasars]
        names += ["magnitude_bin", "class_star", magnitude_column(self.options.band_role)]
        names += [REDSHIFT, REDSHIFT_LOW, REDSHIFT_HIGH, REDSHIFT_PROBABILITIES]
        return Columns(tuple(names), ("true_redshift",), truth=True)

    def create(self) -> RedshiftTally:
        """Return the tally of no objects."""
        return RedshiftTally.create(len(self.groups), 0 if self._ranges is None else len(self._ranges))

    def add(self, tally: RedshiftTally, partition: Partition) -> RedshiftTally:
        """Return the tally with the observed part of a partition added."""
        if self._ranges is None:
            return tally
        new, partition = self.create(), partition.observed_part
        record, counts = partition.predictions, self.options
        number = record["magnitude_bin"].to_numpy().astype(np.int64)
        chosen = record[magnitude_column(counts.band_role)].to_numpy() < counts.brighter_than
        if counts.minimum_class_star is not None:
            chosen &= record["class_star"].to_numpy() > counts.minimum_class_star
        outside = len(self.setting.bins)
        group = np.where(number >= 0, number, outside)
        # the counted objects are counted once more, in a group of their own
        groups = (
            (np.arange(len(group)), group),
            (np.flatnonzero(chosen), np.full(int(chosen.sum()), outside + 1)),
        )
        found = np.isfinite(record[REDSHIFT].to_numpy())
        self._add_numbers(new, partition, self._ranges, found, groups)
        self._add_truth(new, partition, self._ranges, found, groups)
        return tally.merge(new)

    def _add_numbers(
        self,
        tally: RedshiftTally,
        partition: Partition,
        ranges: RedshiftRanges,
        found: np.ndarray,
        groups: Groups,
    ) -> None:
        """Count the probabilities of a partition."""
        record = partition.predictions
        probabilities = record_probabilities(record, self._quasars).astype(np.float64)
        density = range_probabilities(record.filter(pa.array(found)))
        limits = list(self._quasars.values())
        weights, lost = spread_over_ranges(probabilities[found], density, ranges, limits)
        left_out = probabilities.sum(axis=1)
        left_out[found] = lost
        place = np.cumsum(found) - 1  # of each object among those with a redshift
        for rows, group in groups:
            has = found[rows]
            tally.add_candidates(group[has], weights[place[rows[has]]])
            tally.add_left_out(group, left_out[rows])

    def _add_truth(
        self,
        tally: RedshiftTally,
        partition: Partition,
        ranges: RedshiftRanges,
        found: np.ndarray,
        groups: Groups,
    ) -> None:
        """Count what is true of a partition, and how far redshifts are off."""
        record, labels = partition.predictions, partition.labels
        true = partition.photometry["true_redshift"].to_numpy().astype(np.float64)
        kind = np.isin(labels, [self.setting.class_names.index(name) for name in self._quasars])
        quasars = kind & np.isfinite(true)
        unknown, at = (labels < 0) | (kind & ~quasars), ranges.position(true)
        point, low, high = (record[name].to_numpy() for name in (REDSHIFT, REDSHIFT_LOW, REDSHIFT_HIGH))
        for rows, group in groups:
            tally.add_truth(group, unknown[rows], at[rows], quasars[rows])
            both = quasars[rows] & found[rows]
            seen, of = rows[both], group[both]
            off = (point[seen] - true[seen]) / (1.0 + true[seen])
            inside = (low[seen] <= true[seen]) & (true[seen] <= high[seen])
            pairs = at[seen], ranges.position(point[seen].astype(np.float64))
            tally.add_residuals(of, off, inside, pairs)

    def from_record(self, record: dict[str, Any]) -> RedshiftTally:
        """Return the tally that `to_record` described."""
        return RedshiftTally.from_dict(record)

    def extract(self, tally: RedshiftTally, look_up: LookUp) -> RedshiftSummary:
        """Return numbers and quality."""
        return RedshiftSummary.of(tally, self._ranges)

    def warnings(self, found: RedshiftSummary, findings: Findings) -> Iterable[str]:
        """Warn where many of the quasars have no redshift."""
        number, left_out = float(found.number[-2].sum()), float(found.left_out[-2])
        if found.ranges is not None and left_out > MUCH * (number + left_out):
            yield (
                f"{left_out:,.0f} of {number + left_out:,.0f} expected quasars have no redshift: their objects are "
                "below [redshifts] minimum_probability, or lack what the committee of ranges needs. Numbers by "
                "redshift are too low; a smaller minimum leaves out less."
            )

    def figures(self, found: RedshiftSummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the distributions, and redshifts against true ones; nothing where no object has a redshift."""
        if found.ranges is None or not found.objects.any():
            return {}
        titles = (*self.setting.bins, "all objects", "as counted")
        numbers = distribution_numbers(found, found.ranges, titles, observed_area(findings))
        text = "Quasars per square degree and redshift"
        drawn = {"redshifts": PageFigure(distribution_figure(numbers, titles), text, numbers)}
        if found.confused.any():
            text = "Redshift against true redshift: the share of the quasars of each true redshift"
            numbers = confusion_numbers(found.confused, found.ranges)
            drawn["redshifts-true"] = PageFigure(confusion_figure(numbers, found.ranges), text, numbers)
        return drawn

    def section(
        self, found: RedshiftSummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the figures and a table; None where no object has a redshift."""
        if "redshifts" not in figures:
            return None
        body = render_body(
            package_file("products/redshifts/section.html.j2"),
            self.setting.class_names,
            figures=figures,
            rows=list(self._rows(found)),
            measured=any(one.quasars for one in found.quality),
            corrected=self.setting.corrected,
            area=observed_area(findings),
            files=[f"{stem}.{end}" for stem in (STEM, QUALITY) for end in ("ecsv", "parquet")],
        )
        return Section("redshifts", "Redshifts", "Redshifts", body)

    def _rows(self, found: RedshiftSummary) -> Iterator[dict[str, Any]]:
        """Yield what is told of each group."""
        for number, group in enumerate(self.groups):
            total = {"number": float(found.number[number].sum()), "left_out": float(found.left_out[number])}
            yield {
                "group": group,
                "candidates": int(found.objects[number]),
                **total,
                "true": float(found.true_number[number]),
                **asdict(found.quality[number]),
            }

    def summary(self, found: RedshiftSummary, findings: Findings) -> dict[str, Any]:
        """Return numbers and quality by group; nothing where there are no redshifts."""
        if found.ranges is None:
            return {}
        rows = ({key: value for key, value in row.items() if key != "group"} for row in self._rows(found))
        return {"redshifts": dict(zip(self.groups, rows, strict=True))}

    def files(
        self, found: RedshiftSummary, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return both tables as ECSV and Parquet; nothing where there are no redshifts."""
        if found.ranges is None:
            return {}
        described = description(findings, created) | {"meaning": MEANING, "counts": repr(self.options)}
        table = found.table(self.groups, observed_area(findings))
        quality = pa.Table.from_pylist(list(self._rows(found)))
        told = {"truth": findings.origin_of_truth}
        written = table_writers(STEM, table, UNITS, described)
        return written | table_writers(QUALITY, quality, {}, described | told)
