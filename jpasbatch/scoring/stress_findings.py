"""What is found in a sample under stress: which stress, which bands and which confusion are the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jpasbatch.scoring.stress import TRIPLE
from jpasbatch.scoring.stress_scores import ALL, LIBRARY


def group_of(stress: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the scores of one group of a sample under one stress."""
    return next(group for group in stress["groups"] if group["group"] == name)


def magnitude_names(content: Mapping[str, Any]) -> list[str]:
    """Return the names of a sample's groups of magnitude, all objects first."""
    names = [group["group"] for group in content["stresses"][0]["groups"]]
    return [name for name in names if not name.startswith(LIBRARY)]


def bin_names(content: Mapping[str, Any]) -> list[str]:
    """Return the names of a sample's bins of magnitude, the brightest first; `magnitude_groups` names them."""
    return [name for name in magnitude_names(content) if "<" in name]


def known_or_last(score: float) -> float:
    """Return a score for sorting: an undefined score comes last."""
    return float("inf") if score != score else score


def worst_triple(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return which three neighbours cost most in weighted f1 of all objects; None where none are tried."""
    chosen = [one for one in content["stresses"] if one["stress"] == TRIPLE]
    return min(chosen, key=lambda one: known_or_last(group_of(one, ALL)["change"][0]), default=None)


class Confusion(NamedTuple):
    """One pair of classes that a stress makes more alike: share of the true class that is called the other."""

    true_class: str
    called: str
    share: float
    change: float


def worst_confusion(group: Mapping[str, Any], classes: Sequence[str]) -> Confusion | None:
    """Return the confusion of two classes that grows most under stress; None if none grows."""
    confusion, unspoilt = (np.array(group[key], dtype=float) for key in ("confusion", "unspoilt"))
    objects = np.maximum(confusion.sum(axis=0), 1.0)
    change = (confusion - unspoilt) / objects
    np.fill_diagonal(change, 0.0)
    called, true = divmod(int(change.argmax()), len(classes))
    if change[called, true] <= 0:
        return None
    share = confusion[called, true] / objects[true]
    return Confusion(classes[true], classes[called], float(share), float(change[called, true]))


def worst_stress(content: Mapping[str, Any]) -> str:
    """Return in words which stress of a sample leaves the lowest weighted f1 of all objects.

    Parameters
    ----------
    content : mapping
        `jpasbatch.scoring.stress_tables.Content` of the sample.
    """
    worst = min(
        content["stresses"][1:], key=lambda stress: known_or_last(group_of(stress, ALL)["weighted_f1"][0])
    )
    group = group_of(worst, ALL)
    return (
        f"{worst['stress']}, {worst['level']}: f1 {group['weighted_f1'][0]:.3f} ({group['change'][0]:+.3f})"
    )


WORST = "three given neighbours missing, the worst"


def stress_summary(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a comparison of committees keeps of a sample under stress.

    Returns
    -------
    dict
        ``objects``, and ``scores``: weighted f1 of all objects and its change, by name and level of the stress. Of the
        single triples only the worst is there, as `WORST`: it need not be the same bands for all committees.
    """
    worst, found = worst_triple(content), {}
    for stress in content["stresses"]:
        if stress["stress"] == TRIPLE and stress is not worst:
            continue
        group = group_of(stress, ALL)
        name = f"{stress['stress']}: {stress['level']}" if stress["level"] else stress["stress"]
        found[WORST if stress is worst else name] = [group["weighted_f1"][0], group["change"][0]]
    return {"objects": content["objects"], "scores": found}
