"""Which objects of a partition each rule of a list would take, and why it would not take the others.

All that is decided here depends on the object alone, so that a survey may be selected partition by partition, and an
object keeps its priority and sub-priority whatever else is found. Who gets one of too few fibres is decided in
`jpasbatch.products.targets.fibres`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.products.accumulation import parent_pixels, stable_hash
from jpasbatch.products.protocol import Partition
from jpasbatch.products.record import HEALPIX_COLUMN, magnitude_column, probability_column
from jpasbatch.products.targets.exclusions import OUTSIDE, Exclusions, exclusions_of
from jpasbatch.products.targets.options import TargetProgramme, Veto

FIELD_NSIDE = 32
"""Its pixels (3.36 deg2) are about one WEAVE field (3.14 deg2)."""

REASONS = (
    "below the limits of probability, magnitude or stellarity",
    "candidate",
    "unlike what was learnt",
    "vetoed by a measurement",
    "in the list of excluded objects",
    "in an excluded circle",
    "outside of the observed area",
    "outside of all fields",
)
"""What a rule says of an object; the first that holds, in this order."""

BELOW, CANDIDATE, UNLIKE, MEASURED, LISTED, CIRCLE, UNOBSERVED, NO_FIELD = range(len(REASONS))

KEY, OBSERVED, SUBPRIORITY = "key", "observed", "subpriority"
STATE, PROBABILITY, PRIORITY, FIELD = "state", "probability", "priority", "field"
STEP = 10
"""Priorities have one decimal, as WEAVE prints them."""


def rule_column(what: str, rule: int) -> str:
    """Return the column that holds what a rule says of an object, by its position in the list."""
    return f"rule{rule}_{what}"


def find_candidates(rows: Partition, rules: Sequence[TargetProgramme], seed: int) -> pa.Table:
    """Return the objects of a partition that meet the limits of a rule or more, in their order.

    Parameters
    ----------
    rows : Partition
    rules : sequence of TargetProgramme
        Of one list.
    seed : int
        Changes the sub-priorities and nothing else.

    Returns
    -------
    pyarrow.Table
        All columns of the records, those that vetoes read, and

        - ``key`` (uint64), ``subpriority`` (float64, 0 to below 1): of a hash of the identifier;
        - ``observed`` (bool): in the observed part of the sky;
        - for each rule ``state`` (int8, position in `REASONS`), ``probability`` (float32), ``priority`` (float32) and
          ``field`` (int64): see `rule_column`.

    Raises
    ------
    InputError
        When the records lack a column that a rule names, or a table of exclusions is wrong.
    """
    record = rows.predictions
    chosen = [within_limits(record, rule) for rule in rules]
    kept = np.flatnonzero(np.any(chosen, axis=0)) if len(rules) else np.zeros(0, dtype=np.int64)
    found, measured = record.take(pa.array(kept)), rows.photometry.take(pa.array(kept))
    observed = np.ones(len(kept), dtype=bool) if rows.observed is None else rows.observed[kept]
    key = stable_hash(found["object_id"].to_pylist(), f"{rules[0].programme} {seed}" if rules else "")
    columns: dict[str, pa.ChunkedArray] = {name: found[name] for name in found.column_names}
    flags = {name for rule in rules for veto in rule.vetoes if veto.bits for name in veto.columns}
    for name in dict.fromkeys(name for rule in rules for name in veto_columns(rule)):
        columns[name] = _measurement(found, measured, name, rules[0])
        if name in flags and not pa.types.is_integer(columns[name].type):
            raise InputError(
                f"targets of {rules[0].programme}: bits are those of whole numbers, {name!r} holds {columns[name].type}"
            )
    own: dict[str, np.ndarray] = {KEY: key, SUBPRIORITY: key / 2.0**64, OBSERVED: observed}
    for number, rule in enumerate(rules):
        probability = summed_probability(found, rule)
        exclusions = exclusions_of(rule)
        field = _fields(found, rule, exclusions)
        state = _state(found, columns, observed, rule, exclusions)
        state[(state == CANDIDATE) & (field == OUTSIDE)] = NO_FIELD
        state[~chosen[number][kept]] = BELOW
        own[rule_column(STATE, number)] = state
        own[rule_column(PROBABILITY, number)] = np.minimum(probability, 1).astype(np.float32)
        own[rule_column(PRIORITY, number)] = target_priority(
            probability, probability_limits(found, rule), rule
        )
        own[rule_column(FIELD, number)] = field
    return pa.table({**columns, **own})


def veto_columns(rule: TargetProgramme) -> tuple[str, ...]:
    """Return the columns that the vetoes of a rule read."""
    return tuple(name for veto in rule.vetoes for name in (*veto.columns, *veto.errors))


def target_priority(probability: np.ndarray, limit: np.ndarray, rule: TargetProgramme) -> np.ndarray:
    """Return the priority of targets, float32 (n,), with one decimal, within the limits of the rule.

    It rises in equal steps of log-odds (or of probability), from the limit of the rule to where an object is sure.

    Parameters
    ----------
    probability, limit : ndarray of float64, shape (n,)
    rule : TargetProgramme
    """
    surest = np.maximum(np.full(len(limit), rule.sure), np.nextafter(np.asarray(limit, dtype=np.float64), 1))
    low, value, high = (np.clip(one, 1e-9, 1 - 1e-9) for one in (limit, probability, surest))
    if rule.priority_by == "log_odds":
        low, value, high = (np.log(one) - np.log1p(-one) for one in (low, value, high))
    share = np.clip((value - low) / np.maximum(high - low, 1e-12), 0, 1)
    first, last = rule.priorities
    return (np.floor((first + (last - first) * share) * STEP + 1e-6) / STEP).astype(np.float32)


def within_limits(record: pa.Table, rule: TargetProgramme) -> np.ndarray:
    """Return which records meet the limits of a rule in probability, magnitude and stellarity, bool (n,)."""
    chosen = summed_probability(record, rule) >= probability_limits(record, rule)
    magnitude = record[_present(record, magnitude_column(rule.magnitude_role), rule)].to_numpy()
    if rule.brighter_than is not None:
        chosen &= magnitude < rule.brighter_than
    if rule.fainter_than is not None:
        chosen &= magnitude > rule.fainter_than
    if rule.minimum_class_star is not None:
        chosen &= record["class_star"].to_numpy() > rule.minimum_class_star
    return chosen


def summed_probability(record: pa.Table, rule: TargetProgramme) -> np.ndarray:
    """Return the probability of any class of a rule, float64 (n,)."""
    names = [_present(record, probability_column(name), rule) for name in rule.classes]
    return np.asarray(np.sum([record[name].to_numpy() for name in names], axis=0, dtype=np.float64))


def probability_limits(record: pa.Table, rule: TargetProgramme) -> np.ndarray:
    """Return the least probability of a target at the magnitude of each record, float64 (n,); above 1 of none."""
    if not rule.min_probability_by_bin:
        return np.full(record.num_rows, rule.min_probability)
    number = record["magnitude_bin"].to_numpy().astype(np.int64)
    if number.max(initial=-1) >= len(rule.min_probability_by_bin):
        raise InputError(
            f"min_probability_by_bin has {len(rule.min_probability_by_bin)} values, but the survey has "
            f"at least {number.max() + 1} magnitude bins"
        )
    return np.append(rule.min_probability_by_bin, np.inf)[number]  # -1, outside the bins, is the last


def _state(
    found: pa.Table,
    columns: Mapping[str, pa.ChunkedArray],
    observed: np.ndarray,
    rule: TargetProgramme,
    exclusions: Exclusions,
) -> np.ndarray:
    """Return what a rule says of objects within its limits, int8 (n,): see `REASONS`."""
    ra, dec = found["ra"].to_numpy(), found["dec"].to_numpy()
    options = pc.SetLookupOptions(value_set=pa.array(list(rule.subsets)))
    allowed = pc.call_function("is_in", [found[_present(found, "subset", rule)]], options)
    state = np.full(found.num_rows, CANDIDATE, dtype=np.int8)
    # the last that is set is the one that is told: in the order of `REASONS`
    if not rule.keep_masked:
        state[~observed] = UNOBSERVED
    state[exclusions.masked(ra, dec)] = CIRCLE
    state[exclusions.listed(found["object_id"].to_pylist(), ra, dec)] = LISTED
    for veto in rule.vetoes:
        state[vetoed(columns, veto)] = MEASURED
    state[~allowed.to_numpy()] = UNLIKE
    return state


def vetoed(columns: Mapping[str, pa.ChunkedArray], veto: Veto) -> np.ndarray:
    """Return which objects a veto takes out, bool (n,).

    Parameters
    ----------
    columns : mapping of str to Arrow column
    veto : Veto
    """
    if veto.bits:
        flags = columns[veto.columns[0]]
        unknown = flags.is_null().to_numpy()
        hit = (flags.fill_null(0).to_numpy().astype(np.int64) & veto.bits) != 0
        return np.asarray(np.where(unknown, veto.missing == "veto", hit))
    values = [_floats(columns[name]) for name in veto.columns]
    if veto.errors:
        errors = [_floats(columns[name]) for name in veto.errors]
        values = [
            value / np.where(error > 0, error, np.nan) for value, error in zip(values, errors, strict=True)
        ]
    measure = (
        values[0] if len(values) == 1 and not veto.errors else np.sqrt(np.sum(np.square(values), axis=0))
    )
    hit = np.zeros(len(measure), dtype=bool)
    if veto.above is not None:
        hit |= measure > veto.above
    if veto.below is not None:
        hit |= measure < veto.below
    return np.asarray(np.where(np.isnan(measure), veto.missing == "veto", hit))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _measurement(found: pa.Table, measured: pa.Table, name: str, rule: TargetProgramme) -> pa.ChunkedArray:
    for table in (found, measured):
        if name in table.column_names:
            column = table[name]
            if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
                raise InputError(
                    f"targets of {rule.programme}: vetoes read numbers, {name!r} holds {column.type}"
                )
            return column
    raise InputError(f"targets of {rule.programme}: a veto reads the column {name!r}, which is not there")


def _fields(found: pa.Table, rule: TargetProgramme, exclusions: Exclusions) -> np.ndarray:
    """Return the field of each object, int64 (n,); all are in one where fibres are not counted by field."""
    if rule.fields:
        return exclusions.field_of(found["ra"].to_numpy(), found["dec"].to_numpy(), rule.field_radius)
    if rule.per_field is not None:
        return parent_pixels(found[HEALPIX_COLUMN].to_numpy(), FIELD_NSIDE)
    return np.zeros(found.num_rows, dtype=np.int64)


def _present(record: pa.Table, name: str, rule: TargetProgramme) -> str:
    if name not in record.column_names:
        raise InputError(f"targets of {rule.programme}: the records have no column {name!r}")
    return name
