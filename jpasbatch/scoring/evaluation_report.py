"""The page that says how good a committee is on labelled samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

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
from jpasbatch.scoring.evaluation_tables import score_text
from jpasbatch.scoring.figure_numbers import signal_numbers, training_numbers
from jpasbatch.scoring.stress_page import stress_drawings, stress_section
from jpasbatch.scoring.training_figures import training_panels


def render_evaluation(
    content: Mapping[str, Mapping[str, Any]],
    examples: Mapping[str, tuple[Spectrum, ...]],
    facts: Mapping[str, Any],
    survey: Survey,
    curves: Sequence[Curve] = (),
) -> Report:
    """Return the page with the files that it links to; the same content gives the same ones.

    Parameters
    ----------
    content : mapping
        By sample: ``classes``, ``rows``, ``rejected``, ``few_bands``, ``groups``, ``reliability``, ``by_signal`` and
        ``calibration``; ``stress`` where the sample was stressed (`jpasbatch.scoring.stress_tables.Content`).
    examples : mapping
        By sample: objects of the commonest confusions.
    facts : mapping
        ``job``, ``title``, ``survey``, ``features``, ``model``, ``members``, ``calibration``, ``version``, ``date``,
        ``warnings`` that stand at the top of the page, and ``machines`` that trained it.
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
    classes = tuple(next(iter(content.values()))["classes"])
    stressed = {name: part["stress"] for name, part in content.items() if "stress" in part}
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


def calibration_cells(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers of calibration of all objects: a row a class, with one of each of `SHOWN` or None."""
    found = {(one["class_name"], one["score"]): one for one in part["calibration"] if one["group"] == "all"}
    names = dict.fromkeys(name for name, _ in found)
    return [{"name": name, "cells": [found.get((name, score)) for score in SHOWN]} for name in names]


def _figures(
    sample: str, part: Mapping[str, Any], examples: tuple[Spectrum, ...], survey: Survey
) -> Iterator[tuple[str, PageFigure]]:
    classes, bins, band = tuple(part["classes"]), survey.magnitude_bins, survey.reference_band
    titles = tuple(bin_label(band, limits) for limits in bins)
    confusion = np.array([np.transpose(group["confusion"]) for group in part["groups"][:-1]])
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
    if len(part["by_signal"]["signal"]) > 1:
        curves = {sample: part["by_signal"]}
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


def reliability_figure(part: Mapping[str, Any], classes: tuple[str, ...], text: str) -> PageFigure:
    """Return the reliability diagram of a sample, under these words."""
    curves = reliability_curves(part)
    return PageFigure(reliability({"": curves}, classes), text, curve_numbers({"committee": curves}))


def reliability_curves(part: Mapping[str, Any]) -> tuple[ReliabilityCurve, ...]:
    """Return the reliability curves of a sample as arrays."""
    stored = part["reliability"]

    def row(key: str, k: int) -> np.ndarray:
        return np.array(stored[key][k], dtype=np.float64)  # None, as JSON has it, becomes NaN

    return tuple(
        ReliabilityCurve(
            name,
            row("confidence", k),
            row("accuracy", k),
            np.array(stored["count"][k]),
            stored["ece_by_class"][k],
        )
        for k, name in enumerate(part["classes"])
    )
