"""Figure of expected purity and completeness against the threshold, one panel a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import BLUE, ORANGE, house_style, new_figure

if TYPE_CHECKING:
    from jpasbatch.products.expected.tally import ThresholdCurves

MARKS = 10
"""Thresholds between two marks of the true values."""

THRESHOLD = "threshold (probability)"

EXPECTED = {
    "purity": Key("purity, expected", BLUE, "-"),
    "completeness": Key("completeness, expected", ORANGE, "--"),
}
TRUE = {
    "purity": Key("purity, true", BLUE, marker="o", hollow=True),
    "completeness": Key("completeness, true", ORANGE, marker="s", hollow=True),
}


def threshold_numbers(found: ThresholdCurves, probability: int, titles: Sequence[str]) -> Numbers:
    """Return purity and completeness of one probability, a row a group and threshold.

    Parameters
    ----------
    found : ThresholdCurves
    probability : int
        Its position.
    titles : sequence of str
        Of the groups.
    """
    numbers: dict[str, Any] = {
        "group": np.repeat(list(titles), len(found.thresholds)),
        THRESHOLD: np.tile(found.thresholds, len(titles)),
        "selected (number)": found.selected[:, probability].ravel(),
    }
    for name in EXPECTED:
        for text, attribute in (("", name), (", scatter", f"{name}_error"), (", true", f"true_{name}")):
            numbers[f"{name}{text} (share)"] = getattr(found, attribute)[:, probability].ravel()
    return numbers


def threshold_figure(numbers: Numbers, titles: Sequence[str]) -> Drawing:
    """Draw what `threshold_numbers` returned: expected values as lines, true ones as marks where the truth is known."""
    known = any(np.isfinite(numbers[f"{name}, true (share)"]).any() for name in TRUE)
    panels = []
    for title in titles:
        rows = numbers["group"] == title
        with house_style():
            figure = new_figure(PANEL, 2.6)
            axes = figure.add_subplot()
            _draw(axes, {name: one[rows] for name, one in numbers.items()})
            axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="threshold of probability", ylabel="share")
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels), (*EXPECTED.values(), *(TRUE.values() if known else ())))


def _draw(axes: Any, numbers: Numbers) -> None:
    thresholds = numbers[THRESHOLD]
    step = max(len(thresholds) // MARKS, 1)
    for name, key in EXPECTED.items():
        middle, spread = numbers[f"{name} (share)"], numbers[f"{name}, scatter (share)"]
        seen = np.isfinite(middle)
        axes.plot(thresholds[seen], middle[seen], lw=1.5, **key.look)
        low, high = np.clip([middle - spread, middle + spread], 0.0, 1.0)
        axes.fill_between(thresholds[seen], low[seen], high[seen], color=key.colour, alpha=0.2, lw=0)
        marks = numbers[f"{name}, true (share)"][::step]
        if np.isfinite(marks).any():
            axes.plot(thresholds[::step], marks, ms=4.0, **TRUE[name].look)
