"""Figures of redshifts: how quasars are distributed, and redshifts against true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import BLUE, ORANGE, house_style, new_figure

if TYPE_CHECKING:
    from jpasbatch.learning.redshifts import RedshiftRanges
    from jpasbatch.products.redshifts.distribution import RedshiftSummary

SUMMED, TRUE = Key("summed probabilities", BLUE, "-"), Key("true", ORANGE, "--")
SHARE = "of the quasars of the true redshift (share)"


def distribution_numbers(
    found: RedshiftSummary, ranges: RedshiftRanges, titles: Sequence[str], area_deg2: float
) -> Numbers:
    """Return quasars per unit of redshift with counting errors, a row a group and range.

    Parameters
    ----------
    found : RedshiftSummary
    ranges : RedshiftRanges
    titles : sequence of str
        Of the groups.
    area_deg2 : float
        NaN where it is not known: then numbers are told, and not densities.
    """
    limits = np.asarray(ranges.limits)
    known = np.isfinite(area_deg2)
    scale, unit = 1.0 / np.diff(limits) / (area_deg2 if known else 1.0), "deg-2" if known else "number"
    per = f"({unit} per unit of redshift)"
    return {
        "group": np.repeat(list(titles), len(limits) - 1),
        "redshift from (number)": np.tile(limits[:-1], len(titles)),
        "redshift to (number)": np.tile(limits[1:], len(titles)),
        f"quasars {per}": (found.number * scale).ravel(),
        f"error {per}": (found.error * scale).ravel(),
        f"true quasars {per}": (found.true * scale).ravel(),
    }


def distribution_figure(numbers: Numbers, titles: Sequence[str]) -> Drawing:
    """Draw what `distribution_numbers` returned, one panel a group; the truth, where known, as a line."""
    lower, upper, *columns = list(numbers)[1:]
    label = "quasars per deg² and unit z" if "deg-2" in columns[0] else "quasars per unit z"
    panels, known = [], False
    for title in titles:
        rows = numbers["group"] == title
        limits = np.append(numbers[lower][rows], numbers[upper][rows][-1:])
        number, error, true = (numbers[name][rows] for name in columns)
        with house_style():
            figure = new_figure(PANEL, 2.5)
            axes = figure.add_subplot()
            axes.stairs(
                number + error, limits, baseline=number - error, fill=True, color=BLUE, alpha=0.25, lw=0
            )
            axes.stairs(number, limits, color=BLUE, lw=1.3)
            if np.isfinite(true).all():
                known = True
                axes.stairs(true, limits, color=ORANGE, lw=0.9, ls="--")
            axes.set(xlabel="redshift", ylabel=label)
            axes.set_ylim(bottom=0)
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels), (SUMMED, TRUE) if known else (SUMMED,))


def confusion_numbers(confused: np.ndarray, ranges: RedshiftRanges) -> Numbers:
    """Return how often a true redshift is found as another one: a row a pair of ranges that holds an object.

    Parameters
    ----------
    confused : ndarray of int64, shape (k, k)
        Quasars by the ranges of true redshift and of redshift.
    ranges : RedshiftRanges
    """
    limits = np.asarray(ranges.limits)
    share = confused / np.maximum(confused.sum(axis=1, keepdims=True), 1)
    true, found = np.nonzero(confused)
    return {
        "true redshift from (number)": limits[true],
        "true redshift to (number)": limits[true + 1],
        "redshift from (number)": limits[found],
        "redshift to (number)": limits[found + 1],
        "quasars (number)": confused[true, found],
        SHARE: share[true, found],
    }


def confusion_figure(numbers: Numbers, ranges: RedshiftRanges) -> Drawing:
    """Draw what `confusion_numbers` returned; the share of the quasars of each true redshift is logarithmic."""
    from matplotlib.colors import LogNorm

    limits = np.asarray(ranges.limits)
    shown = np.full((len(limits) - 1, len(limits) - 1), np.nan)
    place = (
        np.searchsorted(limits, numbers[f"{what} from (number)"]) for what in ("redshift", "true redshift")
    )
    shown[tuple(place)] = numbers[SHARE]
    with house_style():
        figure = new_figure(SINGLE, 3.9)
        axes = figure.add_subplot()
        mesh = axes.pcolormesh(
            limits, limits, shown, norm=LogNorm(1e-3, 1.0), cmap="viridis_r", rasterized=True
        )
        figure.colorbar(mesh, ax=axes, label="share of the quasars of a true redshift", extend="min")
        axes.set(xlabel="true redshift", ylabel="redshift", aspect="equal")
        axes.grid(visible=False)
    return Drawing.of(figure)
