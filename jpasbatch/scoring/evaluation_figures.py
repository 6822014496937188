"""Figures of how good classifiers are: by signal-to-noise ratio, and beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import LINES, MARKERS, OTHER_COLOURS, class_label, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def classifier_look(number: int, **more: Any) -> dict[str, Any]:
    """Return colour, line and marker of the n-th classifier, and what else is asked for."""
    colours = (*OTHER_COLOURS[4:6], *OTHER_COLOURS[2:4], *OTHER_COLOURS[:2], OTHER_COLOURS[6])
    return {
        "color": colours[number % len(colours)],
        "linestyle": LINES[(number // len(colours)) % len(LINES)],
        "marker": MARKERS[number % len(MARKERS)],
        **more,
    }


def _signal_axis(axes: Any) -> None:
    """Give an axis of S/N its scale and few, plain ticks."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    axes.set(xscale="log", xlabel="median S/N of the bands")
    axes.xaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 50, 100, 200]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())


def signal_curves(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw weighted f1 and median entropy against the median S/N (paper A, figures 5 and 8).

    Parameters
    ----------
    curves : mapping
        By name: ``signal``, ``weighted_f1``, ``weighted_f1_error`` and ``entropy``, a value each bin.
    """
    with house_style():
        figure = new_figure(10, 3.6)
        left, right = figure.subplots(1, 2, sharex=True)
        for number, (name, curve) in enumerate(curves.items()):
            look = classifier_look(number, ms=3.5, linewidth=1.2)
            signal = np.array(curve["signal"], dtype=float)
            f1, error = (np.array(curve[key], dtype=float) for key in ("weighted_f1", "weighted_f1_error"))
            left.plot(signal, f1, label=name, **look)
            left.fill_between(signal, f1 - error, f1 + error, color=look["color"], alpha=0.12, linewidth=0)
            right.plot(signal, np.array(curve["entropy"], dtype=float), **look)
        left.set(ylabel="weighted f1")
        right.set(ylabel="median entropy (bits)", ylim=(0, None))
        _signal_axis(left)  # which both share
        right.set_xlabel("median S/N of the bands")
        if len(curves) > 1:
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def signal_differences(curves: Mapping[str, Mapping[str, Sequence[float]]], reference: str) -> Figure:
    """Draw the difference of weighted f1 to one classifier against S/N (paper A, figure 7)."""
    base = np.array(curves[reference]["weighted_f1"], dtype=float)
    with house_style():
        figure = new_figure(6.5, 3.6)
        axes = figure.subplots()
        axes.axhline(0.0, color="#999999", linewidth=1)
        for number, (name, curve) in enumerate(curves.items()):
            if name != reference:
                f1, error = (
                    np.array(curve[key], dtype=float) for key in ("weighted_f1", "weighted_f1_error")
                )
                look = classifier_look(number, ms=3.5, linewidth=1.2)
                axes.errorbar(curve["signal"], f1 - base, error, label=name, elinewidth=0.6, **look)
        axes.set(
            xscale="log", xlabel="median S/N of the bands", ylabel=f"weighted f1 less that of {reference}"
        )
        axes.legend(fontsize=8.5)
    return figure


def score_dots(
    scores: Mapping[str, Sequence[tuple[float, float]]],
    groups: Sequence[str],
    title: str,
    marked: Sequence[float | None],
) -> Figure:
    """Draw a score of many classifiers, a panel for each group of objects (paper A, figure 1).

    Parameters
    ----------
    scores : mapping
        By classifier: value and error in each group.
    groups : sequence of str
        Names of the groups.
    title : str
        What the score is.
    marked : sequence of float or None
        A published value in each group, drawn as a line; it was measured on other data.
    """
    names = list(scores)
    with house_style():
        figure = new_figure(10, 0.9 + 0.26 * len(names))
        panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
        for column, (axes, group) in enumerate(zip(panels, groups, strict=True)):
            for row, name in enumerate(names):
                value, error = np.array(
                    scores[name][column], dtype=float
                )  # None, as JSON has it, becomes NaN
                axes.errorbar([value], [row], xerr=[error], **classifier_look(row, linestyle="none", ms=5))
            if marked[column] is not None:
                axes.axvline(marked[column], color="#999999", linewidth=1, linestyle=":")
            axes.set_title(group)
            axes.set_xlabel(title)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def calibration_dots(errors: Mapping[str, Sequence[float]], classes: Sequence[str]) -> Figure:
    """Draw the expected calibration error of each class, one row for each classifier (paper A, figure 6)."""
    names = list(errors)
    with house_style():
        figure = new_figure(7, 0.9 + 0.26 * len(names))
        axes = figure.subplots()
        for k, name in enumerate(classes):
            values = np.array([errors[row][k] for row in names], dtype=float)
            axes.plot(
                values, range(len(names)), label=class_label(name), **classifier_look(k, linestyle="none")
            )
        axes.set_yticks(range(len(names)), names)
        axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="expected calibration error", xscale="log")
        axes.legend(fontsize=8.5, ncols=len(classes), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
