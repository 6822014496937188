"""Figures of confusion matrices, and of the scores that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.style import BLUE, INK, class_colours, class_label, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
