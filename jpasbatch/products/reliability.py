"""The product ``reliability``: how often the probabilities come true, where the true class is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jpasbatch.pages.page import package_file
from jpasbatch.pages.reliability import ReliabilityCurve, curve_numbers, reliability
from jpasbatch.products.confusion import ConfusionSummary, truth_note
from jpasbatch.products.posteriors import committee_column
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Parts, Product, Writer
from jpasbatch.products.published import description, table_writers
from jpasbatch.products.record import probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body
from jpasbatch.scoring.calibration_scores import (
    CLASSWISE,
    CONFIDENCE,
    CalibrationScore,
    calibration_curve,
    calibration_scores,
    score_columns,
)
from jpasbatch.scoring.calibration_tally import CalibrationTally

if TYPE_CHECKING:
    from markupsafe import Markup

SCORES, CURVES = "reliability/calibration", "reliability/curves"
ECE = "ece_equal_width"
COMMITTEE, SKY = "committee", "corrected"
"""Whose probabilities are told of: the committee's own, and those that products use where they are corrected."""

SHOWN = (ECE, "ece_equal_mass", "mce", "brier", "log_loss")


@dataclass(frozen=True)
class ReliabilityTally:
    """Counts of the probabilities that products use, and of the committee's own where these are others."""

    used: CalibrationTally
    own: CalibrationTally | None

    def merge(self, other: ReliabilityTally) -> ReliabilityTally:
        """Return the tally of both parts."""
        own = None if self.own is None or other.own is None else self.own.merge(other.own)
        return ReliabilityTally(self.used.merge(other.used), own)

    def extract(self) -> ReliabilityTally:
        """Return itself: what it says needs the names of the classes."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as JSON-able values."""
        return {"used": self.used.to_dict(), "own": None if self.own is None else self.own.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ReliabilityTally:
        """Return the tally that `to_dict` described."""
        own = values["own"]
        used = CalibrationTally.from_dict(values["used"])
        return cls(used, None if own is None else CalibrationTally.from_dict(own))


@dataclass(frozen=True)
class ReliabilitySummary:
    """How often the probabilities come true.

    Attributes
    ----------
    curves : tuple of ReliabilityCurve
        One for each class; none where no truth is known.
    own_curves : tuple of ReliabilityCurve
        Of the committee's own probabilities, where the others are corrected.
    scores : mapping of str to tuple of CalibrationScore
        By whose probabilities they are: `COMMITTEE`, and `SKY` where they are corrected.
    table : pyarrow.Table, optional
        All curves, of every magnitude bin, as rows.
    """

    curves: tuple[ReliabilityCurve, ...]
    own_curves: tuple[ReliabilityCurve, ...] = ()
    scores: Mapping[str, tuple[CalibrationScore, ...]] = field(default_factory=dict)
    table: pa.Table | None = None

    @property
    def mean_ece(self) -> float:
        """Expected calibration error, the mean over the classes."""
        return float(np.mean([curve.ece for curve in self.curves]))


class Reliability(Product[ReliabilityTally, ReliabilitySummary]):
    """Reliability curves and numbers of calibration."""

    name = "reliability"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = [probability_column(name) for name in self.setting.class_names]
        if self.setting.corrected:
            names += [committee_column(name) for name in self.setting.class_names]
        return Columns(predictions=(*names, "magnitude_bin"), truth=True)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the magnitude bins, in plain letters."""
        band, limits = self.setting.survey.reference_band, self.setting.survey.magnitude_bins
        return tuple(f"{low:g} < {band} <= {high:g}" for low, high in limits)

    def create(self) -> ReliabilityTally:
        """Return the tally of no objects."""
        none = CalibrationTally.create(len(self.setting.classes), len(self.setting.bins))
        return ReliabilityTally(none, none if self.setting.corrected else None)

    def add(self, tally: ReliabilityTally, partition: Partition) -> ReliabilityTally:
        """Return the tally with a partition added."""
        record, names = partition.predictions, self.setting.class_names
        group = record["magnitude_bin"].to_numpy()
        used = tally.used.add(partition.labels, record_probabilities(record, names), group)
        if tally.own is None:
            return ReliabilityTally(used, None)
        own = np.column_stack([record[committee_column(name)].to_numpy() for name in names])
        return ReliabilityTally(used, tally.own.add(partition.labels, own, group))

    def from_record(self, record: dict[str, Any]) -> ReliabilityTally:
        """Return the tally that `to_record` described."""
        return ReliabilityTally.from_dict(record)

    def extract(self, tally: ReliabilityTally, look_up: LookUp) -> ReliabilitySummary:
        """Return curves and numbers."""
        if not tally.used.count.any():
            return ReliabilitySummary(())
        kinds = {COMMITTEE: tally.used} if tally.own is None else {SKY: tally.used, COMMITTEE: tally.own}
        names, seed = self.setting.class_names, self.setting.seed
        scores = {
            kind: tuple(calibration_scores(one, self.groups, names, seed)) for kind, one in kinds.items()
        }
        drawn = [self._curves(one, scores[kind]) for kind, one in kinds.items()]
        table = pa.concat_tables([self._curve_table(kind, one) for kind, one in kinds.items()])
        return ReliabilitySummary(drawn[0], drawn[1] if len(drawn) > 1 else (), scores, table)

    def _curves(
        self, tally: CalibrationTally, scores: tuple[CalibrationScore, ...]
    ) -> tuple[ReliabilityCurve, ...]:
        """Return the curve of each class, of all objects."""
        curves = []
        for column, name in enumerate(self.setting.class_names):
            one = calibration_curve(tally, -1, column)
            value = _told(scores, name, ECE).value
            ece = float("nan") if value is None else value
            curves.append(
                ReliabilityCurve(
                    name, one.mean_probability, one.fraction, one.count, ece, one.lower, one.upper
                )
            )
        return tuple(curves)

    def _curve_table(self, kind: str, tally: CalibrationTally) -> pa.Table:
        parts = []
        for row, group in enumerate((*self.groups, "all")):
            for column, name in enumerate((*self.setting.class_names, CONFIDENCE)):
                one = calibration_curve(tally, row, column)
                bins = len(one.count)
                columns = {"probabilities": [kind] * bins, "group": [group] * bins, "class": [name] * bins}
                edges = np.arange(bins + 1) / bins
                columns |= {"from": edges[:-1], "to": edges[1:], "objects": one.count}
                columns |= {"mean_probability": one.mean_probability, "fraction": one.fraction}
                parts.append(pa.table(columns | {"lower": one.lower, "upper": one.upper}))
        return pa.concat_tables(parts)

    def figures(self, found: ReliabilitySummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the reliability diagrams before and after the correction; nothing where no truth is known."""
        if not found.curves:
            return {}
        kinds = {"the committee's own": found.curves}
        if found.own_curves:
            kinds = {
                "before: the committee's own": found.own_curves,
                "after: corrected for this sky": found.curves,
            }
        text = "True fraction against mean predicted probability for each class"
        drawing = reliability(kinds, self.setting.class_names, errors=False)
        return {"reliability": PageFigure(drawing, text, curve_numbers(kinds))}

    def section(
        self, found: ReliabilitySummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the diagrams and tables of numbers; None where no truth is known."""
        if not found.curves:
            return None
        confusion = findings.get(ConfusionSummary)
        body = render_body(
            package_file("products/reliability.html.j2"),
            self.setting.class_names,
            figures=figures,
            corrected=bool(found.own_curves),
            truth_note=truth_note(confusion, findings) if confusion else "",
            scores={kind: self._rows(scores) for kind, scores in found.scores.items()},
            files=[f"{stem}.{end}" for stem in (SCORES, CURVES) for end in ("ecsv", "parquet")],
        )
        return Section("reliability", "Reliability", "Reliability", body)

    def _rows(self, scores: tuple[CalibrationScore, ...]) -> list[tuple[str, list[CalibrationScore | None]]]:
        """Return the numbers of all objects: a row a class, then the mean, the confidence and all together."""
        names = (*self.setting.class_names, CLASSWISE, CONFIDENCE, "all")
        return [(name, [_find(scores, name, score) for score in SHOWN]) for name in names]

    def summary(self, found: ReliabilitySummary, findings: Findings) -> dict[str, Any]:
        """Return the calibration errors of all objects; nothing where no truth is known."""
        if not found.curves:
            return {}
        by_class = {curve.class_name: curve.ece for curve in found.curves}
        numbers: dict[str, Any] = {}
        for kind, scores in found.scores.items():
            for one in (one for one in scores if one.group == "all"):
                told = {"value": one.value, "error": one.error, "if_perfect": one.if_perfect}
                numbers.setdefault(kind, {}).setdefault(one.class_name, {})[one.score] = told
        errors = {
            "expected_calibration_error": found.mean_ece,
            "expected_calibration_error_by_class": by_class,
            "calibration": numbers,
        }
        return {"scores": errors}

    def files(
        self, found: ReliabilitySummary, parts: Parts, created: str, findings: Findings
    ) -> Mapping[str, Writer]:
        """Return numbers and curves as ECSV and Parquet; nothing where no truth is known."""
        if found.table is None:
            return {}
        rows = []
        for kind, scores in found.scores.items():
            rows.append(pa.table({"probabilities": [kind] * len(scores), **score_columns(scores)}))
        described = description(findings, created) | {"truth": findings.origin_of_truth}
        numbers = table_writers(SCORES, pa.concat_tables(rows), {}, described)
        return numbers | table_writers(CURVES, found.table, {}, described)


def _find(scores: tuple[CalibrationScore, ...], name: str, score: str) -> CalibrationScore | None:
    """Return a number of all objects, if there is such a one."""
    return next(
        (one for one in scores if (one.group, one.class_name, one.score) == ("all", name, score)), None
    )


def _told(scores: tuple[CalibrationScore, ...], name: str, score: str) -> CalibrationScore:
    found = _find(scores, name, score)
    if found is None:
        raise KeyError(f"no {score} of {name}")
    return found
