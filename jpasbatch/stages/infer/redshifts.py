"""Redshifts of candidates: a second committee judges those objects of a partition that may be quasars."""

from __future__ import annotations

from dataclasses import dataclass

from jpasbatch.errors import InputError
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.judgement import Judgement
from jpasbatch.learning.manifest import Manifest
from jpasbatch.learning.redshifts import RedshiftRanges, Redshifts
from jpasbatch.photometry.photometry import Photometry


@dataclass(frozen=True)
class RedshiftSearch:
    """Which redshifts are looked for, and by whom; small, and goes to the workers.

    Attributes
    ----------
    committee : str
        Location of the committee whose classes are the ranges.
    ranges : RedshiftRanges
    classes : tuple of int
        Positions, among the classes of the job, of those whose objects the ranges are of.
    minimum : float
        Least summed probability of these classes of a candidate.
    """

    committee: str
    ranges: RedshiftRanges
    classes: tuple[int, ...]
    minimum: float


@dataclass(frozen=True)
class RedshiftFinder:
    """What finds redshifts: the search, and its committee as it was opened."""

    search: RedshiftSearch
    committee: Committee

    @property
    def ranges(self) -> RedshiftRanges:
        """Ranges of redshift."""
        return self.search.ranges

    def __call__(self, photometry: Photometry, judgement: Judgement) -> Redshifts:
        """Return the redshifts of n objects that the job's own committee has judged, all of them usable.

        A candidate that the second committee cannot judge has none: its features may need more than those of the first.
        """
        summed = judgement.probabilities[:, self.search.classes].sum(axis=1)
        rows = summed >= self.search.minimum
        judged = self.committee.judge(photometry.select(rows))
        rows[rows] = judged.usable
        return Redshifts.of(self.ranges, judged.probabilities[judged.usable], rows)


def candidate_classes(manifest: Manifest, ranges: RedshiftRanges) -> tuple[int, ...]:
    """Return the positions of those classes of a committee whose objects ranges of redshift are of.

    Raises
    ------
    InputError
        When there are none.
    """
    found = [
        number
        for number, name in enumerate(manifest.classes)
        if set(manifest.definitions[name].truth) <= set(ranges.truth)
    ]
    if not found:
        raise InputError(
            f"[redshifts] artefact: its ranges of redshift are of {', '.join(ranges.truth)}, and no class of the job "
            f"is ({', '.join(manifest.classes)}). Name a committee of the same objects"
        )
    return tuple(found)
