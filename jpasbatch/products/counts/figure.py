"""Figure of the densities of quasars by magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jpasbatch.pages.drawing import SINGLE, Drawing, Key
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import BLUE, INK, ORANGE, house_style, new_figure
from jpasbatch.products.counts.errors import CountErrors
from jpasbatch.products.counts.tally import CountSummary, PoissonCount

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = "deg-2"


def density_numbers(
    counts: CountSummary, errors: CountErrors | None, bins: Sequence[tuple[float, float]]
) -> Numbers:
    """Return QSOs per deg2 in each magnitude bin, by both definitions, with 68 % intervals, and the truth if known."""
    corrected = errors is not None and errors.corrected
    summed = tuple(one.interval for one in errors.bins) if errors and corrected else counts.bins_summed
    limits = np.array(bins)
    numbers: dict[str, np.ndarray] = {"brighter end (mag)": limits[:, 0], "fainter end (mag)": limits[:, 1]}
    for name, values in (("sum of probabilities", summed), ("above threshold", counts.bins_above_threshold)):
        numbers |= _columns(name, [value.per(counts.area_deg2) for value in values])
    true = [one.per(counts.area_deg2).true for one in errors.bins] if errors else [np.nan] * len(bins)
    return {**numbers, f"true ({UNIT})": np.array(true)}


def _columns(name: str, densities: list[PoissonCount]) -> dict[str, np.ndarray]:
    return {
        f"{name} ({UNIT})": np.array([one.value for one in densities]),
        f"{name}, lower ({UNIT})": np.array([one.lower for one in densities]),
        f"{name}, upper ({UNIT})": np.array([one.upper for one in densities]),
    }


def counts_by_bin(numbers: Numbers, threshold: float, band: str) -> Drawing:
    """Draw what `density_numbers` returned."""
    keys = {
        "sum of probabilities": Key("sum of probabilities", BLUE, marker="o"),
        "above threshold": Key(f"probability > {threshold:g}", ORANGE, marker="s"),
    }
    true = numbers[f"true ({UNIT})"]
    known = not np.isnan(true).any()
    truth = Key("true", INK, marker="_")
    with house_style():
        figure = new_figure(SINGLE, 3.2)
        _draw(figure, numbers, keys)
        figure.axes[0].set_xlabel(f"{band} (AB mag)")
        if known:
            figure.axes[0].plot(np.arange(len(true)), true, ms=22, mew=1.5, **truth.look)
    return Drawing.of(figure, legend=(*keys.values(), *([truth] if known else [])))


def _draw(figure: Figure, numbers: Numbers, keys: dict[str, Key]) -> None:
    axes = figure.add_subplot()
    limits = zip(numbers["brighter end (mag)"], numbers["fainter end (mag)"], strict=True)
    bins = [f"{bright:g} – {faint:g}" for bright, faint in limits]
    for shift, (name, key) in zip((-0.08, 0.08), keys.items(), strict=True):
        middle, lower, upper = (numbers[f"{name}{end} ({UNIT})"] for end in ("", ", lower", ", upper"))
        place = np.arange(len(bins)) + shift
        axes.errorbar(place, middle, [middle - lower, upper - middle], capsize=2.5, ms=5, **key.look)
    axes.set_xticks(range(len(bins)), bins)
    axes.set(ylabel="QSOs per deg²", xlim=(-0.5, len(bins) - 0.5))
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
