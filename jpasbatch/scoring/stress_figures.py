"""Figures of committees under stress: missing bands, all stresses at a glance, and triples along the wavelength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
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


def missing_bands(content: Mapping[str, Any]) -> Drawing:
    """Draw weighted f1 against the number of bands that are missing: anywhere, and side by side."""
    keys, panels = _group_keys(content, markers=True), []
    for kind in (RANDOM, NEIGHBOURS):
        chosen = [one for one in content["stresses"] if one["stress"] in (UNSPOILT, kind)]
        with house_style():
            figure = new_figure(PANEL, 3.0)
            axes = figure.subplots()
            for name, key in keys.items():
                scores = np.array([group_of(one, name)["weighted_f1"] for one in chosen], dtype=float)
                bands = [one["bands"] for one in chosen]
                axes.errorbar(bands, *scores.T, elinewidth=0.7, ms=4, **key.look)
            axes.set(xlabel="bands missing", ylabel="weighted f1")
        panels.append(Panel(figure, kind))
    low, high = zip(*(panel.figure.axes[0].get_ylim() for panel in panels), strict=True)
    for panel in panels:  # both have the same axes, so that they can be compared
        panel.figure.axes[0].set_ylim(min(low), max(high))
    return Drawing(tuple(panels), tuple(keys.values()))


def _group_keys(content: Mapping[str, Any], markers: bool = False) -> dict[str, Key]:
    """Return the look of all objects and of each bin of magnitude."""
    return {
        name: Key(
            name,
            INK if name == ALL else OTHER_COLOURS[(number + 3) % len(OTHER_COLOURS)],
            LINES[number % len(LINES)],
            MARKERS[number % len(MARKERS)] if markers else "",
        )
        for number, name in enumerate([ALL, *bin_names(content)])
    }


def stress_cells(content: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """Return weighted f1 of every stress but the single triples, by group of magnitude, with a colour of what is lost.

    Returns
    -------
    groups : list of str
    rows : list of (str, list of (str, str))
        Name of a stress, and of each group the text of its cell and its colour: ``#rrggbb``.
    """
    from matplotlib.colors import to_hex, to_rgb

    names, rows = magnitude_names(content), []
    for number, stress in enumerate(one for one in content["stresses"] if one["stress"] != TRIPLE):
        cells = []
        for name in names:
            group = group_of(stress, name)
            value, loss = (float(one) for one in (group["weighted_f1"][0], -group["change"][0]))
            full = 0.9 * float(np.clip(np.nan_to_num(loss) / DEEPEST, 0.0, 1.0))
            red, green, blue = (part * full + 1.0 - full for part in to_rgb(LOSS))
            cells.append((_cell(value, loss, number), to_hex((red, green, blue))))
        rows.append(
            (f"{stress['stress']}: {stress['level']}" if stress["level"] else stress["stress"], cells)
        )
    return names, rows


def _cell(value: float, loss: float, row: int) -> str:
    if np.isnan(value):
        return "–"
    return f"{value:.3f}" if row == 0 or np.isnan(loss) else f"{value:.3f} ({-loss:+.3f})"


def triples(content: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Drawing]:
    """Draw what three missing neighbours cost along the wavelength, of all objects by magnitude, and by class.

    Returns
    -------
    dict of str to Drawing
        ``triples`` and ``triples-classes``; nothing where no such stress was tried.
    """
    chosen = [one for one in content["stresses"] if one["stress"] == TRIPLE]
    worst = worst_triple(content)
    if worst is None:
        return {}
    wavelength = np.array([one["wavelength"] for one in chosen])
    groups, colours = _group_keys(content), class_colours(tuple(classes))
    by_group = {
        name: np.array([group_of(one, name)["change"] for one in chosen], dtype=float) for name in groups
    }
    of_classes = {
        name: Key(class_label(name), colours[name], LINES[number % len(LINES)])
        for number, name in enumerate(classes)
    }
    by_class = {
        name: np.array(
            [[group_of(one, ALL)["f1_change"][part][number] for part in (0, 1)] for one in chosen],
            dtype=float,
        )
        for number, name in enumerate(classes)
    }
    said = f"worst: {worst['level']} ({group_of(worst, ALL)['change'][0]:+.3f})"
    first = _along(wavelength, by_group, groups, "change of weighted f1")
    _name_worst(first.axes[0], worst)
    second = _along(wavelength, by_class, of_classes, "change of f1, all objects")
    return {
        "triples": Drawing((Panel(first, "", said),), tuple(groups.values())),
        "triples-classes": Drawing.of(second, legend=list(of_classes.values())),
    }


def _along(
    wavelength: np.ndarray, changes: Mapping[str, np.ndarray], keys: Mapping[str, Key], title: str
) -> Figure:
    """Draw changes with their errors, float64 (bands, 2) each, along the wavelength."""
    with house_style():
        figure = new_figure(SINGLE, 3.2)
        axes = figure.subplots()
        for name, change in changes.items():
            axes.plot(wavelength, change[:, 0], linewidth=1.3, **keys[name].look)
            edges = change[:, 0] - change[:, 1], change[:, 0] + change[:, 1]
            axes.fill_between(wavelength, *edges, color=keys[name].colour, alpha=0.12, linewidth=0)
        axes.axhline(0.0, color="#999999", linewidth=1, zorder=0)
        axes.set(xlabel="wavelength of the middle band (Å)", ylabel=title)
    return figure


def _name_worst(axes: Axes, worst: Mapping[str, Any]) -> None:
    axes.plot(worst["wavelength"], group_of(worst, ALL)["change"][0], "o", ms=5, color=INK)
