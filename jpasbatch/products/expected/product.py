"""The product ``expected``: purity and completeness at any threshold, as the probabilities themselves promise them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from jpasbatch.pages.page import package_file
from jpasbatch.pages.style import class_label
from jpasbatch.products.counts.tally import CountOptions, CountSummary
from jpasbatch.products.expected.figure import threshold_figure, threshold_numbers
from jpasbatch.products.expected.tally import ExpectedOptions, ThresholdCurves, ThresholdTally
from jpasbatch.products.protocol import Columns, Findings, JobTable, Partition, Parts, Product, Writer
from jpasbatch.products.published import description, table_writers
from jpasbatch.products.record import magnitude_column, probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body

if TYPE_CHECKING:
    from markupsafe import Markup

STEM = "expected/thresholds"
ALL = "all"
COUNTED = "counted"
TOLD = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Thresholds that the page and ``summary.json`` tell; the files hold all."""

UNITS = {"selected_per_deg2": "deg-2", "expected_per_deg2": "deg-2"}

MEANING = (
    "selected: objects with a probability above the threshold (0 selects all); expected: sum of their probabilities; "
    "purity = expected / selected; completeness = expected / expected at threshold 0; errors: scatter of the true "
    "values where probabilities are right, one standard deviation; true values are NaN where a class is not known; "
    "group counted: the objects that [counts] counts"
)


class Request(NamedTuple):
    """What is asked for: thresholds, and which objects and classes are counted."""

    expected: ExpectedOptions
    counts: CountOptions


class Expected(Product[ThresholdTally, ThresholdCurves]):
    """Expected purity and completeness against the threshold, by class and magnitude."""

    name = "expected"
    tables = (JobTable("expected", ExpectedOptions, ExpectedOptions()),)
    options: Request

    @classmethod
    def options_of(cls, tables: Mapping[str, Any]) -> Request:
        """Return the thresholds, and what is counted."""
        return Request(tables["expected"], tables["counts"])

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = [probability_column(name) for name in self.setting.class_names]
        names += ["magnitude_bin", "class_star", magnitude_column(self.options.counts.band_role)]
        return Columns(predictions=tuple(names), truth=True)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of objects, in plain letters."""
        band, limits = self.setting.survey.reference_band, self.setting.survey.magnitude_bins
        return (*(f"{low:g} < {band} <= {high:g}" for low, high in limits), ALL, COUNTED)

    @property
    def probabilities(self) -> tuple[str, ...]:
        """Names of the probabilities: the classes, and the counted ones together where they are several."""
        counted = self.options.counts.classes
        return (*self.setting.class_names, *(("+".join(counted),) if len(counted) > 1 else ()))

    def create(self) -> ThresholdTally:
        """Return the tally of no objects."""
        cells = self.options.expected.thresholds
        return ThresholdTally.create(len(self.groups), len(self.probabilities), cells)

    def add(self, tally: ThresholdTally, partition: Partition) -> ThresholdTally:
        """Return the tally with the observed part of a partition added."""
        partition = partition.observed_part
        record, names, counts = partition.predictions, self.setting.class_names, self.options.counts
        probabilities = record_probabilities(record, names).astype(np.float64)
        belongs = partition.labels[:, None] == np.arange(len(names))
        counted = [names.index(name) for name in counts.classes]
        if len(counted) > 1:
            probabilities = np.column_stack([probabilities, probabilities[:, counted].sum(axis=1)])
            belongs = np.column_stack([belongs, belongs[:, counted].any(axis=1)])
        known, outside = partition.labels >= 0, len(self.setting.bins)
        number = record["magnitude_bin"].to_numpy().astype(np.int64)
        chosen = record[magnitude_column(counts.band_role)].to_numpy() < counts.brighter_than
        if counts.minimum_class_star is not None:
            chosen &= record["class_star"].to_numpy() > counts.minimum_class_star
        new = self.create()
        new.add(np.where(number >= 0, number, outside), probabilities, belongs, known)
        again = np.full(int(chosen.sum()), outside + 1)
        new.add(again, probabilities[chosen], belongs[chosen], known[chosen])
        return tally.merge(new)

    def from_record(self, record: dict[str, Any]) -> ThresholdTally:
        """Return the tally that `to_record` described."""
        return ThresholdTally.from_dict(record)

    def figures(self, found: ThresholdCurves, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the curves of the counted classes; nothing where there is no object."""
        if not found.selected.any():
            return {}
        titles = (*self.setting.bins, "all objects", "as counted")
        numbers = threshold_numbers(found, self._shown, titles)
        text = "Expected purity and completeness against the threshold of probability"
        return {"expected": PageFigure(threshold_figure(numbers, titles), text, numbers)}

    @property
    def _shown(self) -> int:
        """Position of the probability of any counted class."""
        return self.probabilities.index("+".join(self.options.counts.classes))

    def section(
        self, found: ThresholdCurves, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the figure, a table at some thresholds, and how to read them; None where there is no object."""
        if "expected" not in figures:
            return None
        body = render_body(
            package_file("products/expected/section.html.j2"),
            self.setting.class_names,
            figures=figures,
            rows=list(self._told(found, COUNTED)),
            known=bool(np.isfinite(found.true[-1]).all()),  # `true` is a word of jinja's own
            counts=self.options.counts,
            corrected=self.setting.corrected,
            shown=_label(self.probabilities[self._shown]),
            files=[f"{STEM}.ecsv", f"{STEM}.parquet"],
        )
        title = "Purity and completeness at any threshold"
        return Section("expected", title, "Thresholds", body)

    def _told(self, found: ThresholdCurves, group: str) -> Iterator[dict[str, Any]]:
        """Yield what is told of a group at each threshold of `TOLD`, class by class."""
        at, quantities = self.groups.index(group), _quantities(found)
        for number, name in enumerate(self.probabilities):
            for threshold in TOLD:
                place = round(threshold * len(found.thresholds))
                values = {key: float(one[at, number, place]) for key, one in quantities.items()}
                yield {"class": name, "label": _label(name), "threshold": threshold, **values}

    def summary(self, found: ThresholdCurves, findings: Findings) -> dict[str, Any]:
        """Return what is expected at some thresholds, by class and group."""
        told: dict[str, Any] = {name: {group: [] for group in self.groups} for name in self.probabilities}
        for group in self.groups:
            for row in self._told(found, group):
                values = {key: value for key, value in row.items() if key not in ("class", "label")}
                told[row["class"]][group].append(values)
        return {"expected": told}

    def files(
        self, found: ThresholdCurves, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return the table of all thresholds as ECSV and Parquet."""
        table = threshold_table(found, self.groups, self.probabilities, _area(findings))
        described = description(findings, created) | {
            "meaning": MEANING,
            "counts": repr(self.options.counts),
        }
        return table_writers(STEM, table, UNITS, described)


def threshold_table(
    found: ThresholdCurves, groups: Sequence[str], probabilities: Sequence[str], area_deg2: float
) -> pa.Table:
    """Return curves as a table: one row a class, group and threshold.

    Parameters
    ----------
    found : ThresholdCurves
    groups, probabilities : sequence of str
        Their names.
    area_deg2 : float
        NaN where it is not known; densities are then NaN too.
    """
    quantities = _quantities(found)
    thresholds = len(found.thresholds)
    columns: dict[str, list[str] | np.ndarray] = {
        "class": _repeated(probabilities, len(groups) * thresholds, 1),
        "group": _repeated(groups, thresholds, len(probabilities)),
        "threshold": np.tile(found.thresholds, len(groups) * len(probabilities)),
    }
    # rows are in the order class, group, threshold
    columns |= {name: one.transpose(1, 0, 2).ravel() for name, one in quantities.items()}
    for name in ("selected", "expected"):
        columns[f"{name}_per_deg2"] = np.asarray(columns[name]) / area_deg2
    return pa.table(columns)


def _quantities(found: ThresholdCurves) -> dict[str, np.ndarray]:
    """Return all that is told at a threshold, by the name of its column; each (g, q, t)."""
    return {
        "selected": found.selected,
        "expected": found.expected,
        "expected_error": np.sqrt(found.variance),
        "purity": found.purity,
        "purity_error": found.purity_error,
        "completeness": found.completeness,
        "completeness_error": found.completeness_error,
        "true": found.true,
        "true_purity": found.true_purity,
        "true_completeness": found.true_completeness,
    }


def _repeated(names: Iterable[str], each: int, times: int) -> list[str]:
    return [name for _ in range(times) for name in names for _ in range(each)]


def _label(name: str) -> str:
    """Return a class, or several together, as people write them."""
    return " + ".join(class_label(one) for one in name.split("+"))


def _area(findings: Findings) -> float:
    counts = findings.get(CountSummary)
    return counts.area_deg2 if counts is not None and counts.area_deg2 > 0 else float("nan")
