"""The product ``confusion``: which classes are taken for which, where the true class is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.confusion import (
    Scores,
    confusion_matrices,
    confusion_numbers,
    score_bars,
    score_numbers,
)
from jpasbatch.pages.page import package_file
from jpasbatch.products.protocol import Columns, Findings, LookUp, Partition, Product
from jpasbatch.products.record import class_indices
from jpasbatch.products.sections import PageFigure, Section, render_body
from jpasbatch.scoring.metrics import ConfusionTally, scores

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class ConfusionSummary:
    """Confusion matrices of the objects whose true class is known.

    Attributes
    ----------
    bins : ndarray of int64, shape (magnitude bins, classes, classes)
        Predicted class in rows, true class in columns, as the paper prints them.
    total : ndarray of int64, shape (classes, classes)
        Also of the objects outside all bins.
    """

    bins: np.ndarray
    total: np.ndarray

    @property
    def objects(self) -> int:
        """Number of objects whose true class is known."""
        return int(self.total.sum())

    @property
    def true_by_predicted(self) -> np.ndarray:
        """The matrices of the bins with the true class in rows, as pages show them."""
        return self.bins.transpose(0, 2, 1)


class Confusion(Product[ConfusionTally, ConfusionSummary]):
    """Confusion matrices and scores by magnitude."""

    name = "confusion"

    def columns(self) -> Columns:
        """Return the columns that `add` reads."""
        return Columns(predictions=("predicted_class", "magnitude_bin"), truth=True)

    def create(self) -> ConfusionTally:
        """Return the tally of no objects."""
        return ConfusionTally.create(len(self.setting.classes), len(self.setting.bins))

    def add(self, tally: ConfusionTally, partition: Partition) -> ConfusionTally:
        """Return the tally with a partition added."""
        predictions = partition.predictions
        predicted = class_indices(predictions, self.setting.class_names)
        return tally.add(partition.labels, predicted, predictions["magnitude_bin"].to_numpy())

    def from_record(self, record: dict[str, Any]) -> ConfusionTally:
        """Return the tally that `to_record` described."""
        return ConfusionTally.from_dict(record)

    def extract(self, tally: ConfusionTally, look_up: LookUp) -> ConfusionSummary:
        """Return the matrices."""
        return ConfusionSummary(tally.extract(), tally.total())

    def figures(self, found: ConfusionSummary, findings: Findings) -> Mapping[str, PageFigure]:
        """Return the matrices and the scores; nothing where no truth is known."""
        if not found.objects:
            return {}
        survey, classes = self.setting.survey, self.setting.class_names
        matrices, bins = found.true_by_predicted, self.setting.bins
        bars = score_bars(Scores.of(matrices), classes, survey.magnitude_bins, survey.reference_band)
        drawn = {
            "confusion": (
                confusion_matrices(matrices, classes, bins),
                "Confusion matrix",
                confusion_numbers(matrices, classes, bins),
            ),
            "scores": (
                bars,
                "Scores of each class in each magnitude bin",
                score_numbers(matrices, classes, bins),
            ),
        }
        return {name: PageFigure(*one) for name, one in drawn.items()}

    def section(
        self, found: ConfusionSummary, findings: Findings, figures: Mapping[str, Markup]
    ) -> Section | None:
        """Return matrices, figures and a table of scores; None where no truth is known."""
        if not found.objects:
            return None
        body = render_body(
            package_file("products/confusion.html.j2"),
            self.setting.class_names,
            figures=figures,
            truth_note=truth_note(found, findings),
            names=self.setting.class_names,
            bins=self.setting.bins,
            confusion=found.true_by_predicted,
            scores=Scores.of(found.true_by_predicted),
        )
        return Section("confusion", "Confusion", "Confusion", body)

    def summary(self, found: ConfusionSummary, findings: Findings) -> dict[str, Any]:
        """Return the scores of all objects and of each bin; None where no truth is known."""
        if not found.objects:
            return {"scores": None}
        classes, survey = list(self.setting.class_names), self.setting.survey
        bins = {
            f"{low:g} < {survey.reference_band} <= {high:g}": _class_scores(confusion, classes)
            for (low, high), confusion in zip(survey.magnitude_bins, found.bins, strict=True)
        }
        whole = _class_scores(found.total, classes)
        return {"scores": {"objects": found.objects, "classes": classes, "all": whole, "bins": bins}}


def truth_note(found: ConfusionSummary, findings: Findings) -> str:
    """Return a sentence or two on which objects the true class is known for."""
    note = f"The true class is known for {found.objects:,} objects, {findings.origin_of_truth}."
    outside = found.objects - int(found.bins.sum())
    if outside:
        note += f" {outside:,} of them lie outside the magnitude bins and are in none of the matrices."
    return note


def _class_scores(confusion: np.ndarray, classes: list[str]) -> dict[str, Any]:
    found = scores(confusion)
    return {
        "weighted_f1": found.weighted_f1,
        "purity": dict(zip(classes, found.purity.tolist(), strict=True)),
        "completeness": dict(zip(classes, found.completeness.tolist(), strict=True)),
        "f1": dict(zip(classes, found.f1.tolist(), strict=True)),
        "confusion_true_by_predicted": confusion.T.tolist(),
    }
