"""Figure of this sky's counts by magnitude beside published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.drawing import SINGLE, Drawing, Key
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import INK, LINES, MARKERS, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from jpasbatch.products.literature.comparison import Comparison

FEWEST = 0.5
"""Objects of ours below which a point is not drawn: a logarithmic axis has no place for what is hardly there."""

UNIT = "deg-2 mag-1"


def literature_numbers(comparisons: Sequence[Comparison], area_deg2: float) -> Numbers:
    """Return objects per deg2 and magnitude, here and as published, a row a table, class and bin."""
    limits = np.array([one.interval[1:] for one in comparisons])
    width = np.diff(limits, axis=1)[:, 0]
    ours = np.array([(one.number, one.error) for one in comparisons])
    return {
        "table": np.array([one.table.title for one in comparisons]),
        "classes": np.array(["+".join(one.group.classes) for one in comparisons]),
        "brightest (mag)": limits[:, 0],
        "faintest (mag)": limits[:, 1],
        "here, summed probability (number)": ours[:, 0],
        f"here ({UNIT})": ours[:, 0] / (width * area_deg2),
        f"here, error ({UNIT})": ours[:, 1] / (width * area_deg2),
        f"published ({UNIT})": np.array([one.published.per_deg2 for one in comparisons]) / width,
    }


def literature_figure(numbers: Numbers, band: str, classes: tuple[str, ...]) -> Drawing:
    """Draw what `literature_numbers` returned: ours as points with errors, published ones as lines.

    Parameters
    ----------
    numbers : mapping of str to ndarray
    band : str
        As the axis names it.
    classes : tuple of str
        Of the job.
    """
    tables, groups = (list(dict.fromkeys(numbers[name].tolist())) for name in ("table", "classes"))
    middle = 0.5 * (numbers["brightest (mag)"] + numbers["faintest (mag)"])
    keys = []
    with house_style():
        figure = new_figure(SINGLE, 3.6)
        axes = figure.add_subplot()
        for place, group in enumerate(groups):
            colour, of_group = _colour(group, classes), numbers["classes"] == group
            tables_of = [name for name in tables if (of_group & (numbers["table"] == name)).any()]
            for name in tables_of:
                rows = of_group & (numbers["table"] == name)
                theirs = numbers[f"published ({UNIT})"][rows]
                style = {"ls": LINES[tables.index(name) % len(LINES)], "color": colour, "lw": 1.2}
                axes.plot(middle[rows], np.where(theirs > 0, theirs, np.nan), **style)
            label = " + ".join(class_label(one) for one in group.split("+"))
            keys.append(Key(f"{label}, here", colour, marker=MARKERS[place % len(MARKERS)]))
            rows = of_group & (numbers["table"] == tables_of[0])
            _draw_ours(axes, middle[rows], {name: one[rows] for name, one in numbers.items()}, keys[-1])
        axes.set_yscale("log")
        axes.set(xlabel=f"{band} (AB mag)", ylabel="objects per deg² and mag")
    keys += [Key(name, INK, LINES[number % len(LINES)]) for number, name in enumerate(tables)]
    return Drawing.of(figure, legend=keys)


def _colour(group: str, classes: tuple[str, ...]) -> str:
    return INK if "+" in group else class_colours(classes)[group]


def _draw_ours(axes: Any, middle: np.ndarray, numbers: Numbers, key: Key) -> None:
    seen = numbers["here, summed probability (number)"] >= FEWEST
    value, error = numbers[f"here ({UNIT})"][seen], np.nan_to_num(numbers[f"here, error ({UNIT})"][seen])
    spread = np.array([np.minimum(error, 0.95 * value), error])
    axes.errorbar(middle[seen], value, spread, ms=4, **key.look)
