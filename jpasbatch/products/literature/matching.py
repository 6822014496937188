"""Which published numbers are of the same objects as classes of a job: same kind, same redshifts.

Nothing is compared that is not the same quantity. Where a table has other limits of redshift than a class, its numbers
are interpolated if the table allows it, and said to be; else they are not compared, and the reason is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.literature.published import PublishedCount, PublishedTable

FARTHEST = 8.0
"""Redshift from which on a limit is as good as none: no survey counts objects there."""

PUBLISHED = "as published"
INTERPOLATED = "interpolated in redshift"


@dataclass(frozen=True)
class ClassGroup:
    """Classes of a job that together are all objects of a kind within limits of redshift.

    Attributes
    ----------
    classes : tuple of str
    redshift : (float, float)
    """

    classes: tuple[str, ...]
    redshift: tuple[float, float]


@dataclass(frozen=True)
class Density:
    """A published number per deg2, its standard error (NaN where unknown), and how it came about."""

    per_deg2: float
    error: float
    how: str


def class_groups(
    table: PublishedTable, definitions: Mapping[str, ClassDefinition], named: Sequence[str] = ()
) -> tuple[ClassGroup, ...]:
    """Return each class that can be compared with a table, and all of them together if no redshift is left out.

    Parameters
    ----------
    table : PublishedTable
    definitions : mapping of str to ClassDefinition
        The classes of the job.
    named : sequence of str
        Classes that are taken for the objects of the table, whatever their ``truth``.
    """
    fitting = list(named) or [
        name for name, definition in definitions.items() if set(definition.truth) == set(table.truth)
    ]
    groups = [ClassGroup((name,), _range(definitions[name].redshift)) for name in fitting]
    groups.sort(key=lambda group: group.redshift)
    if len(groups) > 1 and len({group.redshift for group in groups}) == 1:
        # kinds of the same objects, which a job names together: none of them is comparable alone
        return (ClassGroup(tuple(named), groups[0].redshift),)
    chained = all(one.redshift[1] == two.redshift[0] for one, two in pairwise(groups))
    if len(groups) > 1 and chained:
        ends = groups[0].redshift[0], groups[-1].redshift[1]
        groups.append(ClassGroup(tuple(name for group in groups for name in group.classes), ends))
    return tuple(groups)


def density_between(
    table: PublishedTable, limits: tuple[float, float], redshift: tuple[float, float]
) -> Density | None:
    """Return the published number within limits of magnitude and redshift; None where the table does not give it.

    Between the redshifts of the table, the number below a redshift is interpolated by monotone cubics (Fritsch &
    Carlson 1980, SIAM J. Numer. Anal. 17, 238).
    """
    counts = table.within(limits)
    ranges = [_range(one.redshift) for one in counts]
    low, high = redshift
    if table.few_beyond_redshift:
        low, high = max(low, ranges[0][0]), min(high, max(one[1] for one in ranges))
    if (low, high) in ranges:
        return _summed([counts[ranges.index((low, high))]])
    if any(one[1] != two[0] for one, two in pairwise(ranges)):
        return None
    edges = [ranges[0][0], *(one[1] for one in ranges)]
    if low in edges and high in edges:
        return _summed(counts[edges.index(low) : edges.index(high)])
    if not table.interpolate_redshift or not (edges[0] <= low < high <= edges[-1] < math.inf):
        return None
    from scipy.interpolate import PchipInterpolator

    below = np.concatenate([[0.0], np.cumsum([one.per_deg2 for one in counts])])
    first, last = PchipInterpolator(edges, below)([low, high])
    return Density(float(last - first), float("nan"), INTERPOLATED)


def _summed(counts: Sequence[PublishedCount]) -> Density:
    errors = [float("nan") if one.error is None else one.error for one in counts]
    return Density(sum(one.per_deg2 for one in counts), float(np.sqrt(np.square(errors).sum())), PUBLISHED)


def _range(redshift: tuple[float, float] | None) -> tuple[float, float]:
    """Return limits of redshift; those that leave nothing out are 0 and infinity."""
    low, high = redshift or (0.0, math.inf)
    return max(low, 0.0), math.inf if high >= FARTHEST else high
