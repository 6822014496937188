"""Figures of magnitudes, colours and confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import LINES, bin_label, class_colours, class_label, house_style, new_figure
from jpasbatch.products.distributions.tally import Distributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def magnitude_histograms(distributions: Distributions, band: str) -> Figure:
    """Draw how many objects of each predicted class there are at each magnitude."""
    colours = class_colours(distributions.classes)
    with house_style():
        figure = new_figure(4.8, 3.2)
        axes = figure.add_subplot()
        for number, name in enumerate(distributions.classes):
            axes.stairs(
                distributions.magnitudes[number],
                distributions.magnitude_edges,
                color=colours[name],
                linestyle=LINES[number % len(LINES)],
                linewidth=1.6,
                label=class_label(name),
            )
        if distributions.magnitudes.any():
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
        step = np.diff(distributions.magnitude_edges)[0]
        axes.set(xlabel=f"{band} (AB mag)", ylabel=f"objects per {step:g} mag")
        axes.legend(loc="upper left")
    return figure


def colour_colour(distributions: Distributions, bins: tuple[tuple[float, float], ...], band: str) -> Figure:
    """Draw colour against colour for each magnitude bin, classes over each other.

    Cells grow stronger with the logarithm of their count; lines enclose half of the objects of a class.
    """
    colours = class_colours(distributions.classes)
    x, y = distributions.colour_x_edges, distributions.colour_y_edges
    options = distributions.options
    with house_style():
        figure = new_figure(10, 3.7)
        panels = figure.subplots(1, len(bins), sharex=True, sharey=True, squeeze=False)[0]
        for number, (axes, limits) in enumerate(zip(panels, bins, strict=True)):
            for index, name in enumerate(distributions.classes):
                _draw_class(axes, distributions.colours[number, index], x, y, colours[name])
            axes.set_title(bin_label(band, limits))
            axes.set(xlabel=f"{options.colour_x[0]} − {options.colour_x[1]} (AB mag)")
            hidden = int(distributions.without_colours[number].sum())
            axes.annotate(f"{hidden:,} not shown", (0.98, 0.02), xycoords="axes fraction", ha="right", size=8)
        panels[0].set_ylabel(f"{options.colour_y[0]} − {options.colour_y[1]} (AB mag)")
        for name in distributions.classes:
            panels[0].plot([], [], "s", color=colours[name], label=class_label(name))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def confidence(distributions: Distributions, bins: tuple[tuple[float, float], ...], band: str) -> Figure:
    """Draw how sure the committee is: the largest probability, by predicted class and magnitude bin."""
    colours = class_colours(distributions.classes)
    edges = distributions.confidence_edges
    with house_style():
        figure = new_figure(10, 3.1)
        panels = figure.subplots(1, len(bins), sharex=True, squeeze=False)[0]
        for number, (axes, limits) in enumerate(zip(panels, bins, strict=True)):
            for index, name in enumerate(distributions.classes):
                counts = distributions.confidence[number, index]
                if not counts.any():
                    continue
                share = counts / counts.sum() / np.diff(edges)
                line = LINES[index % len(LINES)]
                label = f"{class_label(name)} ({counts.sum():,})"
                axes.stairs(share, edges, color=colours[name], linestyle=line, linewidth=1.5, label=label)
            axes.set_title(bin_label(band, limits))
            axes.set(xlabel="largest probability", xlim=(1 / len(distributions.classes), 1))
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper left", fontsize=8.5)
        panels[0].set_ylabel("density")
    return figure


def _draw_class(axes: Any, counts: np.ndarray, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    from matplotlib.colors import to_rgb

    if not counts.any():
        return
    image = np.zeros((*counts.T.shape, 4))
    image[..., :3] = to_rgb(colour)
    strength = np.log1p(counts.T) / np.log1p(counts.max())
    image[..., 3] = np.where(counts.T > 0, 0.18 + 0.6 * strength, 0)
    extent = (x[0], x[-1], y[0], y[-1])
    axes.imshow(image, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
    if counts.sum() < 50:
        return
    smooth = _smoothed(counts.astype(float))
    ordered = np.sort(smooth.ravel())[::-1]
    level = ordered[np.searchsorted(np.cumsum(ordered), 0.5 * ordered.sum())]
    middle_x, middle_y = (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2
    if level < ordered[0]:
        axes.contour(middle_x, middle_y, smooth.T, levels=[level], colors=[colour], linewidths=1.6)


def _smoothed(counts: np.ndarray) -> np.ndarray:
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, mode="same")
    return counts
