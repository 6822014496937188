"""Figures of the survey: the sky, counts, magnitudes, colours and target priorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import (
    BLUE,
    INK,
    LINES,
    bin_label,
    class_colours,
    class_label,
    house_style,
    new_figure,
)
from jpasbatch.products.accumulation import sum_by_pixel
from jpasbatch.products.counts import CountSummary
from jpasbatch.products.distributions import Distributions
from jpasbatch.products.sky import SkyMap
from jpasbatch.products.targets.targets import TargetSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE_FIELD_DEG = 60.0
MINIMUM_MEAN_COUNT = 10


def sky_map(sky: SkyMap, counted: tuple[str, ...]) -> Figure:
    """Draw the density of all objects, and of those predicted to be of the ``counted`` classes.

    The second map uses a coarser grid where there would be too few objects in a pixel.
    """
    everything = sky.counts.sum(axis=1)
    chosen = sky.counts[:, [sky.classes.index(name) for name in counted]].sum(axis=1)
    label = " + ".join(class_label(name) for name in counted)
    with house_style():
        figure = new_figure(10, 4.2)
        for place, (title, values) in enumerate((("all objects", everything), (label, chosen))):
            nside, pixels, counts = sky.nside, sky.pixels, values[:, None]
            while place and nside > 32 and counts.mean() < MINIMUM_MEAN_COUNT:
                nside, (pixels, counts) = nside // 2, sum_by_pixel(pixels // 4, counts)
            density = counts[:, 0] / (sky.pixel_deg2 * (sky.nside / nside) ** 2)
            _draw_sky(figure, place, nside, pixels, density, title)
    return figure


def _draw_sky(
    figure: Figure, place: int, nside: int, pixels: np.ndarray, density: np.ndarray, title: str
) -> None:
    import healpy

    ra, dec = healpy.pix2ang(nside, pixels, nest=True, lonlat=True)
    centre = np.rad2deg(np.angle(np.exp(1j * np.deg2rad(ra)).mean()))
    offset = (ra - centre + 180) % 360 - 180
    margin = 1.2 * np.rad2deg(healpy.nside2resol(nside))
    stretch = 1 / max(np.cos(np.deg2rad(dec.mean())), 0.05)
    wide = np.ptp(offset) / stretch > WIDE_FIELD_DEG
    if wide:
        axes: Any = figure.add_subplot(1, 2, place + 1, projection="mollweide")
        x, y, centre = np.linspace(-180, 180, 721), np.linspace(-90, 90, 361), 0.0
    else:
        axes = figure.add_subplot(1, 2, place + 1)
        half = max(np.abs(offset).max() + margin * stretch, 0.1)
        x = np.linspace(-half, half, 601)
        y = np.clip(np.linspace(dec.min() - margin, dec.max() + margin, 601), -90, 90)
    grid_x, grid_y = np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2)
    found = healpy.ang2pix(nside, (grid_x + centre) % 360, grid_y, nest=True, lonlat=True)
    place_of = np.minimum(np.searchsorted(pixels, found), len(pixels) - 1)
    image = np.where(pixels[place_of] == found, density[place_of], np.nan)
    axes.grid(visible=False)
    if wide:
        mesh = axes.pcolormesh(-np.deg2rad(x), np.deg2rad(y), image, cmap="viridis", rasterized=True)
        axes.set_xticklabels([])
    else:
        mesh = axes.imshow(
            image,
            extent=(centre - half, centre + half, y[0], y[-1]),
            origin="lower",
            cmap="viridis",
            interpolation="nearest",
            aspect=stretch,
        )
        axes.invert_xaxis()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value % 360:g}")
        axes.set(xlabel="right ascension (deg)", ylabel="declination (deg)")
    axes.set_title(f"{title} (HEALPix nside {nside})")
    bar = figure.colorbar(mesh, ax=axes, shrink=0.8, label="objects per deg²")
    bar.outline.set_visible(False)


def counts_by_bin(counts: CountSummary, bins: tuple[tuple[float, float], ...], band: str) -> Figure:
    """Draw QSOs per deg2 in each magnitude bin, by both definitions, with 68 % intervals."""
    with house_style():
        figure = new_figure(4.8, 3.2)
        axes = figure.add_subplot()
        kinds = (
            ("sum of probabilities", counts.bins_summed, "o", BLUE),
            (f"probability > {counts.options.threshold:g}", counts.bins_above_threshold, "s", "#D55E00"),
        )
        for shift, (label, values, marker, colour) in zip((-0.08, 0.08), kinds, strict=True):
            density = [value.per(counts.area_deg2) for value in values]
            middle = np.array([one.value for one in density])
            spread = [middle - [one.lower for one in density], [one.upper for one in density] - middle]
            place = np.arange(len(bins)) + shift
            axes.errorbar(place, middle, spread, fmt=marker, color=colour, label=label, capsize=2.5, ms=5)
        axes.set_xticks(range(len(bins)), [bin_label(band, limits) for limits in bins])
        axes.set(ylabel="QSOs per deg²", xlim=(-0.5, len(bins) - 0.5))
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="best")
    return figure


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


def target_priorities(targets: TargetSummary) -> Figure:
    """Draw how many targets have each priority."""
    with house_style():
        figure = new_figure(4.8, 2.6)
        axes = figure.add_subplot()
        place = np.arange(1, len(targets.priorities) + 1)
        bars = axes.bar(place, targets.priorities, color=BLUE, width=0.75)
        axes.bar_label(bars, [f"{number:,}" for number in targets.priorities], size=8, color=INK, padding=1)
        axes.set_xticks(place)
        axes.set(xlabel="priority (10 is the highest)", ylabel="targets")
        axes.margins(y=0.12)
        axes.grid(visible=False, axis="x")
    return figure
