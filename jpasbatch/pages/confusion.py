"""Figures of confusion matrices, and of the scores that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.pages.drawing import PANEL, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
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


def confusion_matrices(confusion: np.ndarray, classes: tuple[str, ...], titles: tuple[str, ...]) -> Drawing:
    """Draw confusion matrices: per cent of the true class, and numbers; true classes in rows."""
    pairs = zip(confusion, titles, strict=True)
    return Drawing(tuple(Panel(_matrix_figure(matrix, classes), title) for matrix, title in pairs))


def _matrix_figure(matrix: np.ndarray, classes: tuple[str, ...]) -> Figure:
    from matplotlib.colors import to_rgba

    labels, count = [class_label(name) for name in classes], len(classes)
    share = _ratio(matrix.astype(float), np.broadcast_to(matrix.sum(axis=1)[:, None], matrix.shape))
    with house_style():
        figure = new_figure(PANEL, 3.3)
        axes = figure.add_subplot()
        for row, column in np.ndindex(count, count):
            value = float(share[row, column])
            # pale enough for ink in all cells, on a light page and a dark one
            alpha = 0.04 if np.isnan(value) else 0.04 + 0.66 * value
            axes.add_patch(_rectangle((column - 0.48, row - 0.48), to_rgba(BLUE, alpha)))
            percent = "–" if np.isnan(value) else f"{100 * value:.1f} %"
            axes.text(column, row - 0.1, percent, ha="center", va="center", size=9.5, color=INK)
            number = f"{matrix[row, column]:,}"
            axes.text(column, row + 0.22, number, ha="center", va="center", size=8, color=INK)
        axes.set(
            xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="predicted class", ylabel="true class"
        )
        axes.set_xticks(range(count), labels)
        axes.set_yticks(range(count), labels)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _rectangle(corner: tuple[float, float], colour: tuple[float, ...]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 0.96, 0.96, facecolor=colour, edgecolor="none")


def score_bars(
    scores: Scores, classes: tuple[str, ...], bins: tuple[tuple[float, float], ...], band: str
) -> Drawing:
    """Draw purity, completeness and f1 of every class in every magnitude bin."""
    titles = [f"{bright:g} – {faint:g}" for bright, faint in bins]
    colours = class_colours(classes)
    panels_of = (("purity", scores.purity), ("completeness", scores.completeness), ("f1 score", scores.f1))
    width, panels = 0.8 / len(classes), []
    for title, values in panels_of:
        with house_style():
            figure = new_figure(PANEL, 2.6)
            axes = figure.add_subplot()
            for number, name in enumerate(classes):
                place = np.arange(len(values)) + (number - (len(classes) - 1) / 2) * width
                axes.bar(place, np.nan_to_num(values[:, number]), 0.9 * width, color=colours[name])
            axes.set(ylim=(0, 1), ylabel=title, xlabel=f"{band} (AB mag)")
            axes.set_xticks(range(len(values)), titles)
            axes.grid(visible=False, axis="x")
        panels.append(Panel(figure, title))
    return Drawing(
        tuple(panels), tuple(Key(class_label(name), colours[name], marker="area") for name in classes)
    )


def score_numbers(confusion: np.ndarray, classes: tuple[str, ...], titles: tuple[str, ...]) -> Numbers:
    """Return the scores as a table: a row a group and class."""
    found, true, predicted = Scores.of(confusion), confusion.sum(axis=2), confusion.sum(axis=1)
    return {
        "group": np.repeat(titles, len(classes)),
        "class": np.tile(classes, len(titles)),
        "true (number)": true.ravel(),
        "predicted (number)": predicted.ravel(),
        "purity (share)": found.purity.ravel(),
        "completeness (share)": found.completeness.ravel(),
        "f1 (share)": found.f1.ravel(),
    }


def confusion_numbers(confusion: np.ndarray, classes: tuple[str, ...], titles: tuple[str, ...]) -> Numbers:
    """Return confusion matrices as a table: a row a group, true class and predicted class."""
    whole = np.broadcast_to(confusion.sum(axis=2, keepdims=True), confusion.shape)
    count = len(classes)
    return {
        "group": np.repeat(titles, count**2),
        "true class": np.tile(np.repeat(classes, count), len(titles)),
        "predicted class": np.tile(classes, count * len(titles)),
        "objects (number)": confusion.ravel(),
        "of the true class (share)": _ratio(confusion.astype(float), whole).ravel(),
    }
