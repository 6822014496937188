"""The figure of how the members of a committee learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.learning.curves import Curve
from jpasbatch.pages.style import LINES, OTHER_COLOURS, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MEMBERS = 16
"""Members that are drawn; of more, so many are taken that lie evenly among them."""

MOST_IN_LEGEND = 8


def training_curves(curves: Sequence[Curve]) -> Figure:
    """Draw losses and validation f1 of members against the epoch, with a dot at the epoch that is kept.

    Parameters
    ----------
    curves : sequence of Curve
        Of each member, one at least.
    """
    some = np.unique(np.linspace(0, len(curves) - 1, min(len(curves), MOST_MEMBERS)).round().astype(int))
    with house_style():
        figure = new_figure(10, 3.6)
        left, right = figure.subplots(1, 2)
        for place, number in enumerate(some.tolist()):
            look = {
                "color": OTHER_COLOURS[place % len(OTHER_COLOURS)],
                "linestyle": LINES[(place // len(OTHER_COLOURS)) % len(LINES)],
            }
            name = f"member {number}"
            _draw(left, curves[number], "validation_loss", name, look)
            trained = curves[number].column("training_loss")
            left.plot(curves[number].column("epoch"), trained, **look | {"linestyle": ":"}, linewidth=1.0)
            _draw(right, curves[number], "validation_f1", name, look)
        left.set(xlabel="epoch", ylabel="loss")
        right.set(xlabel="epoch", ylabel="weighted f1, validation")
        if not any(np.isfinite(curve.column("validation_f1")).any() for curve in curves):
            right.text(0.5, 0.5, "not kept of these members", ha="center", transform=right.transAxes)
        if 1 < len(some) <= MOST_IN_LEGEND:
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(some))
        elif len(some) < len(curves):
            left.set_title(f"{len(some)} of {len(curves)} members", loc="left")
    return figure


def _draw(axes: Any, curve: Curve, name: str, label: str, look: dict[str, Any]) -> None:
    epoch, values = curve.column("epoch"), curve.column(name)
    alone = {"marker": "o", "ms": 4} if len(epoch) == 1 else {}
    axes.plot(epoch, values, label=label, linewidth=1.3, **look, **alone)
    kept = epoch == curve.best_epoch
    axes.plot(epoch[kept], values[kept], marker="o", ms=4.5, linestyle="none", color=look["color"])
