"""All target lists of a job: their options, and their tallies as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.targets import TargetSummary, TargetTally
from jpasbatch.products.targets.weave import Submission


@dataclass(frozen=True)
class TargetOptions:
    """The tables ``[[targets]]`` and ``[submission]`` of a job."""

    programmes: tuple[TargetProgramme, ...] = ()
    submission: Submission = field(default_factory=Submission)

    @property
    def lists(self) -> tuple[tuple[TargetProgramme, ...], ...]:
        """The rules of each list: those with the same programme and trimester, in the order of the job file."""
        found: dict[tuple[str, str], list[TargetProgramme]] = {}
        for rule in self.programmes:
            found.setdefault((rule.programme, rule.trimester), []).append(rule)
        return tuple(tuple(rules) for rules in found.values())

    def __post_init__(self) -> None:
        for rules in self.lists:
            texts = [rule.text for rule in rules]
            repeated = sorted({text for text in texts if texts.count(text) > 1})
            if repeated:
                raise ValueError(
                    f"targets: two rules have the same programme and trimester, and the same description "
                    f"{repeated[0]!r}; give each a description, so that their targets can be told apart"
                )


@dataclass(frozen=True, eq=False)
class TargetListsTally:
    """The tallies of all lists, and the candidates themselves of the partition that was added last.

    Attributes
    ----------
    tallies : tuple of TargetTally
    candidates : tuple of pyarrow.Table
        One for each list; none after `merge`, nor in `to_dict`: candidates are kept beside the tally.
    """

    tallies: tuple[TargetTally, ...]
    candidates: tuple[pa.Table, ...] = ()

    @classmethod
    def create(cls, lists: Sequence[Sequence[TargetProgramme]]) -> TargetListsTally:
        """Return empty tallies."""
        return cls(tuple(TargetTally.create(*rules) for rules in lists))

    def add(self, candidates: Sequence[pa.Table]) -> TargetListsTally:
        """Return these tallies with a partition added, of which each list has candidates."""
        parts = zip(self.tallies, candidates, strict=True)
        return TargetListsTally(tuple(tally.add(found) for tally, found in parts), tuple(candidates))

    def merge(self, other: TargetListsTally) -> TargetListsTally:
        """Return the tallies of both parts."""
        pairs = zip(self.tallies, other.tallies, strict=True)
        return TargetListsTally(tuple(mine.merge(one) for mine, one in pairs))

    def extract(self) -> tuple[TargetSummary, ...]:
        """Return what each list holds."""
        return tuple(tally.extract() for tally in self.tallies)

    def to_dict(self) -> dict[str, Any]:
        """Return the tallies without their rules as JSON-able values."""
        return {"lists": [tally.to_dict() for tally in self.tallies]}

    @classmethod
    def from_dict(
        cls, values: dict[str, Any], lists: Sequence[Sequence[TargetProgramme]]
    ) -> TargetListsTally:
        """Return the tallies that `to_dict` wrote for the same rules."""
        pairs = zip(values["lists"], lists, strict=True)
        return cls(tuple(TargetTally.from_dict(one, *rules) for one, rules in pairs))
