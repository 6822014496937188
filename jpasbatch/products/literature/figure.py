"""Figure of this sky's counts by magnitude beside published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import INK, LINES, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jpasbatch.products.literature.comparison import Comparison

FEWEST = 0.5
"""Objects of ours below which a point is not drawn: a logarithmic axis has no place for what is hardly there."""


def literature_figure(
    comparisons: Sequence[Comparison], area_deg2: float, band: str, classes: tuple[str, ...]
) -> Figure:
    """Draw objects per deg2 and magnitude: ours as points with errors, published ones as lines.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Bins of magnitude in one band.
    area_deg2 : float
    band : str
        As the axis names it.
    classes : tuple of str
        Of the job.
    """
    colours = class_colours(classes)
    tables = list(dict.fromkeys(one.table for one in comparisons))
    groups = list(dict.fromkeys(one.group for one in comparisons))
    with house_style():
        figure = new_figure(6.2, 4.2)
        axes = figure.add_subplot()
        for group in groups:
            colour = colours[group.classes[0]] if len(group.classes) == 1 else INK
            name = " + ".join(class_label(one) for one in group.classes)
            drawn = False
            for number, table in enumerate(tables):
                rows = [one for one in comparisons if one.table == table and one.group == group]
                if not rows:
                    continue
                limits = np.array([one.interval[1:] for one in rows])
                middle, width = limits.mean(axis=1), np.diff(limits, axis=1)[:, 0]
                theirs = np.array([one.published.per_deg2 for one in rows]) / width
                label = table.title if group == groups[-1] else None
                shown = np.where(theirs > 0, theirs, np.nan)
                axes.plot(middle, shown, ls=LINES[number % len(LINES)], color=colour, lw=1.2, label=label)
                if not drawn:
                    ours = np.array([(one.number, one.error) for one in rows]) / (width * area_deg2)[:, None]
                    seen = np.array([one.number for one in rows]) >= FEWEST
                    value, error = ours[seen, 0], np.nan_to_num(ours[seen, 1])
                    below = np.minimum(error, 0.95 * value)
                    spread = np.array([below, error])
                    axes.errorbar(
                        middle[seen], value, spread, fmt="o", ms=4, color=colour, label=f"{name}, here"
                    )
                    drawn = True
        axes.set_yscale("log")
        axes.set(xlabel=f"{band} (AB mag)", ylabel="objects per deg² and mag")
        figure.legend(loc="outside upper center", ncols=2)
    return figure
