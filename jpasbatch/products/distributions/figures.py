"""Figures of magnitudes, colours and confidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import LINES, class_colours, class_label, house_style, new_figure
from jpasbatch.products.distributions.tally import Distributions


def class_keys(classes: tuple[str, ...]) -> tuple[Key, ...]:
    """Return the legend of lines, one a class."""
    colours = class_colours(classes)
    return tuple(
        Key(class_label(name), colours[name], LINES[number % len(LINES)])
        for number, name in enumerate(classes)
    )


def magnitude_numbers(found: Distributions) -> Numbers:
    """Return how many objects of each predicted class there are at each magnitude, a row a class and cell."""
    edges, cells = found.magnitude_edges, len(found.magnitude_edges) - 1
    return {
        "predicted class": np.repeat(found.classes, cells),
        "brightest (mag)": np.tile(edges[:-1], len(found.classes)),
        "faintest (mag)": np.tile(edges[1:], len(found.classes)),
        "objects (number)": found.magnitudes.ravel(),
    }


def magnitude_histograms(numbers: Numbers, edges: np.ndarray, classes: tuple[str, ...], band: str) -> Drawing:
    """Draw what `magnitude_numbers` returned, between these edges of cells."""
    keys = class_keys(classes)
    with house_style():
        figure = new_figure(SINGLE, 3.2)
        axes = figure.add_subplot()
        for name, key in zip(classes, keys, strict=True):
            counts = numbers["objects (number)"][numbers["predicted class"] == name]
            axes.stairs(counts, edges, linewidth=1.6, color=key.colour, linestyle=key.line)
        if numbers["objects (number)"].any():
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
        axes.set(xlabel=f"{band} (AB mag)", ylabel=f"objects per {np.diff(edges)[0]:g} mag")
    return Drawing.of(figure, legend=keys)


def colour_numbers(found: Distributions, bins: tuple[str, ...]) -> Numbers:
    """Return colour-colour diagrams: a row a bin, class and cell that holds an object."""
    group, kind, x, y = np.nonzero(found.colours)
    first, second = (f"{one} - {other}" for one, other in (found.options.colour_x, found.options.colour_y))
    return {
        "bin": np.array(bins)[group],
        "predicted class": np.array(found.classes)[kind],
        f"{first} from (mag)": found.colour_x_edges[x],
        f"{first} to (mag)": found.colour_x_edges[x + 1],
        f"{second} from (mag)": found.colour_y_edges[y],
        f"{second} to (mag)": found.colour_y_edges[y + 1],
        "objects (number)": found.colours[group, kind, x, y],
    }


def colour_colour(found: Distributions, bins: tuple[str, ...]) -> Drawing:
    """Draw colour against colour for each magnitude bin, classes over each other.

    Cells grow stronger with the logarithm of their count; lines enclose half of the objects of a class.
    """
    colours = class_colours(found.classes)
    x, y = found.colour_x_edges, found.colour_y_edges
    labels = (f"{one} − {other} (AB mag)" for one, other in (found.options.colour_x, found.options.colour_y))
    horizontal, vertical = labels
    panels = []
    for number, title in enumerate(bins):
        with house_style():
            figure = new_figure(PANEL, 3.2)
            axes = figure.add_subplot()
            for index, name in enumerate(found.classes):
                _draw_class(axes, found.colours[number, index], x, y, colours[name])
            axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), xlabel=horizontal, ylabel=vertical)
        hidden = int(found.without_colours[number].sum())
        panels.append(Panel(figure, title, f"{hidden:,} objects not shown"))
    legend = tuple(Key(class_label(name), colours[name], marker="area") for name in found.classes)
    return Drawing(tuple(panels), legend)


def confidence_numbers(found: Distributions, bins: tuple[str, ...]) -> Numbers:
    """Return how sure the committee is: a row a bin, predicted class and cell of the largest probability."""
    edges, classes = found.confidence_edges, len(found.classes)
    cells = len(edges) - 1
    counts = found.confidence
    whole = np.maximum(counts.sum(axis=2, keepdims=True), 1)
    return {
        "bin": np.repeat(bins, classes * cells),
        "predicted class": np.tile(np.repeat(found.classes, cells), len(bins)),
        "largest probability from (probability)": np.tile(edges[:-1], len(bins) * classes),
        "largest probability to (probability)": np.tile(edges[1:], len(bins) * classes),
        "objects (number)": counts.ravel(),
        "density (per unit of probability)": (counts / whole / np.diff(edges)).ravel(),
    }


def confidence(
    numbers: Numbers, edges: np.ndarray, classes: tuple[str, ...], bins: tuple[str, ...]
) -> Drawing:
    """Draw what `confidence_numbers` returned, between these edges of cells, a panel a bin."""
    keys, panels = class_keys(classes), []
    for title in bins:
        with house_style():
            figure = new_figure(PANEL, 2.7)
            axes = figure.add_subplot()
            for name, key in zip(classes, keys, strict=True):
                rows = (numbers["bin"] == title) & (numbers["predicted class"] == name)
                share = numbers["density (per unit of probability)"][rows]
                if share.any():
                    axes.stairs(share, edges, linewidth=1.5, color=key.colour, linestyle=key.line)
            axes.set(xlabel="largest probability", ylabel="density", xlim=(1 / len(classes), 1))
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels), keys)


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
