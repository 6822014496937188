"""Figures of classifiers that look for one class: their curves, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Panel
from jpasbatch.pages.figures import PageFigure
from jpasbatch.pages.style import INK, OTHER_COLOURS, class_label, house_style, new_figure
from jpasbatch.scoring.comparison_record import ComparisonRecord, FieldAgreement, StoredCurve
from jpasbatch.scoring.evaluation_figures import classifier_key
from jpasbatch.scoring.figure_numbers import agreement_numbers, roc_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def detection_figures(stored: ComparisonRecord) -> Iterator[tuple[str, PageFigure]]:
    """Yield all figures of a comparison that looks for a class, with their names."""
    found = stored.detection
    if found is None:
        return
    sought = class_label(found.sought)
    yield "roc", _roc(found.classifiers, f"Receiver operating characteristics of finding {sought}")
    for number, one in enumerate(found.external):
        text = f"{one.name} against {stored.reference} on the objects that both score"
        yield f"external-{number}", _roc(one.curves, text)
    if field := stored.field:
        numbers = agreement_numbers(field)
        text = f"How many committees call an object {sought}"
        yield "agreement", PageFigure(Drawing.of(agreement_bars(field)), text, numbers)
        if len(field.names) == 3:
            text = f"Overlap of what three committees call {sought}, and of the rest"
            yield "venn", PageFigure(agreement_panels(field), text, numbers)


def _roc(curves: Mapping[str, StoredCurve], text: str) -> PageFigure:
    return PageFigure(roc_curves(curves), text, roc_numbers(curves))


def roc_curves(curves: Mapping[str, StoredCurve]) -> Drawing:
    """Draw receiver operating characteristics (paper B, figures 8, 11 and 12).

    Parameters
    ----------
    curves : mapping of str to StoredCurve
        By name; the legend says the area.
    """
    keys = []
    with house_style():
        figure = new_figure(SINGLE, 4.4)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=":")
        for number, (name, curve) in enumerate(curves.items()):
            key = replace(classifier_key(number, f"{name}: {curve.pooled[0]:.3f}"), marker="")
            axes.plot(*_points(curve), linewidth=1.3, **key.look)
            keys.append(key)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
        axes.set(xlim=(0, 1), ylim=(0, 1))
    return Drawing.of(figure, legend=keys)


def _points(curve: StoredCurve) -> tuple[np.ndarray, np.ndarray]:
    """Return rates of false and of true positives."""
    return np.array(curve.false_positive, dtype=float), np.array(curve.true_positive, dtype=float)


def agreement_bars(field: FieldAgreement) -> Figure:
    """Draw the share of objects by the number of committees that find the class (paper B, figure 10).

    Parameters
    ----------
    field : FieldAgreement
    """
    total, committees = field.objects, len(field.names)
    counts = [
        sum(n for pattern, n in field.patterns.items() if pattern.count("1") == votes)
        for votes in range(committees + 1)
    ]
    sought = class_label(field.sought)
    with house_style():
        figure = new_figure(SINGLE, 3.2)
        axes = figure.subplots()
        unanimous = (0, committees)
        colours = [
            OTHER_COLOURS[4] if votes in unanimous else OTHER_COLOURS[2] for votes in range(committees + 1)
        ]
        bars = axes.bar(range(committees + 1), counts, color=colours, width=0.7)
        labels = [f"{count:,}\n{100 * count / max(total, 1):.1f} %" for count in counts]
        axes.bar_label(bars, labels, padding=2, fontsize=8.5)
        axes.set_xticks(
            range(committees + 1), [f"{votes} of {committees}" for votes in range(committees + 1)]
        )
        axes.set(xlabel=f"committees that find {sought}", ylabel="objects", ylim=(0, 1.25 * max(*counts, 1)))
    return figure


CENTRES = ((-0.5, 0.3), (0.5, 0.3), (0.0, -0.55))
REGIONS = {
    "100": (-1.0, 0.55),
    "010": (1.0, 0.55),
    "001": (0.0, -1.15),
    "110": (0.0, 0.75),
    "101": (-0.56, -0.25),
    "011": (0.56, -0.25),
    "111": (0.0, 0.05),
}


def agreement_panels(field: FieldAgreement) -> Drawing:
    """Draw the overlap of three committees, of the class and of the rest, a panel each; not to scale."""
    panels = []
    for mark, what in _halves(field):
        with house_style():
            figure = new_figure(PANEL, 3.4)
            _draw_circles(figure.subplots(), field, mark)
        panels.append(Panel(figure, f"called {what}"))
    return Drawing(tuple(panels))


def agreement_circles(field: FieldAgreement) -> Figure:
    """Draw the overlap of three committees, of the class and of the rest (paper B, figure 9); not to scale."""
    with house_style():
        figure = new_figure(9, 4.2)
        for axes, (mark, what) in zip(figure.subplots(1, 2), _halves(field), strict=True):
            _draw_circles(axes, field, mark)
            axes.set_title(f"called {what}")
    return figure


def _halves(field: FieldAgreement) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the mark of those that are found in patterns, and of the others, with what each is called."""
    sought = class_label(field.sought)
    return ("1", sought), ("0", f"not {sought}")


def _draw_circles(axes: Axes, field: FieldAgreement, mark: str) -> None:
    from matplotlib.patches import Circle

    for number, (centre, name) in enumerate(zip(CENTRES, field.names, strict=True)):
        colour = OTHER_COLOURS[(4, 5, 3)[number]]
        axes.add_patch(Circle(centre, 0.95, facecolor=colour, alpha=0.18, edgecolor=colour, linewidth=1.2))
        away = np.array(centre) * (2.3, 3.6) if number < 2 else np.array((0.0, -1.75))
        axes.text(away[0], away[1], name, ha="center", va="center", fontsize=9, color=INK)
    for region, place in REGIONS.items():
        pattern = region if mark == "1" else region.translate(str.maketrans("01", "10"))
        count = field.patterns.get(pattern, 0)
        axes.text(*place, f"{count:,}", ha="center", va="center", fontsize=9.5, color=INK)
    axes.set(xlim=(-1.9, 1.9), ylim=(-1.95, 1.5), aspect="equal")
    axes.axis("off")
