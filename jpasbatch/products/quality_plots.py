"""Figures of the classifier: reliability, confusion, scores, confidence and example spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import (
    BLUE,
    INK,
    LINES,
    MARKERS,
    bin_label,
    class_colours,
    class_label,
    house_style,
    new_figure,
)
from jpasbatch.photometry.photometry import flux_lambda_from_nu
from jpasbatch.products.distributions import Distributions
from jpasbatch.products.examples import Example

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BROAD_BAND_ANGSTROM = 400.0

TITLE_CHARACTERS = 30


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
    """

    class_name: str
    mean_probability: np.ndarray
    fraction: np.ndarray
    count: np.ndarray
    ece: float


@dataclass(frozen=True)
class Scores:
    """Purity, completeness and f1 (eqs. 7-8) of each class, float (groups, classes); NaN where undefined."""

    purity: np.ndarray
    completeness: np.ndarray
    f1: np.ndarray

    @classmethod
    def of(cls, confusion: np.ndarray) -> Scores:
        """Return the scores of confusion matrices, int (groups, true classes, predicted classes)."""
        right = np.diagonal(confusion, axis1=1, axis2=2).astype(float)
        purity = _ratio(right, confusion.sum(axis=1))
        completeness = _ratio(right, confusion.sum(axis=2))
        # as counts, so that a class that is never predicted but exists has f1 = 0 and not NaN
        exists = confusion.sum(axis=2) > 0
        f1 = np.where(exists, _ratio(2 * right, confusion.sum(axis=1) + confusion.sum(axis=2)), np.nan)
        return cls(purity, completeness, f1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def reliability(curves: tuple[ReliabilityCurve, ...], classes: tuple[str, ...]) -> Figure:
    """Draw the true fraction against the mean probability, and how many objects each point stands for."""
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
            error = np.sqrt(fraction * (1 - fraction) / count)
            label = f"{class_label(curve.class_name)}, ECE {curve.ece:.3f}"
            marker = MARKERS[style % len(MARKERS)]
            options: dict[str, Any] = {"color": colour, "linestyle": line, "marker": marker, "ms": 4.5}
            upper.errorbar(mean, fraction, error, label=label, linewidth=1.3, elinewidth=0.9, **options)
            lower.plot(mean, count, linewidth=1.3, **options)
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04), ylabel="fraction truly of the class")
        upper.legend(loc="best")
        lower.set(yscale="log", xlabel="mean predicted probability", ylabel="objects")
    return figure


def confusion_matrices(confusion: np.ndarray, classes: tuple[str, ...], titles: tuple[str, ...]) -> Figure:
    """Draw confusion matrices: per cent of the true class, and numbers; true classes in rows."""
    from matplotlib.colors import to_rgba

    labels = [class_label(name) for name in classes]
    count = len(classes)
    with house_style():
        figure = new_figure(0.9 + 3.05 * len(confusion), 3.3)
        panels = figure.subplots(1, len(confusion), squeeze=False, sharey=True)[0]
        for matrix, axes, title in zip(confusion, panels, titles, strict=True):
            share = _ratio(matrix.astype(float), np.broadcast_to(matrix.sum(axis=1)[:, None], matrix.shape))
            for row, column in np.ndindex(count, count):
                value = float(share[row, column])
                alpha = 0.04 if np.isnan(value) else 0.04 + 0.86 * value
                cell = (column - 0.48, row - 0.48)
                axes.add_patch(_rectangle(cell, to_rgba(BLUE, alpha)))
                percent = "–" if np.isnan(value) else f"{100 * value:.1f} %"
                ink = "white" if value > 0.55 else INK
                axes.text(column, row - 0.1, percent, ha="center", va="center", size=9.5, color=ink)
                number = f"{matrix[row, column]:,}"
                axes.text(column, row + 0.22, number, ha="center", va="center", size=7.5, color=ink)
            axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="predicted class")
            axes.set_title(title)
            axes.set_xticks(range(count), labels)
            axes.set_yticks(range(count), labels)
            axes.grid(visible=False)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
        panels[0].set_ylabel("true class")
    return figure


def _rectangle(corner: tuple[float, float], colour: tuple[float, ...]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 0.96, 0.96, facecolor=colour, edgecolor="none")


def score_bars(
    scores: Scores, classes: tuple[str, ...], bins: tuple[tuple[float, float], ...], band: str
) -> Figure:
    """Draw purity, completeness and f1 of every class in every magnitude bin."""
    titles = [f"{bright:g} – {faint:g}" for bright, faint in bins]
    colours = class_colours(classes)
    panels_of = (("purity", scores.purity), ("completeness", scores.completeness), ("f1 score", scores.f1))
    width = 0.8 / len(classes)
    with house_style():
        figure = new_figure(10, 2.9)
        panels = figure.subplots(1, 3, sharey=True)
        for axes, (title, values) in zip(panels, panels_of, strict=True):
            for number, name in enumerate(classes):
                place = np.arange(len(values)) + (number - (len(classes) - 1) / 2) * width
                height = np.nan_to_num(values[:, number])
                axes.bar(place, height, 0.9 * width, color=colours[name], label=class_label(name))
            axes.set(title=title, ylim=(0, 1))
            axes.set_xticks(range(len(values)), titles)
            axes.set_xlabel(f"{band} (AB mag)")
            axes.grid(visible=False, axis="x")
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


def example_spectra(
    examples: tuple[Example, ...],
    classes: tuple[str, ...],
    wavelengths: np.ndarray,
    widths: np.ndarray,
    titles: tuple[str, ...],
) -> Figure:
    """Draw J-spectra: a row for each kind of object, a column for each magnitude bin.

    Squares are broad bands; the bar above a panel shows the probabilities of the classes.
    """
    kinds = list(dict.fromkeys(one.kind for one in examples))
    cells = {(one.kind, one.magnitude_bin): one for one in reversed(examples)}  # the first of a kind stays
    with house_style():
        figure = new_figure(10, 0.5 + 1.95 * len(kinds))
        panels = figure.subplots(len(kinds), len(titles), squeeze=False, sharex=True)
        for row, kind in enumerate(kinds):
            for number in range(len(titles)):
                axes = panels[row, number]
                example = cells.get((kind, number))
                if example is None:
                    # the row's name stands here still
                    axes.spines[:].set_visible(False)
                    axes.grid(visible=False)
                    axes.tick_params(left=False, labelleft=False, bottom=False)
                    continue
                _draw_spectrum(axes, example, classes, wavelengths, widths >= BROAD_BAND_ANGSTROM)
            panels[row, 0].set_ylabel(class_label(kind), weight="bold")
        for axes in panels[-1]:
            axes.set_xlabel("wavelength (Å)")
        for axes, title in zip(panels[0], titles, strict=True):
            axes.annotate(title, (0.5, 1.34), xycoords="axes fraction", ha="center", weight="bold")
        figure.supylabel("flux density f_λ (10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹)", size=9.5)
    return figure


def _draw_spectrum(
    axes: Any, example: Example, classes: tuple[str, ...], wavelengths: np.ndarray, broad: np.ndarray
) -> None:
    colours = class_colours(classes)
    colour = colours.get(example.kind) or colours.get(example.true_class, "#777777")
    flux = flux_lambda_from_nu(np.array(example.flux), wavelengths) * 1e17
    error = flux_lambda_from_nu(np.array(example.flux_err), wavelengths) * 1e17
    for marker, which in (("o", ~broad), ("s", broad)):
        shown = which & np.isfinite(flux)
        size = 3.0 if marker == "o" else 5.0
        axes.errorbar(
            wavelengths[shown],
            flux[shown],
            np.nan_to_num(error[shown]),
            fmt=marker,
            ms=size,
            color=colour,
            elinewidth=0.6,
            mfc="none" if marker == "s" else colour,
        )
    good = flux[np.isfinite(flux)]
    if len(good):
        low, high = np.percentile(good, [2, 98])
        room = 0.35 * max(high - low, 0.1 * abs(high), 1e-6)
        axes.set_ylim(min(low - room, 0), high + room)
    left = 0.0
    for name, probability in zip(classes, example.probabilities, strict=True):
        bar = {"transform": axes.transAxes, "clip_on": False, "color": colours[name]}
        axes.add_patch(_bar(left, probability, bar))
        left += probability
    truth = f" · truly {example.true_class}" if example.true_class else ""
    redshift = f", z = {example.true_redshift:.2f}" if example.true_redshift > 0 else ""
    best = int(np.argmax(example.probabilities))
    percent = f"{class_label(classes[best])} {100 * example.probabilities[best]:.0f} %"
    title = f"{example.object_id[:TITLE_CHARACTERS]} · {percent}{truth[:TITLE_CHARACTERS]}{redshift}"
    # texts of a catalogue are data: a dollar sign in an identifier is no formula
    axes.set_title(title, size=8, pad=10.5, parse_math=False)


def _bar(left: float, width: float, options: dict[str, Any]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, 1.02), width, 0.045, linewidth=0, **options)
