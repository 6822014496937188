"""The page that shows many classifiers beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jpasbatch.pages.drawing import Drawing, drawing_html
from jpasbatch.pages.page import render_page
from jpasbatch.pages.reliability import reliability
from jpasbatch.pages.style import class_colours, class_label
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring import evaluation_figures
from jpasbatch.scoring.comparison_tables import comparison_rows, stress_comparison, training_rows
from jpasbatch.scoring.detection_figures import detection_figures
from jpasbatch.scoring.detection_tables import (
    agreement_rows,
    detection_header,
    detection_rows,
    external_rows,
)
from jpasbatch.scoring.evaluation_report import reliability_curves
from jpasbatch.scoring.repeat_tables import CHOICE_HEADER, choice_rows, repeats_content


def render_comparison(stored: Mapping[str, Any], survey: Survey) -> str:
    """Return the page as HTML; the same content gives the same text.

    Parameters
    ----------
    stored : mapping
        As ``comparison.json`` holds it.
    survey : Survey
    """
    drawings = [*_figures(stored), *_reliability_diagrams(stored)]
    figures = {name: (drawing_html(drawing, name, text), text) for name, drawing, text in drawings}
    comparison, classes = stored["comparison"], tuple(stored["classes"])
    samples = (comparison["sample"], *comparison["further"])
    return render_page(
        "scoring/comparison_report.html.j2",
        {},
        stored=stored,
        comparison=comparison,
        survey=survey.name,
        stressed={sample: stress_comparison(stored, sample) for sample in samples},
        tables={sample: list(comparison_rows(stored, sample)) for sample in samples},
        training=list(training_rows(stored)),
        detection=list(detection_rows(stored)) if stored["detection"] else [],
        detection_header=detection_header(stored) if stored["detection"] else [],
        external=external_rows(stored) if stored["detection"] else [],
        agreement=agreement_rows(stored["field"]) if stored["field"] else [],
        choices=choice_rows(stored),
        choice_header=CHOICE_HEADER,
        repeats=repeats_content(stored),
        figures=figures,
        classes=classes,
        swatches=class_colours(classes),
    )


def _figures(stored: Mapping[str, Any]) -> Iterator[tuple[str, Drawing, str]]:
    yield from detection_figures(stored)
    comparison, classes = stored["comparison"], tuple(stored["classes"])
    parts = stored["samples"][comparison["sample"]]
    groups = [group["group"] for group in next(iter(parts.values()))["groups"]]
    published = [one["groups"] for one in stored["published"][:1] if one["groups"]]
    weighted = {title: [group["weighted_f1"] for group in part["groups"]] for title, part in parts.items()}
    marked = [published[0][group]["weighted_f1"] if published else None for group in groups]
    yield (
        "weighted",
        evaluation_figures.score_dots(weighted, groups, "weighted f1", marked),
        "Weighted f1 of each classifier by magnitude; the dotted line is the published one, of other data",
    )
    for k, name in enumerate(classes):
        scores = {
            title: [(group["f1"][0][k], group["f1"][1][k]) for group in part["groups"]]
            for title, part in parts.items()
        }
        marked = [published[0][group]["f1"][k] if published else None for group in groups]
        yield (
            f"f1-{name}",
            evaluation_figures.score_dots(scores, groups, f"f1 {class_label(name)}", marked),
            f"f1 of class {class_label(name)} by magnitude",
        )
    curves = {title: part["by_signal"] for title, part in parts.items()}
    yield (
        "signal",
        evaluation_figures.signal_curves(curves),
        "Weighted f1 and entropy of each classifier against the median signal-to-noise ratio",
    )
    yield (
        "difference",
        evaluation_figures.signal_differences(curves, comparison["reference"]),
        f"Weighted f1 less that of {comparison['reference']} against the signal-to-noise ratio",
    )
    errors = {
        title: [(value, 0.0) for value in part["reliability"]["ece_by_class"]]
        for title, part in parts.items()
    }
    names, nothing = [class_label(name) for name in classes], [None] * len(classes)
    yield (
        "calibration",
        evaluation_figures.score_dots(errors, names, "expected calibration error", nothing, logarithmic=True),
        "Expected calibration error of each class",
    )


def _reliability_diagrams(stored: Mapping[str, Any]) -> Iterator[tuple[str, Drawing, str]]:
    parts, classes = stored["samples"][stored["comparison"]["sample"]], tuple(stored["classes"])
    for number, (title, part) in enumerate(parts.items()):
        yield f"reliability-{number}", reliability({"": reliability_curves(part)}, classes), title
