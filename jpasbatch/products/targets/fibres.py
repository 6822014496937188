"""Who gets a fibre where there are fewer than candidates: the list with the largest expected number of right objects.

The expected number of a list is the sum of its probabilities, so that the most probable candidates of each field make
the best list; the sub-priority, a hash of the identifier, decides between equal ones. A field needs no more of its
candidates than there are fibres: parts of a survey keep so many each, and the best of all are among them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.products.accumulation import parent_pixels
from jpasbatch.products.record import HEALPIX_COLUMN
from jpasbatch.products.targets.candidates import (
    CANDIDATE,
    FIELD,
    FIELD_NSIDE,
    KEY,
    OBSERVED,
    PRIORITY,
    PROBABILITY,
    STATE,
    rule_column,
)
from jpasbatch.products.targets.options import TargetProgramme

ENTRY = np.dtype(
    [
        ("rule", "<i2"),
        ("field", "<i8"),
        ("probability", "<f4"),
        ("priority", "<f4"),
        ("key", "<u8"),
        ("pixel", "<i4"),
        ("observed", "?"),
    ]
)
"""A candidate of a rule: what decides on its fibre, and what is counted of it. ``key`` tells objects apart."""

KEPT = 2
"""Candidates that are kept for each fibre of a field, so that one sees what more fibres would gain."""


def entries_of(candidates: pa.Table, rules: Sequence[TargetProgramme]) -> np.ndarray:
    """Return the entries of a table of candidates, ENTRY (e,): one a rule that would take an object, in rank order."""
    parts = []
    pixels = parent_pixels(candidates[HEALPIX_COLUMN].to_numpy(), FIELD_NSIDE)
    for number in range(len(rules)):
        rows = np.flatnonzero(candidates[rule_column(STATE, number)].to_numpy() == CANDIDATE)
        entries = np.zeros(len(rows), dtype=ENTRY)
        entries["rule"] = number
        for name, what in (("field", FIELD), ("probability", PROBABILITY), ("priority", PRIORITY)):
            entries[name] = candidates[rule_column(what, number)].to_numpy()[rows]
        entries["key"], entries["pixel"] = candidates[KEY].to_numpy()[rows], pixels[rows]
        entries["observed"] = candidates[OBSERVED].to_numpy()[rows]
        parts.append(entries)
    return kept_entries(np.concatenate(parts) if parts else np.zeros(0, dtype=ENTRY), rules)


def kept_entries(entries: np.ndarray, rules: Sequence[TargetProgramme]) -> np.ndarray:
    """Return the entries that may matter, in rank order: of each field as many as its fibres allow.

    A rule may find objects taken by those before it, which count for it too.
    """
    order = np.lexsort(
        (entries["key"], -entries["probability"].astype(np.float64), entries["field"], entries["rule"])
    )
    entries = entries[order]
    limits, needed = np.full(len(rules) + 1, np.iinfo(np.int64).max), 0
    for number, rule in enumerate(rules):
        if rule.per_field is None or any(one.per_field is None for one in rules[:number]):
            continue  # what an earlier rule without such a limit takes is not known
        needed += rule.per_field
        limits[number] = KEPT * needed
    same_shape = all(rules[0].fields == rule.fields for rule in rules[1:])
    if not same_shape:  # fields of two rules cut the sky differently: one may have taken all of another's
        limits[1 : len(rules)] = np.iinfo(np.int64).max
    return entries[rank_in_field(entries) < limits[entries["rule"]]]


def rank_in_field(entries: np.ndarray) -> np.ndarray:
    """Return the rank of sorted entries within their rule and field, from 0, int64 (e,)."""
    if not len(entries):
        return np.zeros(0, dtype=np.int64)
    new = np.ones(len(entries), dtype=bool)
    new[1:] = (entries["rule"][1:] != entries["rule"][:-1]) | (entries["field"][1:] != entries["field"][:-1])
    starts = np.flatnonzero(new)
    return np.arange(len(entries)) - starts[np.cumsum(new) - 1]


def give_fibres(entries: np.ndarray, rules: Sequence[TargetProgramme], area_deg2: float) -> np.ndarray:
    """Return which entries get a fibre, bool (e,): of each object one at most.

    Parameters
    ----------
    entries : ndarray of ENTRY, shape (e,)
        Of the whole survey, in rank order.
    rules : sequence of TargetProgramme
        The first has the first choice.
    area_deg2 : float
        Area that a density refers to; NaN gives no fibre to rules with one.
    """
    given = np.zeros(len(entries), dtype=bool)
    taken = np.zeros(0, dtype=np.uint64)
    for number, rule in enumerate(rules):
        rows = np.flatnonzero(entries["rule"] == number)
        rows = rows[~np.isin(entries["key"][rows], taken)]
        if rule.marginal is not None:
            rows = rows[entries["probability"][rows] >= rule.marginal]
        if rule.per_field is not None:
            rows = rows[rank_in_field(entries[rows]) < rule.per_field]
        elif rule.per_deg2 is not None:
            fibres = int(np.floor(rule.per_deg2 * area_deg2)) if area_deg2 > 0 else 0
            rows = rows[:fibres]  # all candidates are in one field
        given[rows] = True
        taken = np.union1d(taken, entries["key"][rows])
    return given


def encode_entries(entries: np.ndarray) -> str:
    """Return entries as text that JSON holds."""
    return base64.b64encode(entries.tobytes()).decode("ascii")


def decode_entries(text: Any) -> np.ndarray:
    """Return the entries that `encode_entries` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype=ENTRY)
