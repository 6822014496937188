"""All target lists of a job: their options, and their tallies as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from jpasbatch.products.targets.targets import TargetProgramme, TargetSummary, TargetTally
from jpasbatch.products.targets.weave import Submission


@dataclass(frozen=True)
class TargetOptions:
    """The tables ``[[targets]]`` and ``[submission]`` of a job."""

    programmes: tuple[TargetProgramme, ...] = ()
    submission: Submission = field(default_factory=Submission)

    def __post_init__(self) -> None:
        names = [(one.programme, one.trimester) for one in self.programmes]
        if len(set(names)) != len(names):
            raise ValueError("targets: two lists have the same programme and trimester, and so the same file")


@dataclass(frozen=True)
class TargetListsTally:
    """The tallies of all lists, and the targets themselves of the partition that was added last.

    Attributes
    ----------
    tallies : tuple of TargetTally
    targets : tuple of pyarrow.Table
        One for each list; none after `merge`, nor in `to_dict`: targets are kept beside the tally.
    """

    tallies: tuple[TargetTally, ...]
    targets: tuple[pa.Table, ...] = ()

    @classmethod
    def create(cls, programmes: Sequence[TargetProgramme]) -> TargetListsTally:
        """Return empty tallies."""
        return cls(tuple(TargetTally.create(programme) for programme in programmes))

    def add(
        self, targets: Sequence[pa.Table], observed: Sequence[pa.Table], vetoed: Sequence[int]
    ) -> TargetListsTally:
        """Return these tallies with a partition added.

        Parameters
        ----------
        targets, observed : sequence of pyarrow.Table
            Targets of each list, and those of them in the observed part of the sky.
        vetoed : sequence of int
            Objects that are left out of each list.
        """
        parts = zip(self.tallies, targets, observed, vetoed, strict=True)
        tallies = (tally.add(found, inside, out) for tally, found, inside, out in parts)
        return TargetListsTally(tuple(tallies), tuple(targets))

    def merge(self, other: TargetListsTally) -> TargetListsTally:
        """Return the tallies of both parts."""
        pairs = zip(self.tallies, other.tallies, strict=True)
        return TargetListsTally(tuple(mine.merge(one) for mine, one in pairs))

    def extract(self) -> tuple[TargetSummary, ...]:
        """Return the numbers of each list."""
        return tuple(tally.extract() for tally in self.tallies)

    def to_dict(self) -> dict[str, Any]:
        """Return the tallies without their programmes as JSON-able values."""
        return {"lists": [tally.to_dict() for tally in self.tallies]}

    @classmethod
    def from_dict(cls, values: dict[str, Any], programmes: Sequence[TargetProgramme]) -> TargetListsTally:
        """Return the tallies that `to_dict` wrote for the same programmes."""
        pairs = zip(values["lists"], programmes, strict=True)
        return cls(tuple(TargetTally.from_dict(one, programme) for one, programme in pairs))
