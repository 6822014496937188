"""The figure of how the members of a committee learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.learning.curves import Curve
from jpasbatch.pages.drawing import PANEL, Drawing, Key, Panel
from jpasbatch.pages.style import LINES, OTHER_COLOURS, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MEMBERS = 16
"""Members that are drawn; of more, so many are taken that lie evenly among them."""

MOST_IN_LEGEND = 8


def _shown(curves: Sequence[Curve]) -> dict[int, Key]:
    """Return the numbers of the members that are drawn, with their look."""
    some = np.unique(np.linspace(0, len(curves) - 1, min(len(curves), MOST_MEMBERS)).round().astype(int))
    return {
        number: Key(
            f"member {number}",
            OTHER_COLOURS[place % len(OTHER_COLOURS)],
            LINES[(place // len(OTHER_COLOURS)) % len(LINES)],
        )
        for place, number in enumerate(some.tolist())
    }


def training_panels(curves: Sequence[Curve]) -> Drawing:
    """Return the same as `training_curves`, as panels of a page."""
    members, panels = _shown(curves), []
    remark = "" if len(members) == len(curves) else f"{len(members)} of {len(curves)} members"
    for title, draw in (("loss", _draw_losses), ("weighted f1, validation", _draw_f1)):
        with house_style():
            figure = new_figure(PANEL, 3.0)
            draw(figure.subplots(), curves, members)
        panels.append(Panel(figure, title, remark))
    return Drawing(tuple(panels), tuple(members.values()) if len(members) > 1 else ())


def training_curves(curves: Sequence[Curve]) -> Figure:
    """Draw losses and validation f1 of members against the epoch, with a dot at the epoch that is kept.

    Parameters
    ----------
    curves : sequence of Curve
        Of each member, one at least.
    """
    members = _shown(curves)
    with house_style():
        figure = new_figure(10, 3.6)
        left, right = figure.subplots(1, 2)
        _draw_losses(left, curves, members)
        _draw_f1(right, curves, members)
        if 1 < len(members) <= MOST_IN_LEGEND:
            figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(members))
        elif len(members) < len(curves):
            left.set_title(f"{len(members)} of {len(curves)} members", loc="left")
    return figure


def _draw_losses(axes: Axes, curves: Sequence[Curve], members: Mapping[int, Key]) -> None:
    for number, key in members.items():
        _draw(axes, curves[number], "validation_loss", key.label, key.look)
        trained = curves[number].column("training_loss")
        axes.plot(curves[number].column("epoch"), trained, color=key.colour, linestyle=":", linewidth=1.0)
    axes.set(xlabel="epoch", ylabel="loss")


def _draw_f1(axes: Axes, curves: Sequence[Curve], members: Mapping[int, Key]) -> None:
    for number, key in members.items():
        _draw(axes, curves[number], "validation_f1", key.label, key.look)
    axes.set(xlabel="epoch", ylabel="weighted f1, validation")
    if not any(np.isfinite(curve.column("validation_f1")).any() for curve in curves):
        axes.text(0.5, 0.5, "not kept of these members", ha="center", transform=axes.transAxes)


def _draw(axes: Any, curve: Curve, name: str, label: str, look: dict[str, Any]) -> None:
    epoch, values = curve.column("epoch"), curve.column(name)
    alone = {"marker": "o", "ms": 4} if len(epoch) == 1 else {}
    axes.plot(epoch, values, label=label, linewidth=1.3, **look, **alone)
    kept = epoch == curve.best_epoch
    axes.plot(epoch[kept], values[kept], marker="o", ms=4.5, linestyle="none", color=look["color"])
