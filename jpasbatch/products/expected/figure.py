"""Figure of expected purity and completeness against the threshold, one panel a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import BLUE, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jpasbatch.products.expected.tally import ThresholdCurves

ORANGE = "#D55E00"
MARKS = 10
"""Thresholds between two marks of the true values."""


def threshold_figure(found: ThresholdCurves, probability: int, titles: Sequence[str]) -> Figure:
    """Draw purity and completeness of one probability, expected as lines and true as marks where the truth is known.

    Parameters
    ----------
    found : ThresholdCurves
    probability : int
        Its position.
    titles : sequence of str
        Of the groups.
    """
    kinds = (
        ("purity", "-", "o", BLUE, found.purity, found.purity_error, found.true_purity),
        (
            "completeness",
            "--",
            "s",
            ORANGE,
            found.completeness,
            found.completeness_error,
            found.true_completeness,
        ),
    )
    rows = -(-len(titles) // 3)
    step = max(len(found.thresholds) // MARKS, 1)
    with house_style():
        figure = new_figure(7.2, 2.5 * rows + 0.4)
        panels = figure.subplots(rows, 3, sharex=True, sharey=True, squeeze=False).ravel()
        for group, title in enumerate(titles):
            axes = panels[group]
            for name, line, marker, colour, value, error, true in kinds:
                middle, spread = value[group, probability], error[group, probability]
                seen = np.isfinite(middle)
                x = found.thresholds[seen]
                axes.plot(x, middle[seen], line, color=colour, lw=1.5, label=f"{name}, expected")
                low, high = np.clip([middle - spread, middle + spread], 0.0, 1.0)
                axes.fill_between(x, low[seen], high[seen], color=colour, alpha=0.2, lw=0)
                marks = true[group, probability][::step]
                if np.isfinite(marks).any():
                    style = {"color": colour, "marker": marker, "ms": 4.0, "ls": "none", "mfc": "none"}
                    axes.plot(found.thresholds[::step], marks, label=f"{name}, true", **style)
            axes.set_title(title)
        for axes in panels[len(titles) :]:
            axes.set_visible(False)
        panels[0].set(xlim=(0, 1), ylim=(-0.02, 1.02))
        figure.supxlabel("threshold of probability", fontsize=9.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
