"""Figures of classifiers that look for one class: their curves, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import INK, OTHER_COLOURS, class_label, house_style, new_figure
from jpasbatch.scoring.evaluation_figures import classifier_look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def detection_figures(stored: Mapping[str, Any]) -> Iterator[tuple[str, Figure, str]]:
    """Yield name, figure and description of all figures of a comparison that looks for a class."""
    found = stored["detection"]
    if not found:
        return
    sought = class_label(found["sought"])
    yield "roc", roc_curves(found["classifiers"]), f"Receiver operating characteristics of finding {sought}"
    for number, one in enumerate(found["external"]):
        text = f"{one['name']} against {stored['comparison']['reference']} on the objects that both score"
        yield f"external-{number}", roc_curves(one["curves"]), text
    if field := stored["field"]:
        yield "agreement", agreement_bars(field), f"How many committees call an object {sought}"
        if len(field["names"]) == 3:
            yield (
                "venn",
                agreement_circles(field),
                f"Overlap of what three committees call {sought}, and of the rest",
            )


def roc_curves(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw receiver operating characteristics (paper B, figures 8, 11 and 12).

    Parameters
    ----------
    curves : mapping
        By name: ``false_positive``, ``true_positive`` and ``pooled``, the area with its error.
    """
    with house_style():
        figure = new_figure(7.6, 4.6)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=":")
        for number, (name, curve) in enumerate(curves.items()):
            look = classifier_look(number, marker="", linewidth=1.3)
            label = f"{name}: {curve['pooled'][0]:.3f}"
            axes.plot(curve["false_positive"], curve["true_positive"], label=label, **look)
        axes.set(
            xlabel="false positive rate",
            ylabel="true positive rate",
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        axes.legend(fontsize=8.5, loc="center left", bbox_to_anchor=(1.02, 0.5), title="area under the curve")
    return figure


def agreement_bars(field: Mapping[str, Any]) -> Figure:
    """Draw the share of objects by the number of committees that find the class (paper B, figure 10).

    Parameters
    ----------
    field : mapping
        ``names``, ``patterns``, ``objects`` and ``sought``.
    """
    total, committees = field["objects"], len(field["names"])
    counts = [
        sum(n for pattern, n in field["patterns"].items() if pattern.count("1") == votes)
        for votes in range(committees + 1)
    ]
    sought = class_label(field["sought"])
    with house_style():
        figure = new_figure(6.5, 3.2)
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


def agreement_circles(field: Mapping[str, Any]) -> Figure:
    """Draw the overlap of three committees, of the class and of the rest (paper B, figure 9); not to scale."""
    from matplotlib.patches import Circle

    sought = class_label(field["sought"])
    with house_style():
        figure = new_figure(9, 4.2)
        for axes, mark, what in zip(figure.subplots(1, 2), "10", (sought, f"not {sought}"), strict=True):
            for number, (centre, name) in enumerate(zip(CENTRES, field["names"], strict=True)):
                colour = OTHER_COLOURS[(4, 5, 3)[number]]
                axes.add_patch(
                    Circle(centre, 0.95, facecolor=colour, alpha=0.18, edgecolor=colour, linewidth=1.2)
                )
                away = np.array(centre) * (2.3, 3.6) if number < 2 else np.array((0.0, -1.75))
                axes.text(*away, name, ha="center", va="center", fontsize=9, color=INK)
            for region, place in REGIONS.items():
                pattern = region if mark == "1" else region.translate(str.maketrans("01", "10"))
                count = field["patterns"].get(pattern, 0)
                axes.text(*place, f"{count:,}", ha="center", va="center", fontsize=9.5, color=INK)
            axes.set(xlim=(-1.9, 1.9), ylim=(-1.95, 1.5), aspect="equal", title=f"called {what}")
            axes.axis("off")
    return figure
