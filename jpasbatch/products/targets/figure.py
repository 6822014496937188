"""Figures of target lists: their priorities, and what more fibres gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import BLUE, INK, house_style, new_figure
from jpasbatch.products.targets.targets import TargetSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def target_priorities(targets: TargetSummary) -> Figure:
    """Draw how many targets have each priority."""
    with house_style():
        figure = new_figure(4.8, 2.6)
        axes = figure.add_subplot()
        place = np.arange(1, len(targets.priorities) + 1)
        bars = axes.bar(place, targets.priorities, color=BLUE, width=0.75)
        axes.bar_label(bars, [f"{number:,}" for number in targets.priorities], size=8, color=INK, padding=1)
        axes.set_xticks(place)
        axes.set(xlabel="priority (10 is the highest)", ylabel="targets")
        axes.margins(y=0.12)
        axes.grid(visible=False, axis="x")
    return figure


ORANGE = "#D55E00"
REACH = 4
"""Times the length of a list that its curve is drawn."""


def yield_figure(targets: TargetSummary) -> Figure:
    """Draw the expected right targets with their 68 % interval, and the purity, against the number of fibres."""
    with house_style():
        figure = new_figure(7.2, 2.9)
        left, right = figure.subplots(1, 2)
        area = targets.area_deg2
        scale = 1 / area if area > 0 else 1.0
        unit = " per deg²" if area > 0 else ""
        reach = REACH * max(len(targets.of_rule(number)) for number in range(len(targets.rules)))
        for number, whole in enumerate(targets.curves):
            curve = whole.up_to(reach or len(targets.entries))
            if not len(curve.targets):
                continue
            style = {"color": (BLUE, ORANGE)[number % 2], "ls": ("-", "--", ":")[number // 2 % 3], "lw": 1.5}
            label = targets.rules[number].text or f"rule {number + 1}"
            low, high = curve.interval(targets.shift)
            x = curve.targets * scale
            left.plot(x, curve.expected * scale, label=label, **style)
            left.fill_between(x, low * scale, high * scale, color=style["color"], alpha=0.2, lw=0)
            right.plot(x, curve.purity, **style)
            chosen = len(targets.of_rule(number)) * scale
            for axes in (left, right):
                axes.axvline(chosen, color=style["color"], lw=0.8, ls=":")
        left.set(xlabel=f"fibres{unit}", ylabel=f"expected right{unit}", xlim=(0, None), ylim=(0, None))
        right.set(xlabel=f"fibres{unit}", ylabel="purity", xlim=(0, None), ylim=(0, 1.02))
        if len(targets.rules) > 1:
            figure.legend(loc="outside upper center", ncols=len(targets.rules))
    return figure
