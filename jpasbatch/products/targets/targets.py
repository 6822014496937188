"""Target lists: what their rules chose in a part of the sky, and what that says of the survey."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.products.accumulation import decode_counts, encode_counts, require_equal
from jpasbatch.products.protocol import Partition
from jpasbatch.products.record import HEALPIX_COLUMN, magnitude_column, magnitude_error_column
from jpasbatch.products.targets.candidates import (
    BELOW,
    CANDIDATE,
    FIELD,
    FIELD_NSIDE,
    KEY,
    PRIORITY,
    PROBABILITY,
    REASONS,
    STATE,
    UNLIKE,
    find_candidates,
    rule_column,
)
from jpasbatch.products.targets.fibres import (
    ENTRY,
    decode_entries,
    encode_entries,
    entries_of,
    give_fibres,
    kept_entries,
)
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.yields import YieldCurve, likely_right, yield_curve

__all__ = [
    "FIELD_NSIDE",
    "TargetLists",
    "TargetProgramme",
    "TargetSummary",
    "TargetTally",
    "chosen_targets",
    "listed_candidates",
    "select_targets",
    "target_schema",
]

PRIORITIES = 10
"""WEAVE priorities are 1 to 10; 10 is the highest."""

SELECTED = "selected"
NO_FIBRE = "no fibre is left for it"


def target_schema() -> pa.Schema:
    """Return the schema of a target list.

    ``probability`` is the sum over the classes of the rule that took the object; ``priority`` is 1 to 10, 10 the
    highest; ``subpriority`` in [0, 1) orders targets of one priority at random, but always alike; ``description`` is
    what TARGPROG says.
    """
    fields = [
        (HEALPIX_COLUMN, pa.int64()),
        ("object_id", pa.string()),
        ("ra", pa.float64()),
        ("dec", pa.float64()),
    ]
    fields += [("predicted_class", pa.string()), ("probability", pa.float32())]
    for role in ("g", "r", "i"):
        fields += [(magnitude_column(role), pa.float32()), (magnitude_error_column(role), pa.float32())]
    fields += [("priority", pa.float32()), ("subpriority", pa.float64())]
    return pa.schema([*fields, ("description", pa.string()), ("rule", pa.int16())])


@dataclass(frozen=True, eq=False)
class TargetSummary:
    """What a `TargetTally` says.

    Attributes
    ----------
    rules : tuple of TargetProgramme
        Of the list; the first has the first choice.
    entries : ndarray of ENTRY, shape (e,)
        Candidates of the rules in rank order.
    left_out : int64 (rules, REASONS)
        Objects within the limits of each rule by what it says of them.
    area_deg2 : float
        Area that the densities of rules refer to; NaN where it is not known.
    shift : float
        Standard error of the log-odds that all objects share.
    """

    rules: tuple[TargetProgramme, ...]
    entries: np.ndarray
    left_out: np.ndarray
    area_deg2: float = float("nan")
    shift: float = 0.0

    @property
    def programme(self) -> TargetProgramme:
        """The rule that has the first choice: all have its survey and trimester."""
        return self.rules[0]

    @cached_property
    def given(self) -> np.ndarray:
        """Which entries get a fibre, bool (e,)."""
        return give_fibres(self.entries, self.rules, self.area_deg2)

    @cached_property
    def targets(self) -> np.ndarray:
        """The entries that get a fibre, sorted by ``key``."""
        chosen = self.entries[self.given]
        return chosen[np.argsort(chosen["key"], kind="stable")]

    @property
    def number(self) -> int:
        """How many targets there are."""
        return len(self.targets)

    @property
    def expected(self) -> float:
        """Sum of the targets' probabilities: how many should be right."""
        return float(inexact(exact(self.targets["probability"]).sum()))

    @property
    def interval(self) -> tuple[float, float]:
        """Limits of the central 68 % of how many are right."""
        p = self.targets["probability"].astype(np.float64)
        variance = inexact(exact(p * (1 - p)).sum())
        low, high = likely_right(np.asarray(self.expected), variance, np.asarray(self.number), self.shift)
        return float(low), float(high)

    @property
    def priorities(self) -> np.ndarray:
        """Targets of priority 1 to below 2, and so on; the last are those of 10, int64 (10,)."""
        whole = np.floor(self.targets["priority"]).astype(np.int64)
        return np.bincount(whole - 1, minlength=PRIORITIES)

    @property
    def pixels(self) -> np.ndarray:
        """Nested pixels of nside 32, about one WEAVE field each, that hold targets, int64 (p,)."""
        return np.unique(self.targets["pixel"][self.targets["observed"]]).astype(np.int64)

    @property
    def pixel_targets(self) -> np.ndarray:
        """Targets in the observed part of each of these pixels, int64 (p,)."""
        return np.unique(self.targets["pixel"][self.targets["observed"]], return_counts=True)[1]

    @property
    def vetoed(self) -> int:
        """Objects that would be candidates, were they not of a subset that is left out: most that any rule has."""
        return int(self.left_out[:, UNLIKE].max(initial=0))  # rules may leave out the same ones

    @property
    def observed(self) -> int:
        """Targets in the observed part of the sky: those of a density."""
        return int(self.targets["observed"].sum())

    @property
    def area_of_curves(self) -> float:
        """Area that densities of curves are of, deg2; NaN where a candidate lies outside of what was observed.

        A density counts what lies in the observed part of the sky, and a curve counts all candidates.
        """
        return self.area_deg2 if self.entries["observed"].all() else float("nan")

    def density_of_rule(self, number: int) -> float | None:
        """Return the targets of one rule in the observed part of the sky, per deg2; None without an area."""
        observed = int(self.of_rule(number)["observed"].sum())
        return observed / self.area_deg2 if self.area_deg2 > 0 else None

    @property
    def density(self) -> float | None:
        """Targets in the observed part of the sky, per deg2; None without an area."""
        return self.observed / self.area_deg2 if self.area_deg2 > 0 else None

    def of_rule(self, number: int) -> np.ndarray:
        """Return the targets of one rule."""
        return self.targets[self.targets["rule"] == number]

    @cached_property
    def curves(self) -> tuple[YieldCurve, ...]:
        """What more fibres gain, rule by rule."""
        by_rule = (self.entries[self.entries["rule"] == number] for number in range(len(self.rules)))
        return tuple(yield_curve(entries, rule) for entries, rule in zip(by_rule, self.rules, strict=True))


@dataclass(frozen=True)
class TargetLists:
    """What the target lists of a job hold, list by list."""

    lists: tuple[TargetSummary, ...]


@dataclass(frozen=True, eq=False)
class TargetTally:
    """Candidates of one list: what decides on the fibres, and how many were left out for what reason.

    Attributes
    ----------
    rules : tuple of TargetProgramme
    entries : ndarray of ENTRY, shape (e,)
        As many of each field as its fibres allow; all candidates of rules without such a limit.
    left_out : int64 (rules, REASONS)
    """

    rules: tuple[TargetProgramme, ...]
    entries: np.ndarray
    left_out: np.ndarray = field(repr=False)

    @classmethod
    def create(cls, *rules: TargetProgramme) -> TargetTally:
        """Return an empty tally."""
        return cls(rules, np.zeros(0, dtype=ENTRY), np.zeros((len(rules), len(REASONS)), dtype=np.int64))

    def add(self, candidates: pa.Table) -> TargetTally:
        """Return this tally with the candidates that `find_candidates` found in a partition added."""
        numbers = [
            np.bincount(candidates[rule_column(STATE, rule)].to_numpy(), minlength=len(REASONS))
            for rule in range(len(self.rules))
        ]
        part = TargetTally(self.rules, entries_of(candidates, self.rules), np.array(numbers))
        return self.merge(part)

    def merge(self, other: TargetTally) -> TargetTally:
        """Return the tally of both parts."""
        require_equal(self.rules, other.rules, "target rules")
        entries = kept_entries(np.concatenate([self.entries, other.entries]), self.rules)
        return TargetTally(self.rules, entries, self.left_out + other.left_out)

    def extract(self) -> TargetSummary:
        """Return what the list holds; rules with a density need its area, see `TargetSummary.area_deg2`."""
        return TargetSummary(self.rules, self.entries, self.left_out)

    def to_dict(self) -> dict[str, Any]:
        """Return the tally without its rules as JSON-able values."""
        return {"entries": encode_entries(self.entries), "left_out": encode_counts(self.left_out)}

    @classmethod
    def from_dict(cls, values: dict[str, Any], *rules: TargetProgramme) -> TargetTally:
        """Return the tally that `to_dict` wrote for the same rules."""
        return cls(rules, decode_entries(values["entries"]), decode_counts(values["left_out"]))


def listed_candidates(candidates: pa.Table, summary: TargetSummary) -> pa.Table:
    """Return the candidates of a partition with what became of them.

    Added are ``selected`` (bool), ``reason`` (why, or why not), ``rule`` (int16, from 1; of the rule that took the
    object, or else would), ``description``, ``probability``, ``priority`` and ``field`` of that rule; columns of single
    rules are gone.
    """
    rules, keys, targets = summary.rules, candidates[KEY].to_numpy(), summary.targets
    place = np.minimum(np.searchsorted(targets["key"], keys), max(len(targets) - 1, 0))
    selected = (targets["key"][place] == keys) if len(targets) else np.zeros(len(keys), dtype=bool)
    states = np.column_stack([candidates[rule_column(STATE, rule)].to_numpy() for rule in range(len(rules))])
    rule = _told_rule(states)
    rule[selected] = targets["rule"][place[selected]] if len(targets) else 0
    words = np.array([SELECTED, *REASONS, NO_FIBRE], dtype=object)
    state = states[np.arange(len(keys)), rule]
    reason = np.where(selected, 0, np.where(state == CANDIDATE, len(words) - 1, state + 1))
    of_rules = {
        rule_column(what, one) for one in range(len(rules)) for what in (STATE, PROBABILITY, PRIORITY, FIELD)
    }
    own = [name for name in candidates.column_names if name not in of_rules]
    texts = np.array([one.text for one in rules], dtype=object)
    columns: dict[str, pa.ChunkedArray | pa.Array | np.ndarray] = {
        **{name: candidates[name] for name in own if name != KEY},
        "selected": selected,
        "reason": pa.array(words[reason].tolist(), pa.string()),
        "description": pa.array(texts[rule].tolist(), pa.string()),
        "rule": (rule + 1).astype(np.int16),
    }
    for what in (PROBABILITY, PRIORITY, FIELD):
        values = np.column_stack([candidates[rule_column(what, one)].to_numpy() for one in range(len(rules))])
        columns[what] = values[np.arange(len(keys)), rule]
    return pa.table(columns)


def _told_rule(states: np.ndarray) -> np.ndarray:
    """Return the rule whose word on an object is told: the first that would take it, or else that has it in reach."""
    candidate, reached = states == CANDIDATE, states != BELOW
    return np.where(candidate.any(axis=1), candidate.argmax(axis=1), reached.argmax(axis=1))


def chosen_targets(listed: pa.Table) -> pa.Table:
    """Return the targets among what `listed_candidates` returned, with the schema `target_schema`.

    Bands that the survey does not report are NaN.
    """
    found = listed.filter(listed["selected"])
    missing = pa.array(np.full(found.num_rows, np.nan, dtype=np.float32))
    schema = target_schema()
    arrays = [found[field.name] if field.name in found.column_names else missing for field in schema]
    return pa.Table.from_arrays(
        [one.cast(field.type) for one, field in zip(arrays, schema, strict=True)], schema=schema
    )


def select_targets(record: pa.Table, programme: TargetProgramme, seed: int) -> pa.Table:
    """Return the targets of a list of one rule among the records of a whole sky, in their order.

    Parameters
    ----------
    record : pyarrow.Table
        See `record_schema`.
    programme : TargetProgramme
        Not by density, which needs an area.
    seed : int
        Changes the sub-priorities and nothing else.

    Returns
    -------
    pyarrow.Table
        With the schema `target_schema`.
    """
    rows = Partition(record, record.select(["object_id"]), np.full(record.num_rows, -1, dtype=np.int16))
    candidates = find_candidates(rows, (programme,), seed)
    return chosen_targets(
        listed_candidates(candidates, TargetTally.create(programme).add(candidates).extract())
    )
