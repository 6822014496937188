"""The numbers that figures of evaluations and comparisons draw, as tables that lie beside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from jpasbatch.learning.curves import Curve
from jpasbatch.pages.numbers import Numbers, numbers_of
from jpasbatch.scoring.comparison_record import FieldAgreement, StoredCurve
from jpasbatch.scoring.evaluation_record import StoredSignalCurve
from jpasbatch.scoring.stress import NEIGHBOURS, RANDOM, TRIPLE, UNSPOILT
from jpasbatch.scoring.stress_findings import bin_names, group_of
from jpasbatch.scoring.stress_scores import ALL

SIGNAL = {
    "signal": "median S/N (ratio)",
    "weighted_f1": "weighted f1 (share)",
    "weighted_f1_error": "error of weighted f1 (share)",
    "entropy": "median entropy (bits)",
}
LEARNT = {
    "epoch": "epoch (number)",
    "training_loss": "training loss (nat)",
    "validation_loss": "validation loss (nat)",
    "validation_f1": "weighted f1, validation (share)",
}


def signal_numbers(curves: Mapping[str, StoredSignalCurve]) -> Numbers:
    """Return scores against the signal-to-noise ratio: a row a classifier and bin."""
    rows = (
        (title, *row)
        for title, curve in curves.items()
        for row in zip(*(getattr(curve, name) for name in SIGNAL), strict=True)
    )
    return numbers_of(["classifier", *SIGNAL.values()], rows)


def difference_numbers(curves: Mapping[str, StoredSignalCurve], reference: str) -> Numbers:
    """Return weighted f1 less that of one classifier: a row a bin of each other one."""
    base = curves[reference].weighted_f1
    rows = (
        (title, signal, None if f1 is None or other is None else f1 - other, error)
        for title, curve in curves.items()
        if title != reference
        for signal, f1, error, other in zip(
            curve.signal, curve.weighted_f1, curve.weighted_f1_error, base, strict=True
        )
    )
    difference = f"weighted f1 less that of {reference} (share)"
    return numbers_of(["classifier", SIGNAL["signal"], difference, SIGNAL["weighted_f1_error"]], rows)


def dot_numbers(
    scores: Mapping[str, Sequence[Sequence[float | None]]],
    groups: Sequence[str],
    title: str,
    marked: Sequence[float | None],
) -> Numbers:
    """Return a score of many classifiers: a row a classifier and group, with what was published of the group."""
    rows = (
        (number, name, group, *pair, published)
        for number, (name, values) in enumerate(scores.items(), start=1)
        for group, pair, published in zip(groups, values, marked, strict=True)
    )
    score = [f"{title} (share)", "error (share)", "published (share)"]
    return numbers_of(["row (number)", "classifier", "group", *score], rows)


def roc_numbers(curves: Mapping[str, StoredCurve]) -> Numbers:
    """Return receiver operating characteristics: a row a point."""
    rows = (
        (name, *point)
        for name, curve in curves.items()
        for point in zip(curve.false_positive, curve.true_positive, strict=True)
    )
    return numbers_of(["classifier", "false positive rate (share)", "true positive rate (share)"], rows)


def agreement_numbers(field: FieldAgreement) -> Numbers:
    """Return how many objects each set of committees finds: a row a set, of all that are possible."""
    names, patterns = field.names, field.patterns
    rows = []
    for marks in product("01", repeat=len(names)):
        found = [name for name, mark in zip(names, marks, strict=True) if mark == "1"]
        rows.append((", ".join(found) or "none", len(found), patterns.get("".join(marks), 0)))
    return numbers_of(["found by", "committees (number)", "objects (number)"], rows)


def training_numbers(curves: Sequence[Curve]) -> Numbers:
    """Return how members learnt: a row a member and epoch."""
    rows = (
        (member, *row, int(row[0] == curve.best_epoch))
        for member, curve in enumerate(curves)
        for row in zip(*(curve.column(name).tolist() for name in LEARNT), strict=True)
    )
    return numbers_of(["member (number)", *LEARNT.values(), "kept (1: yes)"], rows)


def missing_numbers(content: Mapping[str, Any]) -> Numbers:
    """Return weighted f1 by the number of bands that are missing: a row a way of missing, number and group."""
    rows = (
        (kind, group, one["bands"], *group_of(one, group)["weighted_f1"])
        for kind in (RANDOM, NEIGHBOURS)
        for one in content["stresses"]
        if one["stress"] in (UNSPOILT, kind)
        for group in (ALL, *bin_names(content))
    )
    columns = ["missing", "group", "bands missing (number)", "weighted f1 (share)", "error (share)"]
    return numbers_of(columns, rows)


def triple_numbers(content: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Numbers]:
    """Return what three missing neighbours cost, by the names of `jpasbatch.scoring.stress_figures.triples`."""
    chosen = [one for one in content["stresses"] if one["stress"] == TRIPLE]
    by_group = (
        (one["level"], one["wavelength"], group, *group_of(one, group)["change"])
        for one in chosen
        for group in (ALL, *bin_names(content))
    )
    by_class = (
        (one["level"], one["wavelength"], name, *(part[place] for part in group_of(one, ALL)["f1_change"]))
        for one in chosen
        for place, name in enumerate(classes)
    )
    where, error = ["bands", "wavelength of the middle band (Angstrom)"], "error (share)"
    return {
        "triples": numbers_of([*where, "group", "change of weighted f1 (share)", error], by_group),
        "triples-classes": numbers_of([*where, "class", "change of f1 (share)", error], by_class),
    }
