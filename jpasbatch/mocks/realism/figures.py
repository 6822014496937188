"""Figures of the realism report: distributions, colour loci, signal-to-noise, equivalent widths, a gallery.

They are drawn from the plain lists and numbers of a stored comparison; None is a value that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import INK, LINES, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL = "#777777"
BROAD_BAND_ANGSTROM = 400.0


def distributions(sets: Mapping[str, Mapping[str, Any]], band: str) -> Figure:
    """Draw how many objects of each class there are by magnitude and by redshift: a row for each set."""
    with house_style():
        figure = new_figure(10, 0.5 + 2.0 * len(sets))
        panels = figure.subplots(len(sets), 2, squeeze=False, sharex="col")
        for row, (name, part) in enumerate(sets.items()):
            tally = part["tally"]
            for axes, key in zip(panels[row], ("magnitudes", "redshifts"), strict=True):
                _draw_histograms(axes, tally, key)
            panels[row, 0].set_ylabel(name.replace("_", " "), weight="bold")
        panels[-1, 0].set_xlabel(f"{band} (AB mag), objects per 0.1 mag")
        panels[-1, 1].set_xlabel("redshift, objects per 0.05; stars left out")
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _draw_histograms(axes: Any, tally: Mapping[str, Any], key: str) -> None:
    colours = class_colours(tuple(tally["classes"]))
    drawn = False
    for number, (name, counts) in enumerate(zip(tally["classes"], tally[key], strict=True)):
        if key == "redshifts" and name == "star":
            continue
        axes.stairs(
            counts,
            tally["bins"][key],
            color=colours[name],
            linestyle=LINES[number % len(LINES)],
            linewidth=1.4,
            label=class_label(name),
        )
        drawn = drawn or any(counts)
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)


def colour_loci(comparison: Mapping[str, Any], true_class: str) -> Figure:
    """Draw the loci of one class: real objects shaded, mock objects as lines."""
    loci, axis, edges = comparison["loci"], comparison["axis"], np.array(comparison["edges"])
    colour = class_colours(("star", "galaxy", "qso")).get(true_class, "#0072B2")
    columns = min(len(loci), 3)
    rows = -(-len(loci) // columns)
    with house_style():
        figure = new_figure(10, 0.35 + 2.5 * rows)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        for axes, (name, sides) in zip(panels, loci.items(), strict=False):
            _draw_locus(axes, (edges, sides["real"], sides["mock"]), colour)
            axes.set_ylabel(f"{name.replace('-', ' − ')} (mag)")
        for axes in panels[len(loci) :]:
            axes.set_axis_off()
        for axes in panels[max(len(loci) - columns, 0) : len(loci)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(axis if axis == "redshift" else f"{axis.replace('-', ' − ')} (mag)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _draw_locus(axes: Any, edges_real_mock: tuple[np.ndarray, Any, Any], colour: str) -> None:
    edges, real, mock = edges_real_mock
    x = 0.5 * (edges[1:] + edges[:-1])
    low, middle, high = (_numbers(real[key]) for key in ("low", "median", "high"))
    axes.fill_between(x, low, high, color=REAL, alpha=0.3, linewidth=0, label="observed, central 68 %")
    axes.plot(x, middle, "o", color=INK, ms=3.2, label="observed, median")
    axes.plot(x, _numbers(mock["median"]), "-", color=colour, linewidth=1.8, label="mock, median")
    for number, key in enumerate(("low", "high")):
        label = None if number else "mock, central 68 %"
        axes.plot(x, _numbers(mock[key]), "--", color=colour, linewidth=0.9, label=label)
    # a bin that holds one sample alone compares nothing
    known = np.flatnonzero(np.isfinite(middle) & np.isfinite(_numbers(mock["median"])))
    if known.size:
        axes.set_xlim(edges[known[0]], edges[known[-1] + 1])
        inside = [
            values[known[0] : known[-1] + 1]
            for values in (low, high, _numbers(mock["low"]), _numbers(mock["high"]))
        ]
        bottom, top = np.nanmin(inside), np.nanmax(inside)
        axes.set_ylim(bottom - 0.08 * (top - bottom), top + 0.08 * (top - bottom))


def signal_to_noise(tally: Mapping[str, Any], bands: Mapping[str, Sequence[Any]], band: str) -> Figure:
    """Draw the median signal-to-noise ratio and the share of non-detections by band and magnitude.

    Parameters
    ----------
    tally : mapping
        Of a set.
    bands : mapping
        ``band`` (names) and ``wavelength`` (Angstrom), in the tally's order.
    band : str
        Of the magnitudes.
    """
    from matplotlib.colors import LogNorm

    order = np.argsort(bands["wavelength"], kind="stable")
    edges = np.array(tally["bins"]["band_magnitudes"])
    rows = np.array(tally["band_rows"])[order].T
    with np.errstate(invalid="ignore", divide="ignore"):
        missed = 100 * np.array(tally["non_detections"])[order].T / rows
    signal = median_signal(tally)[order].T
    highest = float(np.nanmax(signal)) if np.isfinite(signal).any() else 10.0
    panels = (
        ("median signal-to-noise ratio", signal, LogNorm(1, max(highest, 2.0))),
        ("non-detections (%)", missed, None),
    )
    with house_style():
        figure = new_figure(10, 5.6)
        for place, (title, values, norm) in enumerate(panels):
            axes = figure.add_subplot(2, 1, place + 1)
            image = axes.imshow(
                np.ma.masked_invalid(values),
                aspect="auto",
                interpolation="nearest",
                origin="lower",
                cmap="viridis" if place == 0 else "magma_r",
                norm=norm,
                extent=(-0.5, len(order) - 0.5, edges[0], edges[-1]),
            )
            axes.grid(visible=False)
            names = [bands["band"][one] for one in order]
            axes.set_xticks(range(len(order)), names if place else [], rotation=90, size=6.5)
            axes.set(ylabel=f"{band} (AB mag)", title=title)
            figure.colorbar(image, ax=axes, pad=0.01, extend="min" if norm else "neither")
    return figure


def median_signal(tally: Mapping[str, Any]) -> np.ndarray:
    """Return the median signal-to-noise ratio (bands, magnitudes); NaN where it is a non-detection or nothing.

    Non-detections count as the lowest values; within a bin of the histogram the logarithm is interpolated.
    """
    edges = np.array(tally["bins"]["signal"])
    missed = np.array(tally["non_detections"], dtype=float)
    result = np.full(missed.shape, np.nan)
    for band, parts in enumerate(tally["signal"]):
        for column, counts in enumerate(parts):
            half = 0.5 * (sum(counts) + missed[band, column]) - missed[band, column]
            if not counts or half <= 0:
                continue
            reached = np.concatenate([[0.0], np.cumsum(counts)])
            result[band, column] = 10 ** np.interp(half, reached, edges[: len(counts) + 1])
    return result


def line_widths(lines: Mapping[str, Any]) -> Figure:
    """Draw equivalent widths against luminosity with the published trend, and their distributions."""
    edges = np.array(lines["width_edges"])
    colours = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
    with house_style():
        figure = new_figure(10, 3.1 * len(lines["lines"]))
        panels = figure.subplots(len(lines["lines"]), 2, squeeze=False)
        for row, line in enumerate(lines["lines"]):
            _draw_trend(panels[row, 0], line)
            axes = panels[row, 1]
            for number, one in enumerate(one for one in line["bins"] if one["n"] >= 10):
                share = np.array(one["histogram"]) / max(one["n"], 1)
                label = f"{one['magnitude']:.1f} ({one['n']})"
                axes.stairs(share, edges, color=colours[number % len(colours)], linewidth=1.3, label=label)
            axes.set(ylabel="share of quasars per 0.1 dex", xlabel=f"log₁₀ EW of {line['name']} (Å, rest)")
            if axes.get_legend_handles_labels()[0]:  # few quasars fill no bin
                axes.legend(title="median M₁₄₅₀ (number)", fontsize=8, title_fontsize=8)
    return figure


def _draw_trend(axes: Any, line: Mapping[str, Any]) -> None:
    bins = [one for one in line["bins"] if one["n"] >= 3]
    x = np.array([one["magnitude"] for one in bins])
    if any(one["trend"] for one in bins):
        trend = np.array([one["trend"] for one in bins], dtype=float)
        axes.fill_between(x, trend[:, 0], trend[:, 2], color=REAL, alpha=0.3, linewidth=0)
        axes.plot(x, trend[:, 1], color=INK, linewidth=1.2, label="published trend and its scatter")
    middle = _numbers([one["median"] for one in bins])
    spread = [
        middle - _numbers([one["low"] for one in bins]),
        _numbers([one["high"] for one in bins]) - middle,
    ]
    axes.errorbar(
        x, middle, spread, fmt="o", ms=4.5, color="#0072B2", capsize=2.5, label="mock, median and 68 %"
    )
    axes.invert_xaxis()
    axes.set(xlabel="M₁₄₅₀ (AB mag)", ylabel=f"log₁₀ EW of {line['name']} (Å, rest)")
    axes.legend(fontsize=8, loc="best")


def gallery(objects: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw J-spectra with the parent behind: a row for each class."""
    classes = list(dict.fromkeys(one["class"] for one in objects))
    rows = {name: [one for one in objects if one["class"] == name] for name in classes}
    columns = max(map(len, rows.values()))
    with house_style():
        figure = new_figure(10, 0.4 + 2.35 * len(classes))
        panels = figure.subplots(len(classes), columns, squeeze=False)
        for row, name in enumerate(classes):
            for axes in panels[row, len(rows[name]) :]:
                axes.set_axis_off()
            for axes, one in zip(panels[row], rows[name], strict=False):
                _draw_object(axes, one)
            panels[row, 0].set_ylabel(class_label(name), weight="bold")
        for axes in panels[-1]:
            axes.set_xlabel("wavelength (Å)")
        figure.supylabel("flux density f_ν (µJy)", size=9.5)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _draw_object(axes: Any, one: Mapping[str, Any]) -> None:
    colour = class_colours(("star", "galaxy", "qso")).get(one["class"], "#0072B2")
    wavelength = np.array(one["wavelength"])
    order = np.argsort(wavelength, kind="stable")
    true, flux, error = (_numbers(one[key]) for key in ("true", "flux", "error"))
    broad = np.array(one["width"]) >= BROAD_BAND_ANGSTROM
    narrow = order[~broad[order]]
    parent = one["parent"]
    axes.plot(parent["wavelength"], parent["flux"], color=REAL, linewidth=0.8, label="parent")
    axes.plot(wavelength[narrow], true[narrow], color=INK, linewidth=1.0, label="noiseless, narrow bands")
    for marker, which in (("o", ~broad), ("s", broad)):
        shown = which & np.isfinite(flux)
        axes.errorbar(
            wavelength[shown],
            flux[shown],
            np.nan_to_num(error[shown]),
            fmt=marker,
            ms=2.4 if marker == "o" else 4.5,
            color=colour,
            elinewidth=0.6,
            mfc="none" if marker == "s" else colour,
            label="measured (squares: broad bands)" if marker == "o" else None,
        )
    good = np.concatenate([true[np.isfinite(true)], flux[np.isfinite(flux)]])
    if good.size:
        low, high = np.percentile(good, (1, 99))
        axes.set_ylim(min(low, 0) - 0.08 * (high - low), high + 0.25 * (high - low))
    axes.set_xlim(3000, 10600)
    redshift = f", z = {one['redshift']:.2f}" if one["redshift"] > 0 else ""
    title = f"{one['kind']}: r = {one['magnitude']:.1f}{redshift}\n{one['parent_id']}"
    axes.set_title(title, size=8, parse_math=False)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
