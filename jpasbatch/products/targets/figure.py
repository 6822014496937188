"""Figure of the priorities of targets."""

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
