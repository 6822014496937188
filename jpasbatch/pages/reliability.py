"""The reliability diagram: how often probabilities come true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.drawing import Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import INK, LINES, MARKERS, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReliabilityCurve:
    """Reliability of the probabilities of one class (Martinez-Solaeche et al. 2023, eqs. 10-12).

    Attributes
    ----------
    class_name : str
    mean_probability, fraction : float (bins,)
        Mean probability, and fraction of objects that truly are of the class; NaN in empty bins.
    count : int (bins,)
    ece : float
        Expected calibration error.
    lower, upper : float (bins,), optional
        Central 68 % interval of the fraction; without them the binomial standard deviation is drawn.
    """

    class_name: str
    mean_probability: np.ndarray
    fraction: np.ndarray
    count: np.ndarray
    ece: float
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None

    def spread(self, filled: np.ndarray) -> np.ndarray:
        """Return how far the bars of some bins reach below and above, (2, bins)."""
        fraction, count = self.fraction[filled], self.count[filled]
        if self.lower is None or self.upper is None:
            return np.tile(np.sqrt(fraction * (1 - fraction) / count), (2, 1))
        return np.array([fraction - self.lower[filled], self.upper[filled] - fraction])


def reliability(
    kinds: Mapping[str, tuple[ReliabilityCurve, ...]], classes: tuple[str, ...], errors: bool = True
) -> Drawing:
    """Draw the true fraction against the mean probability, and how many objects each point stands for.

    Parameters
    ----------
    kinds : mapping of str to tuple of ReliabilityCurve
        By title: a panel each, which share the legend.
    classes : tuple of str
    errors : bool
        Whether the legend says the calibration errors, of the first kind.
    """
    keys = {
        curve.class_name: _key(curve, classes, errors)
        for curves in reversed(list(kinds.values()))
        for curve in curves
    }
    panels = tuple(Panel(_diagram(curves, keys), title) for title, curves in kinds.items())
    return Drawing(panels, tuple(keys[name] for name in classes if name in keys))


def curve_numbers(kinds: Mapping[str, tuple[ReliabilityCurve, ...]]) -> Numbers:
    """Return curves as a table: a row a kind, class and bin of probability that holds an object."""
    columns: dict[str, list[np.ndarray]] = {}
    for title, curves in kinds.items():
        for curve in curves:
            filled = curve.count > 0
            below, above = curve.spread(filled)
            part = {
                "probabilities": np.full(int(filled.sum()), title),
                "class": np.full(int(filled.sum()), curve.class_name),
                "mean (probability)": curve.mean_probability[filled],
                "fraction of the class (share)": curve.fraction[filled],
                "lower (share)": curve.fraction[filled] - below,
                "upper (share)": curve.fraction[filled] + above,
                "objects (number)": curve.count[filled],
            }
            for name, values in part.items():
                columns.setdefault(name, []).append(values)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _key(curve: ReliabilityCurve, classes: tuple[str, ...], errors: bool) -> Key:
    place, name = classes.index(curve.class_name), class_label(curve.class_name)
    label = f"{name}, ECE {curve.ece:.3f}" if errors else name
    colour = class_colours(classes)[curve.class_name]
    return Key(label, colour, LINES[place % len(LINES)], MARKERS[place % len(MARKERS)])


def _diagram(curves: tuple[ReliabilityCurve, ...], keys: Mapping[str, Key]) -> Figure:
    from matplotlib.ticker import NullFormatter

    with house_style():
        figure = new_figure(4.4, 4.4)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
        upper.plot([0, 1], [0, 1], color=INK, alpha=0.5, linewidth=1, linestyle=":", label="_guide")
        for curve in curves:
            filled = curve.count > 0
            mean, fraction, count = (
                one[filled] for one in (curve.mean_probability, curve.fraction, curve.count)
            )
            look = keys[curve.class_name].look | {"ms": 4.5, "linewidth": 1.3}
            upper.errorbar(mean, fraction, curve.spread(filled), elinewidth=0.9, **look)
            lower.plot(mean, count, **look)
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04), ylabel="fraction truly of the class")
        lower.set(yscale="log", xlabel="mean predicted probability", ylabel="objects")
        lower.yaxis.set_minor_formatter(NullFormatter())  # else a short axis is crowded
    return figure
