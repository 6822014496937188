"""The product ``literature``: this sky's counts of quasars beside published ones, where they are the same quantity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.learning.exact_sums import exact
from jpasbatch.pages.page import package_file
from jpasbatch.pages.style import class_label
from jpasbatch.products.counts.number_tally import NumberTally
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.literature.comparison import (
    Comparison,
    Interval,
    LiteratureSummary,
    NamedTable,
    all_intervals,
    compare_all,
    distinct_tables,
)
from jpasbatch.products.literature.figure import literature_figure, literature_numbers
from jpasbatch.products.literature.published import LiteratureOptions, load_published
from jpasbatch.products.posteriors import STRATUM
from jpasbatch.products.protocol import Columns, Findings, JobTable, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.published import description, table_writers
from jpasbatch.products.record import magnitude_column, probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

STEM = "counts/literature"
DEFAULT = tuple(
    LiteratureOptions(name=name) for name in ("palanque_delabrouille_2016", "desi_2023", "abramo_2012")
)
FEWEST_BINS = 3
"""Bins of magnitude from which on a table is drawn."""

DENSITIES = ("per_deg2", "error", "true_per_deg2", "published_per_deg2", "published_error")
UNITS = {"brightest": "mag", "faintest": "mag", **dict.fromkeys(DENSITIES, "deg-2")}


class Literature(Product[NumberTally, LiteratureSummary]):
    """Counts of this sky beside those of others."""

    name = "literature"
    tables = (JobTable("literature", tuple[LiteratureOptions, ...], DEFAULT, paths=("file",)),)
    options: tuple[NamedTable, ...]

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> tuple[NamedTable, ...]:
        """Return the published tables that the job names."""
        named = []
        for one in tables["literature"]:
            table = load_published(one)
            named.append(NamedTable(table, one.band_role or table.band_role, one.classes))
        return tuple(named)

    @classmethod
    def named_classes(cls, options: tuple[NamedTable, ...]) -> Iterable[tuple[str, Sequence[str]]]:
        """Yield the classes that are named for a table."""
        for number, one in enumerate(options):
            yield f"literature[{number}].classes", one.classes

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Limits of magnitude that are counted."""
        return all_intervals(self.options, self.setting.survey)

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = [probability_column(name) for name in self.setting.class_names]
        names += [magnitude_column(role) for role in dict.fromkeys(one.band_role for one in self.intervals)]
        names += [STRATUM] if self.setting.corrected else []
        return Columns(predictions=tuple(names), truth=True)

    def create(self) -> NumberTally:
        """Return the tally of no objects."""
        rows, classes = len(self.intervals), len(self.setting.classes)
        shapes = {"committee": (rows, classes), "true": (rows, classes), "objects": (rows,), "known": (rows,)}
        rest = {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}
        return NumberTally(np.zeros((rows, 0, classes, classes), dtype=np.int64), **rest)

    def add(self, tally: NumberTally, partition: Partition) -> NumberTally:
        """Return the tally with the observed part of a partition added."""
        partition = partition.observed_part
        record, labels = partition.predictions, partition.labels
        probabilities = record_probabilities(record, self.setting.class_names).astype(np.float64)
        stratum = np.zeros(len(labels), dtype=np.int64)
        if self.setting.corrected:
            stratum = record[STRATUM].to_numpy().astype(np.int64)
        strata, classes = int(stratum.max(initial=-1)) + 1, probabilities.shape[1]
        new = self.create()
        products = np.zeros((len(new.objects), strata, classes, classes), dtype=np.int64)
        for row, interval in enumerate(self.intervals):
            magnitude = record[magnitude_column(interval.band_role)].to_numpy()
            chosen = (magnitude >= interval.brightest) & (magnitude < interval.faintest)
            of_pair = probabilities[chosen][:, :, None] * probabilities[chosen][:, None, :]
            np.add.at(products[row], stratum[chosen], exact(of_pair))
            known = labels[chosen] >= 0
            np.add.at(new.true[row], labels[chosen][known], 1)
            new.objects[row], new.known[row] = chosen.sum(), known.sum()
        return tally.merge(NumberTally(products, new.committee, new.true, new.objects, new.known))

    def from_record(self, record: dict[str, Any]) -> NumberTally:
        """Return the tally that `to_record` described."""
        return NumberTally.from_dict(record)

    def extract(self, tally: NumberTally, look_up: LookUp) -> LiteratureSummary:
        """Return what can be compared."""
        setting = self.setting
        return compare_all(self.options, tally, setting.survey, setting.classes, setting.prior)

    def figures(self, found: LiteratureSummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return counts by magnitude in the first band that has a table with bins; nothing without one or an area."""
        area = _area(findings)
        bins = [one for one in found.comparisons if not one.total]
        drawn = [one for one in bins if sum(one.table == two.table for two in bins) >= FEWEST_BINS]
        if np.isnan(area) or not drawn:
            return {}
        role = drawn[0].interval.band_role
        band = self.setting.survey.reported_names[role]
        of_band = [one for one in drawn if one.interval.band_role == role]
        numbers = literature_numbers(of_band, area)
        figure = literature_figure(numbers, band, self.setting.class_names)
        text = f"Objects per square degree and magnitude of {band}, here and as published"
        return {"literature": PageFigure(figure, text, numbers)}

    def section(
        self, found: LiteratureSummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return a table of comparisons, the figure, and where the numbers are from; None with nothing to compare."""
        if not found.comparisons:
            return None
        area = _area(findings)
        binned = {one.table for one in found.comparisons if one.total}
        shown = [one for one in found.comparisons if one.total or one.table not in binned]
        body = render_body(
            package_file("products/literature/section.html.j2"),
            self.setting.class_names,
            figures=figures,
            rows=[_row(one, area, self.setting.survey.reported_names) for one in shown],
            tables=list(distinct_tables(found.comparisons)),
            left_out=found.left_out,
            corrected=self.setting.corrected,
            measured=not np.isnan(area),
            faintest=self.setting.survey.magnitude_bins[-1][1],
            files=[f"{STEM}.ecsv", f"{STEM}.parquet"],
        )
        return Section("literature", "Counts of others", "Counts of others", body)

    def summary(self, found: LiteratureSummary, findings: Findings) -> dict[str, Any]:
        """Return all comparisons, and why others were not made."""
        rows = list(self._rows(found, findings))
        return {"literature": {"comparisons": rows, "not_compared": list(found.left_out)}}

    def _rows(self, found: LiteratureSummary, findings: Findings) -> Iterator[dict[str, Any]]:
        area, bands = _area(findings), self.setting.survey.reported_names
        for one in found.comparisons:
            yield {
                key: value for key, value in _row(one, area, bands).items() if key not in ("title", "label")
            }

    def files(
        self, found: LiteratureSummary, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return the comparisons as ECSV and Parquet; nothing with nothing to compare."""
        if not found.comparisons:
            return {}
        table = pa.Table.from_pylist(list(self._rows(found, findings)))
        told = {f"reference_{one.name}": one.reference for one in distinct_tables(found.comparisons)}
        told |= {f"source_{one.name}": one.source.strip() for one in distinct_tables(found.comparisons)}
        if found.left_out:
            told["not_compared"] = " ".join(found.left_out)
        return table_writers(STEM, table, UNITS, description(findings, created) | told)


def _row(one: Comparison, area_deg2: float, bands: Mapping[str, str]) -> dict[str, Any]:
    """Return a comparison as plain values; densities per deg2."""
    ours, theirs = one.number / area_deg2, one.published.per_deg2
    return {
        "table": one.table.name,
        "title": one.table.title,
        "class": "+".join(one.group.classes),
        "band": bands[one.interval.band_role],
        "brightest": one.interval.brightest,
        "faintest": one.interval.faintest,
        "redshift_low": one.group.redshift[0],
        "redshift_high": one.group.redshift[1],
        "total": one.total,
        "per_deg2": ours,
        "error": one.error / area_deg2,
        "true_per_deg2": one.true / area_deg2,
        "published_per_deg2": theirs,
        "published_error": one.published.error,
        "at_least": one.table.at_least,
        "how": one.published.how,
        "ratio": ours / theirs if theirs > 0 else float("nan"),
        "label": " + ".join(class_label(name) for name in one.group.classes),
    }


def _area(findings: Findings) -> float:
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")
