"""What is told of a list: its rules in numbers, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.products.targets.candidates import CANDIDATE, CIRCLE, LISTED, REASONS
from jpasbatch.products.targets.exclusions import exclusions_of
from jpasbatch.products.targets.targets import TargetSummary
from jpasbatch.products.targets.weave import weave_file_name

SATURATED = 0.2
"""Share of targets of the highest priority above which priorities say too little."""

FULL = 0.95
"""Share of the fibres below which a density was not reached."""


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """What became of a rule of a list.

    Attributes
    ----------
    rule : int
        From 1.
    description : str
    fibres : float or str
        What the rule asks for: fibres per deg2, "N / field", or an empty text.
    candidates, targets : int
    per_deg2 : float or None
        Of the targets on the observed area; None where that is not known.
    expected_right : float
        Sum of the probabilities of the targets.
    left_out : dict of str to int
        Candidates that are no targets, by reason.
    marginal : float or None
        Least gain that a fibre must have, where the rule has one.
    fibres_at_marginal : int or None
        From here on one more fibre gains less than that.
    per_deg2_at_marginal : float or None
        The same per deg2; None where there is no area.
    """

    rule: int
    description: str
    fibres: float | str
    candidates: int
    targets: int
    per_deg2: float | None
    expected_right: float
    left_out: dict[str, int]
    marginal: float | None
    fibres_at_marginal: int | None
    per_deg2_at_marginal: float | None


def rule_lines(one: TargetSummary) -> Iterator[RuleLine]:
    """Yield what became of each rule: fibres, expected right, who was left out and why, and where more gain little."""
    for number, rule in enumerate(one.rules):
        targets, curve = one.of_rule(number), one.curves[number]
        asked = rule.density or (f"{rule.per_field} / field" if rule.per_field is not None else "")
        out = {
            reason: int(one.left_out[number, place])
            for place, reason in enumerate(REASONS)
            if place > CANDIDATE
        }
        at = None if rule.marginal is None else curve.saturation(rule.marginal)
        has_area = at is not None and one.area_of_curves > 0
        yield RuleLine(
            rule=number + 1,
            description=rule.text,
            fibres=asked,
            candidates=int(one.left_out[number, CANDIDATE]),
            targets=len(targets),
            per_deg2=one.density_of_rule(number),
            expected_right=float(inexact(exact(targets["probability"]).sum())),
            left_out={reason: found for reason, found in out.items() if found},
            marginal=rule.marginal,
            fibres_at_marginal=None if at is None else int(curve.fibres[at]),
            per_deg2_at_marginal=float(curve.targets[at] / one.area_of_curves) if has_area else None,
        )


def list_warnings(one: TargetSummary) -> Iterator[str]:
    """Yield one or two sentences on a list that is empty, shorter than asked, or of one priority."""
    name = weave_file_name(one.programme)
    if not one.number:
        yield f"{name} holds no target, and cannot be submitted{_why_none(one)}."
    elif one.priorities[-1] > SATURATED * one.number and one.programme.priorities[1] == 10:
        instead = "" if one.programme.priority_by == "log_odds" else ', or use priority_by = "log_odds"'
        yield (
            f"{one.priorities[-1]:,} of {one.number:,} targets of {name} have priority 10, so that it says little: "
            f"raise `sure`{instead}."
        )
    for number, rule in enumerate(one.rules):
        yield from _table_warnings(one, number, f"{name}, rule {number + 1}")
        if rule.per_deg2 is None or rule.marginal is not None or not one.area_deg2 > 0:
            continue
        found, asked = len(one.of_rule(number)), rule.per_deg2 * one.area_deg2
        if asked < 1:
            yield (
                f"{name}, rule {number + 1}: {rule.per_deg2:g} targets per deg2 are less than one on "
                f"{one.area_deg2:.3g} deg2, so that it has no fibre; raise density."
            )
        elif found < FULL * asked:
            yield (
                f"{name}, rule {number + 1}: {rule.per_deg2:g} targets per deg2 were asked for, {asked:,.0f} in all, "
                f"and {found:,} meet its limits; lower min_probability to fill the fibres."
            )


def _why_none(one: TargetSummary) -> str:
    """Return what most objects within the limits were left out for, as the end of a sentence; nothing without any."""
    if one.left_out[:, CANDIDATE].any():
        return ""  # there are candidates, and no fibre
    left = one.left_out.sum(axis=0)
    left[: CANDIDATE + 1] = 0
    return f": {left.max():,} objects within its limits are {REASONS[left.argmax()]}" if left.any() else ""


def _table_warnings(one: TargetSummary, number: int, name: str) -> Iterator[str]:
    """Yield a sentence for each table of a rule that takes nothing out, and for fields without a candidate."""
    rule, left = one.rules[number], one.left_out[number]
    exclusions = exclusions_of(rule)
    if rule.exclude and not left[LISTED]:
        named = [
            f'{len(exclusions.identifiers):,} identifiers, such as "{min(exclusions.identifiers, default="")}"'
        ]
        named = named if exclusions.identifiers else []
        placed = [f"{len(exclusions.circles[0]):,} positions"] if len(exclusions.circles[0]) else []
        yield (
            f"{name}: `exclude` takes no object out. {rule.exclude} has {' and '.join(named + placed) or 'none'}; see "
            "whether identifiers are those of the catalogue, and positions in degrees."
        )
    if rule.exclude_circles and not left[CIRCLE]:
        yield (
            f"{name}: `exclude_circles` takes no object out; see whether the positions of {rule.exclude_circles} are "
            "in degrees, and of this sky."
        )
    if exclusions.fields is not None and one.number:
        entries = one.entries[one.entries["rule"] == number]
        empty = len(exclusions.fields) - len(np.unique(entries["field"]))
        if empty:
            yield f"{name}: {empty:,} of {len(exclusions.fields):,} fields of {rule.fields} hold no candidate."
