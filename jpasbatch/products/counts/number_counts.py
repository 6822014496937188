"""The product ``number_counts``: objects of each class by magnitude and by place, as tables for other programs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.pages.page import package_file
from jpasbatch.priors.prior import Prior
from jpasbatch.products.counts.errors import calibration_variance, counting_variance
from jpasbatch.products.counts.number_figure import number_counts_figure
from jpasbatch.products.counts.number_tally import NumberCountOptions, NumberCountSummary, NumberTally
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.posteriors import STRATUM, committee_column
from jpasbatch.products.protocol import Columns, Findings, JobTable, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.record import magnitude_column, probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup


class NumberCounts(Product[NumberTally, NumberCountSummary]):
    """Number counts, differential and cumulative, of every class; and the density of quasars by pixel."""

    name = "number_counts"
    tables = (JobTable("number_counts", NumberCountOptions, NumberCountOptions()),)

    @property
    def _role(self) -> str:
        roles = self.setting.survey.reported_bands
        of_reference = (role for role, band in roles.items() if band == self.setting.survey.reference_band)
        return self.options.band_role or next(of_reference, next(iter(roles), ""))

    @classmethod
    def named_roles(cls, options: NumberCountOptions) -> Iterable[tuple[str, str]]:
        """Yield the band of the magnitudes, if it is named."""
        if options.band_role:
            yield "number_counts.band_role", options.band_role

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = [probability_column(name) for name in self.setting.class_names]
        names += [magnitude_column(self._role)] if self._role else []
        if self.setting.corrected:
            names += [STRATUM, *(committee_column(name) for name in self.setting.class_names)]
        return Columns(predictions=tuple(names), truth=True)

    def create(self) -> NumberTally:
        """Return the tally of no objects."""
        bins, classes = len(self.options.edges) - 1, len(self.setting.classes)
        shapes = {"committee": (bins, classes), "true": (bins, classes), "objects": (bins,), "known": (bins,)}
        rest = {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}
        return NumberTally(np.zeros((bins, 0, classes, classes), dtype=np.int64), **rest)

    def add(self, tally: NumberTally, partition: Partition) -> NumberTally:
        """Return the tally with a partition added."""
        if not self._role:
            return tally
        record, edges = partition.predictions, self.options.edges
        names, bins, classes = self.setting.class_names, len(edges) - 1, len(self.setting.classes)
        number = (
            np.digitize(record[magnitude_column(self._role)].to_numpy(), edges) - 1
        )  # NaN: beyond the last
        inside = (number >= 0) & (number < bins)
        number, labels = number[inside], partition.labels[inside]
        probabilities = record_probabilities(record, names)[inside].astype(np.float64)
        own = probabilities
        stratum = np.zeros(len(number), dtype=np.int64)
        if self.setting.corrected:
            own = np.column_stack([record[committee_column(name)].to_numpy() for name in names])[inside]
            stratum = record[STRATUM].to_numpy()[inside].astype(np.int64)
        strata = int(stratum.max(initial=-1)) + 1
        products = np.zeros((bins, strata, classes, classes), dtype=np.int64)
        np.add.at(products, (number, stratum), exact(probabilities[:, :, None] * probabilities[:, None, :]))
        committee, true = (np.zeros((bins, classes), dtype=np.int64) for _ in range(2))
        np.add.at(committee, number, exact(own))
        known = labels >= 0
        np.add.at(true, (number[known], labels[known]), 1)
        objects = np.bincount(number, minlength=bins)
        return tally.merge(
            NumberTally(products, committee, true, objects, np.bincount(number[known], minlength=bins))
        )

    def from_record(self, record: dict[str, Any]) -> NumberTally:
        """Return the tally that `to_record` described."""
        return NumberTally.from_dict(record)

    def extract(self, tally: NumberTally, look_up: LookUp) -> NumberCountSummary:
        """Return the numbers with their errors."""
        products, prior = inexact(tally.products), self.setting.prior
        unknown = (tally.known < tally.objects)[:, None]
        summed = products.cumsum(axis=0)
        return NumberCountSummary(
            self.options.edges,
            self._role,
            products.sum(axis=(1, 3)),
            summed.sum(axis=(1, 3)),
            _errors(products, prior),
            _errors(summed, prior),
            inexact(tally.committee),
            np.where(unknown, np.nan, tally.true),
        )

    def figures(self, found: NumberCountSummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the number counts of each class; nothing where nothing was counted."""
        area = _area(findings)
        if np.isnan(area) or not found.number.any():
            return {}
        band = self.setting.survey.reported_bands[found.band_role]
        figure = number_counts_figure(found, area, band, self.setting.class_names)
        text = "Objects per square degree and magnitude, by class; the table number_counts holds the numbers"
        return {"number_counts": PageFigure(figure, text)}

    def section(
        self, found: NumberCountSummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the figure and where the tables are; None where nothing was counted."""
        if "number_counts" not in figures:
            return None
        body = render_body(
            package_file("products/counts/number_counts.html.j2"),
            self.setting.class_names,
            figures=figures,
            files=FILES,
            corrected=self.setting.corrected,
            known=bool(np.isfinite(found.true).all()),  # `true` is a word of jinja's own
        )
        return Section("number-counts", "Number counts", "Number counts", body)

    def files(
        self, found: NumberCountSummary, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return the table of the number counts as ECSV and Parquet."""
        names, described = self.setting.class_names, {"created": created, "survey": self.setting.survey.name}

        def write_ecsv(file: BinaryIO) -> None:
            file.write(ecsv_bytes(count_table(found, names), described | {"band": found.band_role}))

        def write_parquet(file: BinaryIO) -> None:
            pq.write_table(count_table(found, names), file)

        return dict(zip(FILES, (write_ecsv, write_parquet), strict=True))


FILES = ("counts/number_counts.ecsv", "counts/number_counts.parquet")

UNITS = {"brightest": "mag", "faintest": "mag"}


def count_table(found: NumberCountSummary, classes: Sequence[str]) -> pa.Table:
    """Return number counts as a table: one row a class and magnitude bin, classes in their order."""
    bins, columns = len(found.edges) - 1, {}
    columns["class"] = [name for name in classes for _ in range(bins)]
    for name, values in (("brightest", found.edges[:-1]), ("faintest", found.edges[1:])):
        columns[name] = np.tile(values, len(classes))
    for name in ("number", "error", "cumulative", "cumulative_error", "committee", "true"):
        columns[name] = getattr(found, name).T.ravel()
    return pa.table(columns)


def ecsv_bytes(table: pa.Table, described: Mapping[str, str]) -> bytes:
    """Return a table as ECSV, with units and what describes it."""
    from astropy.table import Table

    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    columns["class"] = columns["class"].astype(str)
    written = Table(columns, units=UNITS, meta=dict(described))
    text = io.StringIO()
    written.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def _errors(products: np.ndarray, prior: Prior | None) -> np.ndarray:
    """Return the standard error of each number, (b, k), from sums of products (b, s, k, k)."""
    bins, strata, classes, _ = products.shape
    errors = np.full((bins, classes), np.nan)
    for row in range(bins if prior is not None and strata else 0):
        assert prior is not None
        for one in range(classes):
            sums = products[row, :, one].sum(axis=1, keepdims=True)
            variance = counting_variance(sums, products[row, :, one], [one], prior)
            errors[row, one] = np.sqrt(variance + np.nan_to_num(calibration_variance(sums, [one], prior)))
    return errors


def _area(findings: Findings) -> float:
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")
