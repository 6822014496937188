"""Figures of committees under stress: missing bands, all stresses at a glance, and triples along the wavelength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import (
    INK,
    LINES,
    MARKERS,
    OTHER_COLOURS,
    class_colours,
    class_label,
    house_style,
    new_figure,
)
from jpasbatch.scoring.stress import NEIGHBOURS, RANDOM, TRIPLE, UNSPOILT
from jpasbatch.scoring.stress_findings import bin_names, group_of, magnitude_names, worst_triple
from jpasbatch.scoring.stress_scores import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS = "#D55E00"
"""Colour of a loss in the map; a loss of `DEEPEST` has it in full."""

DEEPEST = 0.2
LABEL_INCHES, CELL_INCHES, ROW_INCHES = 3.9, 1.15, 0.29
WIDEST_LABEL = 52
"""Characters of a row's name."""


def missing_bands(content: Mapping[str, Any]) -> Figure:
    """Draw weighted f1 against the number of bands that are missing: anywhere, and side by side."""
    names = [ALL, *bin_names(content)]
    with house_style():
        figure = new_figure(10, 3.6)
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, kind in zip(panels, (RANDOM, NEIGHBOURS), strict=True):
            chosen = [one for one in content["stresses"] if one["stress"] in (UNSPOILT, kind)]
            for number, name in enumerate(names):
                scores = np.array([group_of(one, name)["weighted_f1"] for one in chosen], dtype=float)
                look = {
                    "color": INK if name == ALL else OTHER_COLOURS[(number + 3) % len(OTHER_COLOURS)],
                    "linestyle": LINES[number % len(LINES)],
                    "marker": MARKERS[number % len(MARKERS)],
                }
                axes.errorbar(
                    [one["bands"] for one in chosen], *scores.T, label=name, elinewidth=0.7, ms=4, **look
                )
            axes.set(xlabel="bands missing", title=kind)
        panels[0].set_ylabel("weighted f1")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def stress_map(content: Mapping[str, Any]) -> Figure:
    """Draw weighted f1 of every stress but the single triples, by group of magnitude; colour is what is lost."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    names = magnitude_names(content)
    rows = [one for one in content["stresses"] if one["stress"] != TRIPLE]
    with house_style():
        figure = new_figure(LABEL_INCHES + CELL_INCHES * len(names), 0.6 + ROW_INCHES * len(rows))
        axes = figure.add_subplot()
        for row, stress in enumerate(rows):
            for column, name in enumerate(names):
                group = group_of(stress, name)
                value, loss = (float(one) for one in (group["weighted_f1"][0], -group["change"][0]))
                full = float(np.clip(np.nan_to_num(loss) / DEEPEST, 0.0, 1.0))
                place = (column - 0.48, row - 0.46)
                axes.add_patch(
                    Rectangle(place, 0.96, 0.92, facecolor=to_rgba(LOSS, 0.9 * full), edgecolor="none")
                )
                axes.text(column, row, _cell(value, loss, row), ha="center", va="center", size=8.5, color=INK)
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.set_xticks(range(len(names)), [_wrapped(name) for name in names])
        axes.set_yticks(range(len(rows)), [_shortened(one) for one in rows])
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _wrapped(name: str) -> str:
    """Return the name of a bin on two lines, so that names of columns do not touch."""
    low, less, high = name.partition(" < ")
    return f"{low}{less.rstrip()}\n{high}" if less else name


def _cell(value: float, loss: float, row: int) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if row == 0 or np.isnan(loss) else f"{value:.3f}  {-loss:+.3f}"


def _shortened(stress: Mapping[str, Any]) -> str:
    text = f"{stress['stress']}: {stress['level']}" if stress["level"] else stress["stress"]
    return text if len(text) <= WIDEST_LABEL else f"{text[: WIDEST_LABEL - 1]}…"


def triples(content: Mapping[str, Any], classes: Sequence[str]) -> Figure | None:
    """Draw what three missing neighbours cost along the wavelength, for all objects and by class; None without any."""
    chosen = [one for one in content["stresses"] if one["stress"] == TRIPLE]
    worst = worst_triple(content)
    if worst is None:
        return None
    wavelength = np.array([one["wavelength"] for one in chosen])
    names = [ALL, *bin_names(content)]
    with house_style():
        figure = new_figure(10, 5.2)
        above, below = figure.subplots(2, 1, sharex=True)
        for number, name in enumerate(names):
            change = np.array([group_of(one, name)["change"] for one in chosen], dtype=float)
            colour = INK if name == ALL else OTHER_COLOURS[(number + 3) % len(OTHER_COLOURS)]
            _line(above, wavelength, change, name, {"color": colour, "linestyle": LINES[number % len(LINES)]})
        colours = class_colours(tuple(classes))
        for number, name in enumerate(classes):
            values, errors = (
                np.array([group_of(one, ALL)["f1_change"][part][number] for one in chosen], dtype=float)
                for part in (0, 1)
            )
            look = {"color": colours[name], "linestyle": LINES[number % len(LINES)]}
            _line(below, wavelength, np.stack([values, errors], axis=1), class_label(name), look)
        above.set(ylabel="change of weighted f1")
        below.set(ylabel="change of f1, all objects", xlabel="wavelength of the middle band (Å)")
        _name_worst(above, worst)
        for axes in (above, below):
            axes.axhline(0.0, color="#999999", linewidth=1, zorder=0)
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _line(axes: Axes, wavelength: np.ndarray, change: np.ndarray, name: str, look: dict[str, Any]) -> None:
    axes.plot(wavelength, change[:, 0], label=name, linewidth=1.3, **look)
    edges = change[:, 0] - change[:, 1], change[:, 0] + change[:, 1]
    axes.fill_between(wavelength, *edges, color=look["color"], alpha=0.12, linewidth=0)


def _name_worst(axes: Axes, worst: Mapping[str, Any]) -> None:
    change = group_of(worst, ALL)["change"][0]
    axes.plot(worst["wavelength"], change, "o", ms=5, color=INK)
    axes.set_title(f"worst: {worst['level']} ({change:+.3f})", loc="left")
