"""Figures of the realism report: distributions, colour loci, signal-to-noise, equivalent widths, a gallery.

They are drawn from the plain lists and numbers of a stored comparison; None is a value that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
from jpasbatch.pages.style import INK, LINES, class_colours, class_label, house_style, new_figure

REAL = "#777777"
BROAD_BAND_ANGSTROM = 400.0
MOST_NAMES = 30
"""Names of bands below a panel: of more, every second or third is named."""


def distributions(sets: Mapping[str, Mapping[str, Any]], band: str) -> Drawing:
    """Draw how many objects of each class there are by magnitude and by redshift: two panels for each set."""
    said = {
        "magnitudes": f"{band} (AB mag), objects per 0.1 mag",
        "redshifts": "redshift, objects per 0.05; stars left out",
    }
    panels, keys = [], {}
    for name, part in sets.items():
        colours = class_colours(tuple(part["tally"]["classes"]))
        for number, one in enumerate(part["tally"]["classes"]):
            keys.setdefault(one, Key(class_label(one), colours[one], LINES[number % len(LINES)]))
        for key, label in said.items():
            with house_style():
                figure = new_figure(PANEL, 2.6)
                axes = figure.subplots()
                _draw_histograms(axes, part["tally"], key)
                axes.set(xlabel=label, ylabel="objects")
            panels.append(Panel(figure, name.replace("_", " ")))
    return Drawing(tuple(panels), tuple(keys.values()))


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
        )
        drawn = drawn or any(counts)
    if drawn:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)


def colour_loci(comparison: Mapping[str, Any], true_class: str) -> Drawing:
    """Draw the loci of one class: real objects shaded, mock objects as lines."""
    axis, edges = comparison["axis"], np.array(comparison["edges"])
    colour = class_colours(("star", "galaxy", "qso")).get(true_class, "#0072B2")
    panels = []
    for name, sides in comparison["loci"].items():
        with house_style():
            figure = new_figure(PANEL, 2.7)
            axes = figure.subplots()
            _draw_locus(axes, (edges, sides["real"], sides["mock"]), colour)
            axes.set_ylabel(f"{name.replace('-', ' − ')} (mag)")
            axes.set_xlabel(axis if axis == "redshift" else f"{axis.replace('-', ' − ')} (mag)")
        panels.append(Panel(figure))
    legend = (
        Key("observed, central 68 %", REAL, None, "area"),
        Key("observed, median", INK, None, "o"),
        Key("mock, median", colour, "-"),
        Key("mock, central 68 %", colour, "--"),
    )
    return Drawing(tuple(panels), legend)


def _draw_locus(axes: Any, edges_real_mock: tuple[np.ndarray, Any, Any], colour: str) -> None:
    edges, real, mock = edges_real_mock
    x = 0.5 * (edges[1:] + edges[:-1])
    low, middle, high = (_numbers(real[key]) for key in ("low", "median", "high"))
    axes.fill_between(x, low, high, color=REAL, alpha=0.3, linewidth=0)
    axes.plot(x, middle, "o", color=INK, ms=3.2)
    axes.plot(x, _numbers(mock["median"]), "-", color=colour, linewidth=1.8)
    for key in ("low", "high"):
        axes.plot(x, _numbers(mock[key]), "--", color=colour, linewidth=0.9)
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


def signal_to_noise(tally: Mapping[str, Any], bands: Mapping[str, Sequence[Any]], band: str) -> Drawing:
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
    shown = (
        ("median signal-to-noise ratio", signal, LogNorm(1, max(highest, 2.0)), "viridis"),
        ("non-detections (%)", missed, None, "magma_r"),
    )
    names, panels = [bands["band"][one] for one in order], []
    step = -(-len(order) // MOST_NAMES)
    for title, values, norm, colours in shown:
        with house_style():
            figure = new_figure(SINGLE, 3.6)
            axes = figure.subplots()
            image = axes.imshow(
                np.ma.masked_invalid(values),
                aspect="auto",
                interpolation="nearest",
                origin="lower",
                cmap=colours,
                norm=norm,
                extent=(-0.5, len(order) - 0.5, edges[0], edges[-1]),
            )
            axes.grid(visible=False)
            axes.set_xticks(range(0, len(order), step), names[::step], rotation=90)
            axes.set(ylabel=f"{band} (AB mag)")
            figure.colorbar(image, ax=axes, pad=0.01, extend="min" if norm else "neither")
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels))


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


def line_widths(lines: Mapping[str, Any]) -> list[Drawing]:
    """Draw equivalent widths against luminosity with the published trend, and their distributions, line by line."""
    edges = np.array(lines["width_edges"])
    colours = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7")
    drawings = []
    for line in lines["lines"]:
        keys = [
            Key("published trend and its scatter", INK, "-"),
            Key("mock, median and 68 %", "#0072B2", None, "o"),
        ]
        with house_style():
            trend, shares = new_figure(PANEL, 3.0), new_figure(PANEL, 3.0)
            _draw_trend(trend.subplots(), line)
            axes = shares.subplots()
            for number, one in enumerate(one for one in line["bins"] if one["n"] >= 10):
                share = np.array(one["histogram"]) / max(one["n"], 1)
                label = f"median M₁₄₅₀ {one['magnitude']:.1f} ({one['n']})"
                keys.append(Key(label, colours[number % len(colours)], "-"))
                axes.stairs(share, edges, color=keys[-1].colour, linewidth=1.3)
            axes.set(ylabel="share of quasars per 0.1 dex", xlabel=f"log₁₀ EW of {line['name']} (Å, rest)")
        drawings.append(Drawing((Panel(trend, line["name"]), Panel(shares, line["name"])), tuple(keys)))
    return drawings


def _draw_trend(axes: Any, line: Mapping[str, Any]) -> None:
    bins = [one for one in line["bins"] if one["n"] >= 3]
    x = np.array([one["magnitude"] for one in bins])
    if any(one["trend"] for one in bins):
        trend = np.array([one["trend"] for one in bins], dtype=float)
        axes.fill_between(x, trend[:, 0], trend[:, 2], color=REAL, alpha=0.3, linewidth=0)
        axes.plot(x, trend[:, 1], color=INK, linewidth=1.2)
    middle = _numbers([one["median"] for one in bins])
    spread = [
        middle - _numbers([one["low"] for one in bins]),
        _numbers([one["high"] for one in bins]) - middle,
    ]
    axes.errorbar(x, middle, spread, fmt="o", ms=4.5, color="#0072B2", capsize=2.5)
    axes.invert_xaxis()
    axes.set(xlabel="M₁₄₅₀ (AB mag)", ylabel=f"log₁₀ EW of {line['name']} (Å, rest)")


def gallery(objects: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw J-spectra with the parent behind, class by class."""
    panels, classes = [], list(dict.fromkeys(one["class"] for one in objects))
    for one in sorted(objects, key=lambda one: classes.index(one["class"])):
        with house_style():
            figure = new_figure(PANEL, 2.6)
            axes = figure.subplots()
            _draw_object(axes, one)
            axes.set(xlabel="wavelength (Å)", ylabel="flux density f_ν (µJy)")
        redshift = f", z = {one['redshift']:.2f}" if one["redshift"] > 0 else ""
        title = f"{class_label(one['class'])}, {one['kind']}: r = {one['magnitude']:.1f}{redshift}"
        panels.append(Panel(figure, title, one["parent_id"]))
    colours = class_colours(("star", "galaxy", "qso"))
    measured = [
        Key(f"{class_label(name)}, measured (squares: broad bands)", colours.get(name, "#0072B2"), None, "o")
        for name in classes
    ]
    legend = (Key("parent", REAL, "-"), Key("noiseless, narrow bands", INK, "-"), *measured)
    return Drawing(tuple(panels), legend)


def _draw_object(axes: Any, one: Mapping[str, Any]) -> None:
    colour = class_colours(("star", "galaxy", "qso")).get(one["class"], "#0072B2")
    wavelength = np.array(one["wavelength"])
    order = np.argsort(wavelength, kind="stable")
    true, flux, error = (_numbers(one[key]) for key in ("true", "flux", "error"))
    broad = np.array(one["width"]) >= BROAD_BAND_ANGSTROM
    narrow = order[~broad[order]]
    parent = one["parent"]
    axes.plot(parent["wavelength"], parent["flux"], color=REAL, linewidth=0.8)
    axes.plot(wavelength[narrow], true[narrow], color=INK, linewidth=1.0)
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
        )
    good = np.concatenate([true[np.isfinite(true)], flux[np.isfinite(flux)]])
    if good.size:
        low, high = np.percentile(good, (1, 99))
        axes.set_ylim(min(low, 0) - 0.08 * (high - low), high + 0.25 * (high - low))
    axes.set_xlim(3000, 10600)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
