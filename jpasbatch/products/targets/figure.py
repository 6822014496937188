"""Figures of target lists: their priorities, and what more fibres gain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from jpasbatch.pages.drawing import PANEL, SINGLE, Drawing, Key, Panel
from jpasbatch.pages.numbers import Numbers
from jpasbatch.pages.style import BLUE, INK, LINES, ORANGE, house_style, new_figure
from jpasbatch.products.targets.targets import TargetSummary


def priority_numbers(targets: TargetSummary) -> Numbers:
    """Return how many targets have each priority: 1 to below 2, and so on, and 10."""
    return {
        "priority (number)": np.arange(1, len(targets.priorities) + 1),
        "targets (number)": targets.priorities,
    }


def target_priorities(numbers: Numbers) -> Drawing:
    """Draw what `priority_numbers` returned."""
    place, targets = numbers["priority (number)"], numbers["targets (number)"]
    with house_style():
        figure = new_figure(SINGLE, 2.6)
        axes = figure.add_subplot()
        bars = axes.bar(place, targets, color=BLUE, width=0.75)
        axes.bar_label(bars, [f"{number:,}" for number in targets], size=8, color=INK, padding=1)
        axes.set_xticks(place)
        axes.set(xlabel="priority (10 is the highest)", ylabel="targets")
        axes.margins(y=0.12)
        axes.grid(visible=False, axis="x")
    return Drawing.of(figure)


REACH = 4
"""Times the length of a list that its curve is drawn."""


def yield_numbers(targets: TargetSummary) -> Numbers:
    """Return the curves of all rules, a row a length of the list; densities where the area is known."""
    reach = REACH * max(len(targets.of_rule(number)) for number in range(len(targets.rules)))
    area = targets.area_of_curves
    unit, scale = ("deg-2", 1 / area) if area > 0 else ("number", 1.0)
    parts = []
    for number, whole in enumerate(targets.curves):
        curve = whole.up_to(reach or len(targets.entries))
        low, high = curve.interval(targets.shift)
        densities = {"fibres": curve.targets, "expected right": curve.expected}
        densities |= {"expected right, lower": low, "expected right, upper": high}
        parts.append(
            {
                "rule": np.full(len(curve.targets), rule_name(targets, number)),
                **{f"{name} ({unit})": values * scale for name, values in densities.items()},
                "purity (share)": curve.purity,
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def chosen_lengths(targets: TargetSummary) -> dict[str, float]:
    """Return the length of the list of each rule in the unit of `yield_numbers`, by its name."""
    scale = 1 / targets.area_of_curves if targets.area_of_curves > 0 else 1.0
    return {
        rule_name(targets, number): len(targets.of_rule(number)) * scale
        for number in range(len(targets.rules))
    }


def rule_name(targets: TargetSummary, number: int) -> str:
    """Return what a rule is called: its description, or else its number."""
    return targets.rules[number].text or f"rule {number + 1}"


def yield_figure(numbers: Numbers, chosen: Mapping[str, float]) -> Drawing:
    """Draw what `yield_numbers` returned: expected right targets with their 68 % interval, and the purity.

    Parameters
    ----------
    numbers : mapping of str to ndarray
    chosen : mapping of str to float
        The length of the list of each rule, by its text, in the unit of the curves; dotted.
    """
    fibres, *others, purity = list(numbers)[1:]
    unit = " per deg²" if "deg-2" in fibres else ""
    rules = list(dict.fromkeys(numbers["rule"].tolist()))
    keys = [Key(name, (BLUE, ORANGE)[place % 2], LINES[place // 2 % 3]) for place, name in enumerate(rules)]
    panels = []
    for title, columns in (("expected right", others), ("purity", [purity])):
        with house_style():
            figure = new_figure(PANEL, 2.7)
            axes = figure.add_subplot()
            for key in keys:
                rows = numbers["rule"] == key.label
                x, (middle, *limits) = numbers[fibres][rows], [numbers[name][rows] for name in columns]
                axes.plot(x, middle, lw=1.5, **key.look)
                if limits:
                    axes.fill_between(x, limits[0], limits[1], color=key.colour, alpha=0.2, lw=0)
                axes.axvline(chosen[key.label], color=key.colour, lw=0.8, ls=":", label="_guide")
            pure = columns == [purity]
            axes.set(xlabel=f"fibres{unit}", ylabel=title if pure else f"{title}{unit}", xlim=(0, None))
            axes.set_ylim(0, 1.02 if pure else None)
        panels.append(Panel(figure, title))
    return Drawing(tuple(panels), tuple(keys) if len(keys) > 1 else ())
