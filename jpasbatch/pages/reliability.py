"""The reliability diagram: how often probabilities come true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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


def reliability(curves: tuple[ReliabilityCurve, ...], classes: tuple[str, ...]) -> Figure:
    """Draw the true fraction against the mean probability, and how many objects each point stands for."""
    from matplotlib.ticker import NullFormatter

    colours = class_colours(classes)
    with house_style():
        figure = new_figure(5.2, 5.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
        upper.plot([0, 1], [0, 1], color=INK, alpha=0.5, linewidth=1, linestyle=":")
        for curve in curves:
            style = classes.index(curve.class_name)
            colour, line = colours[curve.class_name], LINES[style % len(LINES)]
            filled = curve.count > 0
            mean, fraction, count = (
                one[filled] for one in (curve.mean_probability, curve.fraction, curve.count)
            )
            error = curve.spread(filled)
            label = f"{class_label(curve.class_name)}, ECE {curve.ece:.3f}"
            marker = MARKERS[style % len(MARKERS)]
            options: dict[str, Any] = {"color": colour, "linestyle": line, "marker": marker, "ms": 4.5}
            upper.errorbar(mean, fraction, error, label=label, linewidth=1.3, elinewidth=0.9, **options)
            lower.plot(mean, count, linewidth=1.3, **options)
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04), ylabel="fraction truly of the class")
        upper.legend(loc="best")
        lower.set(yscale="log", xlabel="mean predicted probability", ylabel="objects")
        lower.yaxis.set_minor_formatter(NullFormatter())  # else a short axis is crowded
    return figure
