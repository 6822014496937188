"""Figure of the densities of quasars by magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.style import BLUE, bin_label, house_style, new_figure
from jpasbatch.products.counts.errors import CountErrors
from jpasbatch.products.counts.tally import CountSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def counts_by_bin(
    counts: CountSummary, errors: CountErrors | None, bins: tuple[tuple[float, float], ...], band: str
) -> Figure:
    """Draw QSOs per deg2 in each magnitude bin, by both definitions, with 68 % intervals, and the truth if known."""
    corrected = errors is not None and errors.corrected
    summed = tuple(one.interval for one in errors.bins) if errors and corrected else counts.bins_summed
    with house_style():
        figure = new_figure(4.8, 3.2)
        axes = figure.add_subplot()
        kinds = (
            ("sum of probabilities", summed, "o", BLUE),
            (f"probability > {counts.options.threshold:g}", counts.bins_above_threshold, "s", "#D55E00"),
        )
        for shift, (label, values, marker, colour) in zip((-0.08, 0.08), kinds, strict=True):
            density = [value.per(counts.area_deg2) for value in values]
            middle = np.array([one.value for one in density])
            spread = [middle - [one.lower for one in density], [one.upper for one in density] - middle]
            place = np.arange(len(bins)) + shift
            axes.errorbar(place, middle, spread, fmt=marker, color=colour, label=label, capsize=2.5, ms=5)
        true = [one.per(counts.area_deg2).true for one in errors.bins] if errors else []
        if true and not np.isnan(true).any():
            axes.plot(np.arange(len(bins)), true, "_", color="black", ms=22, mew=1.5, label="true")
        axes.set_xticks(range(len(bins)), [bin_label(band, limits) for limits in bins])
        axes.set(ylabel="QSOs per deg²", xlim=(-0.5, len(bins) - 0.5))
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="best")
    return figure
