"""Figures of redshifts: how quasars are distributed, and redshifts against true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import BLUE, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jpasbatch.learning.redshifts import RedshiftRanges
    from jpasbatch.products.redshifts.distribution import RedshiftSummary

ORANGE = "#D55E00"
COLUMNS = 3
"""Of panels."""


def distribution_figure(
    found: RedshiftSummary, ranges: RedshiftRanges, titles: Sequence[str], area_deg2: float
) -> Figure:
    """Draw quasars per unit of redshift with counting errors, one panel a group; the truth, where known, as a line.

    Parameters
    ----------
    found : RedshiftSummary
    ranges : RedshiftRanges
    titles : sequence of str
        Of the groups.
    area_deg2 : float
        NaN where it is not known: then numbers are drawn, and not densities.
    """
    limits = np.asarray(ranges.limits)
    known = np.isfinite(area_deg2)
    scale = 1.0 / np.diff(limits) / (area_deg2 if known else 1.0)
    rows = -(-len(titles) // COLUMNS)
    with house_style():
        figure = new_figure(7.2, 2.3 * rows + 0.5)
        panels = figure.subplots(rows, COLUMNS, sharex=True, squeeze=False).ravel()
        for axes, title, number, error, true in zip(
            panels, titles, found.number, found.error, found.true, strict=False
        ):
            low, high = (number - error) * scale, (number + error) * scale
            axes.stairs(high, limits, baseline=low, fill=True, color=BLUE, alpha=0.25, lw=0)
            axes.stairs(number * scale, limits, color=BLUE, lw=1.3, label="summed probabilities")
            if np.isfinite(true).all():
                axes.stairs(true * scale, limits, color=ORANGE, lw=0.9, ls="--", label="true")
            axes.set_title(title)
            axes.set_ylim(bottom=0)
        for axes in panels[len(titles) :]:
            axes.set_visible(False)
        figure.supxlabel("redshift", fontsize=9.5)
        unit = "quasars per deg² and unit of redshift" if known else "quasars per unit of redshift"
        figure.supylabel(unit, fontsize=9.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def confusion_figure(confused: np.ndarray, ranges: RedshiftRanges) -> Figure:
    """Draw redshift against true redshift: the share of the quasars of each true redshift, logarithmic.

    Parameters
    ----------
    confused : ndarray of int64, shape (k, k)
        Quasars by the ranges of true redshift and of redshift.
    ranges : RedshiftRanges
    """
    from matplotlib.colors import LogNorm

    limits = np.asarray(ranges.limits)
    share = confused / np.maximum(confused.sum(axis=1, keepdims=True), 1)
    with house_style():
        figure = new_figure(4.6, 3.9)
        axes = figure.add_subplot()
        shown = np.where(share > 0, share, np.nan).T
        mesh = axes.pcolormesh(
            limits, limits, shown, norm=LogNorm(1e-3, 1.0), cmap="viridis_r", rasterized=True
        )
        figure.colorbar(mesh, ax=axes, label="share of the quasars of a true redshift", extend="min")
        axes.set(xlabel="true redshift", ylabel="redshift", aspect="equal")
        axes.grid(visible=False)
    return figure
