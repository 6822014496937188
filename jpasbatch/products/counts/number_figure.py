"""Figure of the number counts of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.drawing import SINGLE, Drawing, Key
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import INK, MARKERS, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from jpasbatch.products.counts.number_tally import NumberCountSummary

FEWEST = 0.5
"""Summed probability of a bin below which it is not drawn: a logarithmic axis has no place for what is hardly there."""

UNIT = "deg-2 mag-1"


def number_count_numbers(found: NumberCountSummary, area_deg2: float, classes: Sequence[str]) -> Numbers:
    """Return objects per deg2 and magnitude with their errors, a row a class and bin."""
    bins, widths = len(found.edges) - 1, np.diff(found.edges)[:, None] * area_deg2
    return {
        "class": np.repeat(list(classes), bins),
        "brightest (mag)": np.tile(found.edges[:-1], len(classes)),
        "faintest (mag)": np.tile(found.edges[1:], len(classes)),
        "summed probability (number)": found.number.T.ravel(),
        f"density ({UNIT})": (found.number / widths).T.ravel(),
        f"error ({UNIT})": (found.error / widths).T.ravel(),
        f"true density ({UNIT})": (found.true / widths).T.ravel(),
    }


def number_counts_figure(numbers: Numbers, band: str, classes: Sequence[str]) -> Drawing:
    """Draw what `number_count_numbers` returned; the truth, where it is known, as a line."""
    colours = class_colours(tuple(classes))
    keys, known = [], False
    with house_style():
        figure = new_figure(SINGLE, 3.6)
        axes = figure.add_subplot()
        for place, name in enumerate(classes):
            keys.append(Key(class_label(name), colours[name], marker=MARKERS[place % len(MARKERS)]))
            rows = numbers["class"] == name
            number, density, error, true = (
                numbers[column][rows]
                for column in (
                    "summed probability (number)",
                    f"density ({UNIT})",
                    f"error ({UNIT})",
                    f"true density ({UNIT})",
                )
            )
            middles = 0.5 * (numbers["brightest (mag)"] + numbers["faintest (mag)"])[rows]
            seen = number >= FEWEST
            # what reaches zero has no place on a logarithmic axis
            spread = [np.minimum(np.nan_to_num(error), 0.95 * density)[seen], np.nan_to_num(error)[seen]]
            axes.errorbar(middles[seen], density[seen], spread, ms=3.5, **keys[-1].look)
            if np.isfinite(true).all():
                known = True
                axes.step(middles, np.where(true > 0, true, np.nan), where="mid", color=colours[name], lw=1.0)
        axes.set_yscale("log")
        axes.set(xlabel=f"{band} (AB mag)", ylabel="objects per deg² and mag")
    return Drawing.of(figure, legend=(*keys, *([Key("true", INK, "-")] if known else [])))
