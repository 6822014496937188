"""The page that shows many classifiers beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jpasbatch.pages.figures import PageFigure, Report, figure_html, numbers_files
from jpasbatch.pages.page import render_page
from jpasbatch.pages.style import class_colours, class_label
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring import evaluation_figures
from jpasbatch.scoring.comparison_record import ComparisonRecord
from jpasbatch.scoring.comparison_tables import comparison_rows, stress_comparison, training_rows
from jpasbatch.scoring.detection_figures import detection_figures
from jpasbatch.scoring.detection_tables import (
    agreement_rows,
    detection_header,
    detection_rows,
    external_rows,
)
from jpasbatch.scoring.evaluation_record import Pair
from jpasbatch.scoring.evaluation_report import reliability_figure
from jpasbatch.scoring.figure_numbers import difference_numbers, dot_numbers, signal_numbers
from jpasbatch.scoring.repeat_tables import CHOICE_HEADER, choice_rows, repeats_content

NUMBERS = "figures"
"""Folder of the numbers of figures, beside the page."""


def render_comparison(stored: ComparisonRecord, survey: Survey) -> Report:
    """Return the page with the files that it links to; the same content gives the same ones.

    Parameters
    ----------
    stored : ComparisonRecord
        `defined`.
    survey : Survey
    """
    drawn = [*_figures(stored), *_reliability_diagrams(stored)]
    figures = {name: (figure_html(name, figure, NUMBERS), figure.description) for name, figure in drawn}
    classes, samples = stored.classes, stored.every_sample
    found = stored.detection
    page = render_page(
        "scoring/comparison_report.html.j2",
        {},
        stored=stored,
        comparison=stored,
        survey=survey.name,
        stressed={sample: stress_comparison(stored.samples[sample]) for sample in samples},
        tables={sample: list(comparison_rows(stored, sample)) for sample in samples},
        training=list(training_rows(stored)),
        detection=list(detection_rows(stored, found)) if found else [],
        detection_header=detection_header(stored, found) if found else [],
        external=external_rows(found) if found else [],
        agreement=agreement_rows(stored.field) if stored.field else [],
        choices=choice_rows(stored),
        choice_header=CHOICE_HEADER,
        repeats=repeats_content(stored),
        figures=figures,
        classes=classes,
        swatches=class_colours(classes),
    )
    return Report(page, numbers_files(drawn, NUMBERS))


def _figures(stored: ComparisonRecord) -> Iterator[tuple[str, PageFigure]]:
    yield from detection_figures(stored)
    classes, parts = stored.classes, stored.samples[stored.sample]
    groups = [group.group for group in next(iter(parts.values())).groups]
    published = [one.groups for one in stored.published[:1] if one.groups]
    weighted = {title: [group.weighted_f1 for group in part.groups] for title, part in parts.items()}
    marked = [published[0][group].weighted_f1 if published else None for group in groups]
    text = "Weighted f1 of each classifier by magnitude; the dotted line is the published one, of other data"
    yield "weighted", _dots(weighted, groups, "weighted f1", marked, text)
    for k, name in enumerate(classes):
        scores = {
            title: [(group.f1[0][k], group.f1[1][k]) for group in part.groups]
            for title, part in parts.items()
        }
        marked = [published[0][group].f1[k] if published else None for group in groups]
        label = class_label(name)
        text = f"f1 of class {label} by magnitude"
        yield f"f1-{name}", _dots(scores, groups, f"f1 {label}", marked, text)
    curves = {title: part.by_signal for title, part in parts.items()}
    text = "Weighted f1 and entropy of each classifier against the median signal-to-noise ratio"
    yield "signal", PageFigure(evaluation_figures.signal_curves(curves), text, signal_numbers(curves))
    reference = stored.reference
    yield (
        "difference",
        PageFigure(
            evaluation_figures.signal_differences(curves, reference),
            f"Weighted f1 less that of {reference} against the signal-to-noise ratio",
            difference_numbers(curves, reference),
        ),
    )
    errors = {
        title: [(value, 0.0) for value in part.reliability.ece_by_class] for title, part in parts.items()
    }
    names, nothing = [class_label(name) for name in classes], [None] * len(classes)
    title, text = "expected calibration error", "Expected calibration error of each class"
    yield "calibration", _dots(errors, names, title, nothing, text, logarithmic=True)


def _dots(
    scores: Mapping[str, Sequence[Pair]],
    groups: Sequence[str],
    title: str,
    marked: Sequence[float | None],
    text: str,
    logarithmic: bool = False,
) -> PageFigure:
    """Return a score of all classifiers as a figure; see `jpasbatch.scoring.evaluation_figures.score_dots`."""
    drawing = evaluation_figures.score_dots(scores, groups, title, marked, logarithmic)
    return PageFigure(drawing, text, dot_numbers(scores, groups, title, marked))


def _reliability_diagrams(stored: ComparisonRecord) -> Iterator[tuple[str, PageFigure]]:
    parts, classes = stored.samples[stored.sample], stored.classes
    for number, (title, part) in enumerate(parts.items()):
        yield f"reliability-{number}", reliability_figure(part, classes, title)
