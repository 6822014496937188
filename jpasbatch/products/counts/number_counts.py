"""The product ``number_counts``: objects of each class by magnitude and by place, as tables for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.footprint.options import CompletenessOptions
from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.pages.page import package_file
from jpasbatch.priors.prior import Prior
from jpasbatch.products.counts.number_figure import number_count_numbers, number_counts_figure
from jpasbatch.products.counts.number_tally import NumberCountOptions, NumberCountSummary, NumberTally
from jpasbatch.products.counts.place_tally import PlaceTally
from jpasbatch.products.counts.places import areas_of_tiles
from jpasbatch.products.counts.tables import DENSITY, description
from jpasbatch.products.counts.tally import CountSummary
from jpasbatch.products.counts.variances import Variances, count_variances
from jpasbatch.products.posteriors import STRATUM, committee_column
from jpasbatch.products.protocol import Columns, Findings, JobTable, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.published import table_writers
from jpasbatch.products.record import magnitude_column, probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup


class NumberCounts(Product[NumberTally, NumberCountSummary]):
    """Number counts, differential and cumulative, of every class; and the density of quasars by pixel."""

    name = "number_counts"
    tables = (
        JobTable("number_counts", NumberCountOptions, NumberCountOptions()),
        JobTable("completeness", CompletenessOptions, CompletenessOptions(), ("file",)),
    )

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

    def check(self) -> None:
        """Refuse a completeness in another band than that of the number counts."""
        known = self.setting.completeness
        if known is not None and known.band_role and known.band_role != self._role:
            raise InputError(
                f"[completeness] band_role = {known.band_role!r}: number counts are in {self._role!r}; allowed is "
                "the same band in both ([number_counts] band_role)"
            )

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
        """Return the tally with the observed part of a partition added."""
        if not self._role:
            return tally
        partition = partition.observed_part
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
        band = self.setting.survey.reported_names[found.band_role]
        names = self.setting.class_names
        numbers = number_count_numbers(found, area, names)
        text = "Objects per square degree and magnitude, by class; the table number_counts holds the numbers"
        return {"number_counts": PageFigure(number_counts_figure(numbers, band, names), text, numbers)}

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
            completeness=self.setting.completeness is not None,
            known=bool(np.isfinite(found.true).all()),  # `true` is a word of jinja's own
        )
        return Section("number-counts", "Number counts", "Number counts", body)

    def files(
        self, found: NumberCountSummary, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return the table of the number counts as ECSV and Parquet."""
        shares = detected_shares(found, findings)
        table = count_table(found, self.setting.class_names, _area(findings), shares)
        described = description(findings, created) | {"band": found.band_role}
        return table_writers("counts/number_counts", table, UNITS, described)


FILES = ("counts/number_counts.ecsv", "counts/number_counts.parquet")

DENSITIES = ("density", "density_error", "density_if_complete", "density_if_complete_error")

UNITS = {"brightest": "mag", "faintest": "mag", **dict.fromkeys(DENSITIES, DENSITY)}

LEAST_COMPLETE = 0.1
"""Detected share below which a density is not divided by it: what is missing is nearly all, and its error unknown."""


def detected_shares(found: NumberCountSummary, findings: Findings) -> np.ndarray:
    """Return the detected share of each magnitude bin over the observed area, (b,); NaN where it is not known."""
    known, counts = findings.setting.completeness, findings.get(CountSummary)
    places = findings.get(PlaceTally)
    if known is None or counts is None or places is None:
        return np.full(len(found.edges) - 1, np.nan)
    areas = areas_of_tiles(places, counts, findings)[0].tolist()
    return known.of_bins(found.edges, dict(zip(places.tile_names, areas, strict=True)))


def count_table(
    found: NumberCountSummary, classes: Sequence[str], area_deg2: float, shares: np.ndarray
) -> pa.Table:
    """Return number counts as a table: one row a class and magnitude bin, classes in their order.

    Parameters
    ----------
    found : NumberCountSummary
    classes : sequence of str
    area_deg2 : float
        Of the objects; NaN where it is not known, and with it all densities.
    shares : ndarray, shape (b,)
        Detected share of each bin; NaN where it is not known. Densities divided by it have columns of their own.
    """
    bins, columns = len(found.edges) - 1, {}
    columns["class"] = [name for name in classes for _ in range(bins)]
    for name, values in (("brightest", found.edges[:-1]), ("faintest", found.edges[1:])):
        columns[name] = np.tile(values, len(classes))
    for name in ("number", "error", "cumulative", "cumulative_error", "committee", "true"):
        columns[name] = getattr(found, name).T.ravel()
    for number, name in enumerate(Variances._fields):
        columns[f"error_{name}"] = found.errors[:, :, number].T.ravel()
    share = np.tile(shares, len(classes))
    enough = np.where(share >= LEAST_COMPLETE, share, np.nan)
    columns["density"], columns["density_error"] = columns["number"] / area_deg2, columns["error"] / area_deg2
    columns["completeness"] = share
    columns["density_if_complete"] = columns["density"] / enough
    columns["density_if_complete_error"] = columns["density_error"] / enough
    return pa.table(columns)


def _errors(products: np.ndarray, prior: Prior | None) -> np.ndarray:
    """Return the terms of the error of each number, (b, k, terms), from sums of products (b, s, k, k)."""
    bins, strata, classes, _ = products.shape
    errors = np.full((bins, classes, len(Variances._fields)), np.nan)
    for row in range(bins if prior is not None and strata else 0):
        assert prior is not None
        for one in range(classes):
            sums = products[row, :, one].sum(axis=1, keepdims=True)
            errors[row, one] = np.sqrt(count_variances(sums, products[row, :, one], [one], prior))
    return errors


def _area(findings: Findings) -> float:
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")
