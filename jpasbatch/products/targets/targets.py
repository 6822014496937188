"""Who gets a fibre: a cut in probability and magnitude, a priority, and a reproducible order within it.

The choice of an object depends on the object alone, so that a survey may be selected partition by partition.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.errors import InputError
from jpasbatch.learning.exact_sums import exact, inexact
from jpasbatch.learning.novelty.novelty import SUBSETS
from jpasbatch.products.accumulation import (
    decode_counts,
    encode_counts,
    parent_pixels,
    require_equal,
    stable_hash,
    sum_by_pixel,
)
from jpasbatch.products.record import (
    HEALPIX_COLUMN,
    magnitude_column,
    magnitude_error_column,
    probability_column,
)

PRIORITIES = 10
"""WEAVE priorities are 1 to 10; 10 is the highest."""

FIELD_NSIDE = 32
"""Its pixels (3.36 deg2) are about one WEAVE field (3.14 deg2)."""

OPEN_TIME = r"W[SV]\d{4}[AB][12]-\d{3}"
SURVEYS = (
    *("GA-LRDISC", "GA-LRHIGHLAT", "GA-HR", "GA-OC", "GA-CALIB", "STEPS", "SCIP-AC", "SCIP-CYG", "SCIP-LR"),
    *("WA", "WC", "WL-WIDE", "WL-MID", "WL-DEEP", "WQ", "ASTRO-CALIB", "WD", "GS", "ING-SYSCAT"),
)


@dataclass(frozen=True)
class TargetProgramme:
    """One target list.

    Attributes
    ----------
    programme : str
        WEAVE survey (TARGSRVY): ``WQ`` is WEAVE-QSO.
    trimester : str
        Observing trimester, ``2027A1``.
    classes : tuple of str
        Classes whose probabilities are summed.
    min_probability : float
        Least summed probability of a target.
    min_probability_by_bin : tuple of float
        If given, one limit for each magnitude bin of the survey, instead of ``min_probability``; objects
        outside the bins are then no targets.
    magnitude_role : str
        Reported band of the magnitude limits.
    brighter_than, fainter_than : float or None
        Magnitude limits, AB mag, exclusive: ``fainter_than < m < brighter_than``.
    minimum_class_star : float or None
        Lower limit of the stellarity, exclusive.
    subsets : tuple of str
        Subsets whose objects may be targets (`jpasbatch.learning.novelty.novelty.SUBSETS`). By default all but
        "unsafe": what is unlike all that was learnt gets no fibre, whatever its probability.
    description : str
        Free text (TARGPROG), at most 40 ASCII characters.
    """

    programme: str = "WQ"
    trimester: str = "2027A1"
    classes: tuple[str, ...] = ("qso_high",)
    min_probability: float = 0.5
    min_probability_by_bin: tuple[float, ...] = ()
    magnitude_role: str = "r"
    brighter_than: float | None = 23.6
    fainter_than: float | None = 17.0
    minimum_class_star: float | None = None
    subsets: tuple[str, ...] = ("safe", "extrapolation", "unknown")
    description: str = ""

    def __post_init__(self) -> None:
        if self.programme not in SURVEYS and not re.fullmatch(OPEN_TIME, self.programme):
            raise ValueError(
                f"programme = {self.programme!r}: must be one of {', '.join(SURVEYS)}, or like WS2027A1-001"
            )
        if not re.fullmatch(r"[0-9]{4}[AB][12]", self.trimester):
            raise ValueError(
                f"trimester = {self.trimester!r}: must be a year, A or B, and 1 or 2, like 2027A1"
            )
        if self.programme not in SURVEYS and self.programme[2:8] != self.trimester:
            raise ValueError(
                f"trimester = {self.trimester!r}: differs from that in programme {self.programme!r}"
            )
        if not self.classes:
            raise ValueError("classes is empty: name at least one class")
        unknown = [name for name in self.subsets if name not in SUBSETS]
        if unknown or not self.subsets or len(set(self.subsets)) != len(self.subsets):
            raise ValueError(
                f"subsets = {list(self.subsets)!r}: must name one or more of {', '.join(SUBSETS)}, each once"
            )
        for limit in (self.min_probability, *self.min_probability_by_bin):
            if not 0 < limit < 1:
                raise ValueError(f"min_probability: {limit} is not between 0 and 1")
        bright, faint = self.fainter_than, self.brighter_than
        if bright is not None and faint is not None and not bright < faint:
            raise ValueError(f"fainter_than = {bright} and brighter_than = {faint} leave no magnitudes")
        if not self.description.isascii() or len(self.description) > 40:
            raise ValueError(f"description = {self.description!r}: must be at most 40 ASCII characters")


def target_schema() -> pa.Schema:
    """Return the schema of a target list.

    ``probability`` is the sum over the programme's classes; ``priority`` is 1 to 10, 10 the highest;
    ``subpriority`` in [0, 1) orders targets of one priority at random, but always alike.
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
    return pa.schema([*fields, ("priority", pa.int8()), ("subpriority", pa.float64())])


def chosen_but_vetoed(record: pa.Table, programme: TargetProgramme) -> int:
    """Return how many records a programme would choose, were they not of a subset that it leaves out."""
    return int((_chosen(record, programme) & ~_allowed(record, programme)).sum())


def select_targets(record: pa.Table, programme: TargetProgramme, seed: int) -> pa.Table:
    """Return the targets among the records of a partition, in their order.

    The priority rises in equal steps of probability, from 1 at the limit to 10 at certainty.

    Parameters
    ----------
    record : pyarrow.Table
        See `record_schema`.
    programme : TargetProgramme
    seed : int
        Changes the sub-priorities and nothing else.

    Returns
    -------
    pyarrow.Table
        With the schema `target_schema`; bands that the survey does not report are NaN.

    Raises
    ------
    InputError
        When the records lack a class or magnitude that the programme names.
    """
    probability, limit = _probability(record, programme), _limits(record, programme)
    rows = np.flatnonzero(_chosen(record, programme) & _allowed(record, programme))
    found = record.take(pa.array(rows))
    ladder = (probability[rows] - limit[rows]) / (1 - limit[rows])
    values: dict[str, Any] = {name: found[name] for name in found.column_names}
    values["probability"] = np.minimum(probability[rows], 1).astype(np.float32)
    values["priority"] = np.clip(1 + np.floor(ladder * PRIORITIES), 1, PRIORITIES).astype(np.int8)
    salt = f"{programme.programme} {programme.trimester} {seed}"
    values["subpriority"] = stable_hash(found["object_id"].to_pylist(), salt) / 2.0**64
    missing = np.full(len(rows), np.nan, dtype=np.float32)
    schema = target_schema()
    arrays = [values.get(field.name, missing) for field in schema]
    return pa.Table.from_arrays(
        [one if isinstance(one, pa.ChunkedArray) else pa.array(one) for one in arrays], schema=schema
    )


def _chosen(record: pa.Table, programme: TargetProgramme) -> np.ndarray:
    """Return which records a programme chooses by probability, magnitude and stellarity, bool (n,)."""
    chosen = _probability(record, programme) >= _limits(record, programme)
    magnitude = record[_present(record, magnitude_column(programme.magnitude_role), programme)].to_numpy()
    if programme.brighter_than is not None:
        chosen &= magnitude < programme.brighter_than
    if programme.fainter_than is not None:
        chosen &= magnitude > programme.fainter_than
    if programme.minimum_class_star is not None:
        chosen &= record["class_star"].to_numpy() > programme.minimum_class_star
    return chosen


def _allowed(record: pa.Table, programme: TargetProgramme) -> np.ndarray:
    """Return which records are of a subset that a programme takes, bool (n,)."""
    options = pc.SetLookupOptions(value_set=pa.array(list(programme.subsets)))
    return pc.call_function("is_in", [record[_present(record, "subset", programme)]], options).to_numpy()


def _probability(record: pa.Table, programme: TargetProgramme) -> np.ndarray:
    names = [_present(record, probability_column(name), programme) for name in programme.classes]
    return np.asarray(np.sum([record[name].to_numpy() for name in names], axis=0, dtype=np.float64))


def _present(record: pa.Table, name: str, programme: TargetProgramme) -> str:
    if name not in record.column_names:
        raise InputError(f"targets of {programme.programme}: the records have no column {name!r}")
    return name


def _limits(record: pa.Table, programme: TargetProgramme) -> np.ndarray:
    if not programme.min_probability_by_bin:
        return np.full(record.num_rows, programme.min_probability)
    number = record["magnitude_bin"].to_numpy().astype(np.int64)
    if number.max(initial=-1) >= len(programme.min_probability_by_bin):
        raise InputError(
            f"min_probability_by_bin has {len(programme.min_probability_by_bin)} values, but the survey has "
            f"at least {number.max() + 1} magnitude bins"
        )
    return np.append(programme.min_probability_by_bin, np.inf)[number]  # -1, outside the bins, is the last


@dataclass(frozen=True)
class TargetSummary:
    """What a `TargetTally` says.

    Attributes
    ----------
    programme : TargetProgramme
    number : int
    expected : float
        Sum of the targets' probabilities: how many should be right.
    priorities : int64 (10,)
        Targets of priority 1 to 10.
    pixels, pixel_targets : int64 (p,)
        Nested pixels of nside 32, about one WEAVE field each, and their targets in the observed part of the sky.
    vetoed : int
        Objects that would be targets, were they not of a subset that is left out.
    """

    programme: TargetProgramme
    number: int
    expected: float
    priorities: np.ndarray
    pixels: np.ndarray
    pixel_targets: np.ndarray
    vetoed: int = 0

    @property
    def observed(self) -> int:
        """Targets in the observed part of the sky: those of a density."""
        return int(self.pixel_targets.sum())


@dataclass(frozen=True)
class TargetLists:
    """What the target lists of a job hold, list by list."""

    lists: tuple[TargetSummary, ...]


@dataclass(frozen=True)
class TargetTally:
    """Targets by priority and by WEAVE field."""

    programme: TargetProgramme
    priorities: np.ndarray
    probability: int
    pixels: np.ndarray
    counts: np.ndarray
    vetoed: int = 0

    @classmethod
    def create(cls, programme: TargetProgramme) -> "TargetTally":
        """Return an empty tally."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(programme, np.zeros(PRIORITIES, dtype=np.int64), 0, empty, empty)

    def add(self, targets: pa.Table, observed: pa.Table | None = None, vetoed: int = 0) -> "TargetTally":
        """Return this tally with the targets that `select_targets` found in a partition added.

        Parameters
        ----------
        targets : pyarrow.Table
        observed : pyarrow.Table, optional
            Those of them in the observed part of the sky, which the pixels count; all if it is not given.
        vetoed : int
            Objects that were left out.
        """
        priorities = np.bincount(targets["priority"].to_numpy() - 1, minlength=PRIORITIES)
        probability = int(exact(targets["probability"].to_numpy()).sum())
        inside = targets if observed is None else observed
        pixels = parent_pixels(inside[HEALPIX_COLUMN].to_numpy(), FIELD_NSIDE)
        pixels, counts = np.unique(pixels, return_counts=True)
        return self.merge(TargetTally(self.programme, priorities, probability, pixels, counts, vetoed))

    def merge(self, other: "TargetTally") -> "TargetTally":
        """Return the tally of both parts."""
        require_equal(self.programme, other.programme, "target programmes")
        counts = np.concatenate([self.counts, other.counts])
        pixels, counts = sum_by_pixel(np.concatenate([self.pixels, other.pixels]), counts[:, None])
        priorities = self.priorities + other.priorities
        return TargetTally(
            self.programme,
            priorities,
            self.probability + other.probability,
            pixels,
            counts[:, 0],
            self.vetoed + other.vetoed,
        )

    def extract(self) -> TargetSummary:
        """Return the numbers."""
        return TargetSummary(
            programme=self.programme,
            number=int(self.priorities.sum()),
            expected=float(inexact(np.asarray(self.probability))),
            priorities=self.priorities,
            pixels=self.pixels,
            pixel_targets=self.counts,
            vetoed=self.vetoed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the tally without its programme as JSON-able values."""
        return {
            "priorities": encode_counts(self.priorities),
            "probability": self.probability,
            "pixels": self.pixels.tolist(),
            "counts": self.counts.tolist(),
            "vetoed": self.vetoed,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], programme: TargetProgramme) -> "TargetTally":
        """Return the tally that `to_dict` wrote for the same programme."""
        pixels, counts = (np.asarray(values[name], dtype=np.int64) for name in ("pixels", "counts"))
        priorities, probability = decode_counts(values["priorities"]), int(values["probability"])
        return cls(programme, priorities, probability, pixels, counts, int(values["vetoed"]))
