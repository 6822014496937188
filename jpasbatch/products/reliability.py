"""The product ``reliability``: how often the probabilities come true, where the true class is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.page import package_file
from jpasbatch.pages.reliability import ReliabilityCurve, reliability
from jpasbatch.products.confusion import ConfusionSummary, truth_note
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Product
from jpasbatch.products.record import probability_column, record_probabilities
from jpasbatch.products.sections import PageFigure, Section, render_body
from jpasbatch.scoring.metrics import ReliabilityTally

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class ReliabilitySummary:
    """How often the probabilities come true.

    Attributes
    ----------
    curves : tuple of ReliabilityCurve
        One for each class; none where no truth is known.
    """

    curves: tuple[ReliabilityCurve, ...]

    @property
    def mean_ece(self) -> float:
        """Expected calibration error, the mean over the classes."""
        return float(np.mean([curve.ece for curve in self.curves]))


class Reliability(Product[ReliabilityTally, ReliabilitySummary]):
    """Reliability curves and the expected calibration error."""

    name = "reliability"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        names = tuple(probability_column(name) for name in self.setting.class_names)
        return Columns(predictions=names, truth=True)

    def create(self) -> ReliabilityTally:
        """Return the tally of no objects."""
        return ReliabilityTally.create(len(self.setting.classes))

    def add(self, tally: ReliabilityTally, partition: Partition) -> ReliabilityTally:
        """Return the tally with a partition added."""
        return tally.add(
            partition.labels, record_probabilities(partition.predictions, self.setting.class_names)
        )

    def from_record(self, record: dict[str, Any]) -> ReliabilityTally:
        """Return the tally that `to_record` described."""
        return ReliabilityTally.from_dict(record)

    def extract(self, tally: ReliabilityTally, look_up: LookUp) -> ReliabilitySummary:
        """Return the curve of each class."""
        if not tally.count.any():
            return ReliabilitySummary(())
        found = tally.extract()
        curves = (
            ReliabilityCurve(
                name, found.confidence[j], found.accuracy[j], found.count[j], float(found.ece_by_class[j])
            )
            for j, name in enumerate(self.setting.class_names)
        )
        return ReliabilitySummary(tuple(curves))

    def figures(self, found: ReliabilitySummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the reliability diagram; nothing where no truth is known."""
        if not found.curves:
            return {}
        figure = reliability(found.curves, self.setting.class_names)
        text = "True fraction against mean predicted probability for each class"
        return {"reliability": PageFigure(figure, text)}

    def section(
        self, found: ReliabilitySummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return the diagram and a table of calibration errors; None where no truth is known."""
        if not found.curves:
            return None
        confusion = findings.get(ConfusionSummary)
        body = render_body(
            package_file("products/reliability.html.j2"),
            self.setting.class_names,
            figures=figures,
            truth_note=truth_note(confusion, findings) if confusion else "",
            curves=found.curves,
            mean_ece=found.mean_ece,
        )
        return Section("reliability", "Reliability", "Reliability", body)

    def summary(self, found: ReliabilitySummary, findings: Findings) -> dict[str, Any]:
        """Return the calibration errors; nothing where no truth is known."""
        if not found.curves:
            return {}
        by_class = {curve.class_name: curve.ece for curve in found.curves}
        errors = {
            "expected_calibration_error": found.mean_ece,
            "expected_calibration_error_by_class": by_class,
        }
        return {"scores": errors}
