"""Rules of target lists as data: the tables ``[[targets]]`` of a job file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval, Len

from jpasbatch.learning.novelty.novelty import SUBSETS
from jpasbatch.options import Matches, Options

BAD_WEATHER = "|BW"
"""End of TARGPROG of targets that wait for bad weather."""

PROGRAMME_LENGTH = 40

OPEN_TIME = r"W[SV]\d{4}[AB][12]-\d{3}"
SURVEYS = (
    *("GA-LRDISC", "GA-LRHIGHLAT", "GA-HR", "GA-OC", "GA-CALIB", "STEPS", "SCIP-AC", "SCIP-CYG", "SCIP-LR"),
    *("WA", "WC", "WL-WIDE", "WL-MID", "WL-DEEP", "WQ", "ASTRO-CALIB", "WD", "GS", "ING-SYSCAT"),
)


@dataclass(frozen=True)
class Veto(Options):
    """Measurements that take an object out of a list.

    Attributes
    ----------
    columns : tuple of str
        Columns of the catalogue or of the predictions: one, or the two components of a vector.
    errors : tuple of str
        Their errors; with them the measure is the significance, the root of the sum of (value / error) squared.
        Without them it is the value of the column, or the length of the vector.
    above, below : float or None
        What is vetoed.
    bits : int
        Bits of a column of flags, any of which is vetoed.
    missing : {"keep", "veto"}
        What becomes of objects without a measurement.
    """

    columns: Annotated[tuple[str, ...], Len(1, 2)]
    errors: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    bits: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    missing: Literal["keep", "veto"] = "keep"

    def check_relations(self) -> None:
        """Refuse a veto that says nothing."""
        if self.errors and len(self.errors) != len(self.columns):
            raise ValueError(f"vetoes: {len(self.columns)} columns have {len(self.errors)} errors")
        if self.above is None and self.below is None and not self.bits:
            raise ValueError("vetoes: name above, below or bits, or nothing is vetoed")
        if self.above is not None and self.below is not None and self.above <= self.below:
            raise ValueError(
                f"vetoes: above = {self.above:g} and below = {self.below:g} veto every number; below must be less"
            )
        of_length = [one for one in (self.above, self.below) if one is not None and one < 0]
        if of_length and (self.errors or len(self.columns) > 1):
            raise ValueError(
                f"vetoes: {of_length[0]:g} is a limit of a length or significance, which is never below 0"
            )
        if self.bits and (
            len(self.columns) > 1 or self.errors or self.above is not None or self.below is not None
        ):
            raise ValueError("vetoes: bits are those of one column, and go with no other limit")


@dataclass(frozen=True)
class TargetProgramme(Options):
    """One rule of a target list: rules with the same programme and trimester make one list, in their order.

    An object is taken by the first rule that has a fibre for it, and has one row.

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
        Free text (TARGPROG), at most 40 ASCII characters, three of which a filler takes.
    filler : bool
        Whether the targets are for bad weather: ``|BW`` ends their TARGPROG.
    priorities : (float, float)
        Priority (TARGPRIO) of the least probable target and of the surest one.
    priority_by : {"log_odds", "probability"}
        What the priority rises with, in equal steps. Probabilities crowd at 1, and log-odds do not.
    sure : float
        Probability from which on the priority is the highest.
    vetoes : tuple of Veto
        Measurements that take an object out.
    exclude : str
        Table of objects that get no fibre, such as those observed: by ``object_id``, or within ``exclude_radius`` of
        ``ra`` and ``dec``, or both.
    exclude_radius : float
        Arcsec.
    exclude_circles : str
        Table of circles that get no fibre, around bright stars: ``ra``, ``dec``, ``radius``.
    keep_masked : bool
        Whether objects outside of the observed part of the sky (``[area]``) may be targets.
    per_field : int or None
        Fibres in each field; the most probable objects get them.
    fields : str
        Table of the centres of fields (``ra``, ``dec``); an object belongs to the nearest within ``field_radius``, and
        is no target outside of all. Without it a field is a HEALPix pixel of nside 32.
    field_radius : float
        Degrees.
    density : str
        Fibres on average over the area, as ``"60 / deg2"``; the most probable objects get them, wherever they are.
    marginal : float or None
        A fibre is given only if one expects at least so many right objects of it.
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
    filler: bool = False
    priorities: tuple[Annotated[float, Interval(ge=1, le=10)], Annotated[float, Interval(ge=1, le=10)]] = (
        1.0,
        10.0,
    )
    priority_by: Literal["log_odds", "probability"] = "log_odds"
    sure: Annotated[float, Interval(gt=0, lt=1)] = 0.999
    vetoes: tuple[Veto, ...] = ()
    exclude: str = ""
    exclude_radius: Annotated[float, Interval(gt=0, le=60)] = 1.0
    exclude_circles: str = ""
    keep_masked: bool = True
    per_field: Annotated[int, Interval(ge=1, le=100_000)] | None = None
    fields: str = ""
    field_radius: Annotated[float, Interval(gt=0, le=5)] = 1.0
    density: Annotated[str, Matches(r"|\d+(\.\d+)?\s*/\s*deg2", 'text like "60 / deg2"')] = ""
    marginal: Annotated[float, Interval(gt=0, lt=1)] | None = None

    @property
    def text(self) -> str:
        """What TARGPROG says of the targets."""
        return f"{self.description}{BAD_WEATHER if self.filler else ''}"

    @property
    def per_deg2(self) -> float | None:
        """Fibres per deg2; None without a limit."""
        return float(self.density.split("/")[0]) if self.density else None

    @property
    def limited(self) -> bool:
        """Whether there are fewer fibres than objects may be."""
        return self.per_field is not None or bool(self.density)

    def check_relations(self) -> None:
        """Refuse options that contradict each other or a rule of WEAVE."""
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
        if (
            not (self.description.isascii() and (self.description.isprintable() or not self.description))
            or len(self.text) > PROGRAMME_LENGTH
        ):
            raise ValueError(
                f"description = {self.description!r}: must be at most {PROGRAMME_LENGTH} ASCII characters"
                f"{', of which a filler takes 3' if self.filler else ''}"
            )
        self._check_fibres()

    def _check_fibres(self) -> None:
        if self.priorities[0] > self.priorities[1]:
            raise ValueError(
                f"priorities = {list(self.priorities)}: the first is that of the least probable target"
            )
        if self.density and self.per_field is not None:
            raise ValueError("density and per_field: name one of them")
        if self.fields and self.per_field is None:
            raise ValueError("fields: fields say nothing without per_field, the fibres in each")
        if self.per_deg2 == 0:
            raise ValueError(f"density = {self.density!r}: must be above 0")
