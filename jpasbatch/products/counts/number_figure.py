"""Figure of the number counts of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import class_colours, class_label, house_style, new_figure

FEWEST = 0.5
"""Summed probability of a bin below which it is not drawn: a logarithmic axis has no place for what is hardly there."""

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jpasbatch.products.counts.number_tally import NumberCountSummary


def number_counts_figure(
    found: NumberCountSummary, area_deg2: float, band: str, classes: Sequence[str]
) -> Figure:
    """Draw objects per deg2 and magnitude with 68 % intervals; the truth, where it is known, as a line."""
    widths = np.diff(found.edges)[:, None] * area_deg2
    middles = 0.5 * (found.edges[1:] + found.edges[:-1])
    colours = class_colours(tuple(classes))
    with house_style():
        figure = new_figure(6.2, 4.0)
        axes = figure.add_subplot()
        for number, name in enumerate(classes):
            density = (found.number / widths)[:, number]
            error = np.nan_to_num((found.error / widths)[:, number])
            seen = found.number[:, number] >= FEWEST
            below = np.minimum(error, 0.95 * density)  # what reaches zero has no place on a logarithmic axis
            axes.errorbar(
                middles[seen],
                density[seen],
                [below[seen], error[seen]],
                fmt="o",
                ms=3.5,
                color=colours[name],
                label=class_label(name),
            )
            true = (found.true / widths)[:, number]
            if np.isfinite(true).all():
                axes.step(middles, np.where(true > 0, true, np.nan), where="mid", color=colours[name], lw=1.0)
        axes.set_yscale("log")
        axes.set(xlabel=f"{band} (AB mag)", ylabel="objects per deg² and mag")
        figure.legend(loc="outside upper center", ncols=len(classes))
    return figure
