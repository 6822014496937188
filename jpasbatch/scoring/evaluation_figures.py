"""Figures of how good classifiers are: by signal-to-noise ratio, and beside each other; panels that fit a telephone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
from jpasbatch.pages.style import LINES, MARKERS, OTHER_COLOURS, house_style, new_figure
from jpasbatch.scoring.evaluation_record import Pair, Row, StoredSignalCurve

Curves = Mapping[str, StoredSignalCurve]
"""By name of a classifier."""


def classifier_key(number: int, label: str) -> Key:
    """Return colour, line and marker of the n-th classifier, under its name."""
    colours = (*OTHER_COLOURS[4:6], *OTHER_COLOURS[2:4], *OTHER_COLOURS[:2], OTHER_COLOURS[6])
    line = LINES[(number // len(colours)) % len(LINES)]
    return Key(label, colours[number % len(colours)], line, MARKERS[number % len(MARKERS)])


def _signal_axis(axes: Any) -> None:
    """Give an axis of S/N its scale and few, plain ticks."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    axes.set(xscale="log", xlabel="median S/N of the bands")
    axes.xaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 50, 100, 200]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())


def _values(*columns: Row) -> list[np.ndarray]:
    """Return columns of a curve; None, as JSON has it, becomes NaN."""
    return [np.array(column, dtype=float) for column in columns]


def signal_curves(curves: Curves) -> Drawing:
    """Draw weighted f1 and median entropy against the median S/N (paper A, figures 5 and 8)."""
    keys = [classifier_key(number, name) for number, name in enumerate(curves)]
    panels = []
    for title, unit in (("weighted f1", ""), ("median entropy", " (bits)")):
        with house_style():
            figure = new_figure(PANEL, 3.0)
            axes = figure.subplots()
            for key, curve in zip(keys, curves.values(), strict=True):
                signal, f1, error, entropy = _values(
                    curve.signal, curve.weighted_f1, curve.weighted_f1_error, curve.entropy
                )
                axes.plot(signal, entropy if unit else f1, ms=3.5, linewidth=1.2, **key.look)
                if not unit:
                    axes.fill_between(
                        signal, f1 - error, f1 + error, color=key.colour, alpha=0.12, linewidth=0
                    )
            axes.set(ylabel=f"{title}{unit}", ylim=(0, None) if unit else None)
            _signal_axis(axes)
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels), tuple(keys) if len(keys) > 1 else ())


def signal_differences(curves: Curves, reference: str) -> Drawing:
    """Draw the difference of weighted f1 to one classifier against S/N (paper A, figure 7)."""
    [base] = _values(curves[reference].weighted_f1)
    keys = {name: classifier_key(number, name) for number, name in enumerate(curves) if name != reference}
    with house_style():
        figure = new_figure(SINGLE, 3.4)
        axes = figure.subplots()
        axes.axhline(0.0, color="#999999", linewidth=1)
        for name, key in keys.items():
            curve = curves[name]
            signal, f1, error = _values(curve.signal, curve.weighted_f1, curve.weighted_f1_error)
            axes.errorbar(signal, f1 - base, error, elinewidth=0.6, ms=3.5, linewidth=1.2, **key.look)
        axes.set(ylabel="difference of weighted f1")
        _signal_axis(axes)
    return Drawing.of(figure, legend=list(keys.values()))


def score_dots(
    scores: Mapping[str, Sequence[Pair]],
    groups: Sequence[str],
    title: str,
    marked: Sequence[float | None],
    logarithmic: bool = False,
) -> Drawing:
    """Draw a score of many classifiers, a panel for each group that holds objects (paper A, figure 1).

    Names are as long as their authors like: rows have numbers, which the legend repeats before the names.

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
    logarithmic : bool
        Whether the axis of the score is.
    """
    keys = [classifier_key(row, f"{row + 1} {name}") for row, name in enumerate(scores)]
    panels = []
    for column, group in enumerate(groups):
        if not any(np.isfinite(np.array(values[column], dtype=float)[0]) for values in scores.values()):
            continue  # no object is in it
        with house_style():
            figure = new_figure(PANEL, 1.0 + 0.24 * len(keys))
            axes = figure.subplots()
            for row, (key, values) in enumerate(zip(keys, scores.values(), strict=True)):
                value, error = np.array(values[column], dtype=float)  # None, as JSON has it, becomes NaN
                look = {**key.look, "linestyle": "none"}
                axes.errorbar([value], [row], xerr=[error] if error else None, ms=5, **look)
            if (published := marked[column]) is not None:
                axes.axvline(published, color="#999999", linewidth=1, linestyle=":")
            axes.set(xlabel=title, xscale="log" if logarithmic else "linear", ylim=(len(keys) - 0.5, -0.5))
            axes.set_yticks(range(len(keys)), [str(row + 1) for row in range(len(keys))])
        panels.append(Panel(figure, group))
    legend = [Key(key.label, key.colour, None, key.marker) for key in keys]
    return Drawing(tuple(panels), tuple(legend))
