"""The page that says how good a committee is on labelled samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.learning.curves import Curve
from jpasbatch.pages.confusion import (
    Scores,
    confusion_matrices,
    confusion_numbers,
    score_bars,
    score_numbers,
)
from jpasbatch.pages.figures import PageFigure, Report, figure_html, numbers_files
from jpasbatch.pages.page import render_page
from jpasbatch.pages.reliability import ReliabilityCurve, curve_numbers, reliability
from jpasbatch.pages.spectra import Spectrum, example_spectra, spectrum_numbers
from jpasbatch.pages.style import bin_label, class_colours
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring import evaluation_figures
from jpasbatch.scoring.calibration_scores import CalibrationScore
from jpasbatch.scoring.evaluation_record import EvaluatedSample, ScoredSample
from jpasbatch.scoring.evaluation_tables import score_text
from jpasbatch.scoring.figure_numbers import signal_numbers, training_numbers
from jpasbatch.scoring.stress_page import stress_drawings, stress_section
from jpasbatch.scoring.training_figures import training_panels


@dataclass(frozen=True)
class PageFacts:
    """What a page of an evaluation says of the committee.

    Attributes
    ----------
    job, title, survey, committee : str
        Names; the committee is the version.
    model : mapping
        The table of the job.
    features, calibration : str
        Their kinds.
    members : int
    warnings : tuple of str
        That stand at the top of the page.
    machines : tuple of str
        That trained it, in words.
    version, date : str
        Of the software, and of today.
    """

    job: str
    title: str
    survey: str
    committee: str
    model: Mapping[str, Any]
    features: str
    members: int
    calibration: str
    warnings: tuple[str, ...]
    machines: tuple[str, ...]
    version: str
    date: str


def render_evaluation(
    content: Mapping[str, EvaluatedSample],
    examples: Mapping[str, tuple[Spectrum, ...]],
    facts: PageFacts,
    survey: Survey,
    curves: Sequence[Curve] = (),
) -> Report:
    """Return the page with the files that it links to; the same content gives the same ones.

    Parameters
    ----------
    content : mapping of str to EvaluatedSample
        By sample.
    examples : mapping
        By sample: objects of the commonest confusions.
    facts : PageFacts
    survey : Survey
    curves : sequence of Curve
        How the members learnt, where that is known.
    """
    drawn = {
        name: figure
        for sample, part in content.items()
        for name, figure in _figures(sample, part, examples[sample], survey)
    }
    if curves:
        text = "Losses and f1 of each member after its epochs"
        drawn["training"] = PageFigure(training_panels(curves), text, training_numbers(curves))
    figures = {name: figure_html(name, figure, NUMBERS) for name, figure in drawn.items()}
    classes = next(iter(content.values())).classes
    stressed = {name: part.stress for name, part in content.items() if part.stress is not None}
    of_stress = {name: dict(stress_drawings(name, one, classes)) for name, one in stressed.items()}
    stress = {
        name: stress_section(stressed[name], one, classes, bool(survey.gaps), NUMBERS)
        for name, one in of_stress.items()
    }
    page = render_page(
        "scoring/evaluation_report.html.j2",
        {"score": lambda pair: score_text(*pair)},
        facts=facts,
        content=content,
        figures=figures,
        classes=classes,
        swatches=class_colours(classes),
        calibration={name: calibration_cells(part) for name, part in content.items()},
        stress=stress,
    )
    files = chain(drawn.items(), *(one.values() for one in of_stress.values()))
    return Report(page, numbers_files(files, NUMBERS))


NUMBERS = "figures"
"""Folder of the numbers of figures, beside the page."""

SHOWN = ("ece_equal_width", "ece_equal_mass", "mce", "brier", "log_loss")


class CalibrationRow(NamedTuple):
    """The numbers of calibration of one class: one of each of `SHOWN`, or None."""

    name: str
    cells: list[CalibrationScore | None]


def calibration_cells(part: EvaluatedSample) -> list[CalibrationRow]:
    """Return the numbers of calibration of all objects, a row a class."""
    found = {(one.class_name, one.score): one for one in part.calibration if one.group == "all"}
    names = dict.fromkeys(name for name, _ in found)
    return [CalibrationRow(name, [found.get((name, score)) for score in SHOWN]) for name in names]


def _figures(
    sample: str, part: EvaluatedSample, examples: tuple[Spectrum, ...], survey: Survey
) -> Iterator[tuple[str, PageFigure]]:
    classes, bins, band = part.classes, survey.magnitude_bins, survey.reference_band
    titles = tuple(bin_label(band, limits) for limits in bins)
    confusion = np.array([np.transpose(group.confusion) for group in part.groups[:-1]])
    yield (
        f"{sample}-confusion",
        PageFigure(
            confusion_matrices(confusion, classes, titles),
            f"Confusion matrices of {sample}, one for each magnitude bin",
            confusion_numbers(confusion, classes, titles),
        ),
    )
    yield (
        f"{sample}-scores",
        PageFigure(
            score_bars(Scores.of(confusion), classes, bins, band),
            f"Purity, completeness and f1 score of {sample} by class and magnitude bin",
            score_numbers(confusion, classes, titles),
        ),
    )
    text = f"True fraction of {sample} against mean predicted probability for each class"
    yield f"{sample}-reliability", reliability_figure(part, classes, text)
    if len(part.by_signal.signal) > 1:
        curves = {sample: part.by_signal}
        text = f"Weighted f1 and entropy of {sample} against the median signal-to-noise ratio"
        yield (
            f"{sample}-signal",
            PageFigure(evaluation_figures.signal_curves(curves), text, signal_numbers(curves)),
        )
    if examples:
        bands = survey.wavelengths, np.array([one.width for one in survey.bands])
        yield (
            f"{sample}-examples",
            PageFigure(
                example_spectra(examples, classes, *bands, titles),
                f"J-spectra of {sample} that are taken for another class",
                spectrum_numbers(examples, classes, survey.band_names, survey.wavelengths),
            ),
        )


def reliability_figure(part: ScoredSample, classes: tuple[str, ...], text: str) -> PageFigure:
    """Return the reliability diagram of a sample, under these words."""
    curves = reliability_curves(part)
    return PageFigure(reliability({"": curves}, classes), text, curve_numbers({"committee": curves}))


def reliability_curves(part: ScoredSample) -> tuple[ReliabilityCurve, ...]:
    """Return the reliability curves of a sample as arrays."""
    kept = part.reliability
    confidence, accuracy, errors = (
        np.array(values, dtype=np.float64)  # None, as JSON has it, becomes NaN
        for values in (kept.confidence, kept.accuracy, kept.ece_by_class)
    )
    return tuple(
        ReliabilityCurve(
            name,
            confidence[k],
            accuracy[k],
            np.array(kept.count[k]),
            float(errors[k]),
        )
        for k, name in enumerate(part.classes)
    )
