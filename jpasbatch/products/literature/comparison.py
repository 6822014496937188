"""Numbers of this sky and published ones within the same limits of magnitude and redshift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jpasbatch.learning.exact_sums import inexact
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.photometry.survey import Survey
from jpasbatch.priors.prior import Prior
from jpasbatch.products.counts.number_tally import NumberTally
from jpasbatch.products.counts.variances import count_variances
from jpasbatch.products.literature.matching import (
    INTERPOLATED,
    PUBLISHED,
    ClassGroup,
    Density,
    class_groups,
    density_between,
)
from jpasbatch.products.literature.published import PublishedTable


class Interval(NamedTuple):
    """Limits of magnitude in a reported band: inclusive, exclusive."""

    band_role: str
    brightest: float
    faintest: float


class NamedTable(NamedTuple):
    """A published table, the band that it is compared in, and the classes that a job names for it."""

    table: PublishedTable
    band_role: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One published number and ours.

    Attributes
    ----------
    table : PublishedTable
    group : ClassGroup
    interval : Interval
    total : bool
        Whether the interval is all of the table's that this survey reaches, and not one of its bins.
    published : Density
    number, error, true : float
        Objects of this sky: summed probabilities, the standard error (NaN where probabilities are not corrected), and
        the truth (NaN where it is not known).
    """

    table: PublishedTable
    group: ClassGroup
    interval: Interval
    total: bool
    published: Density
    number: float
    error: float
    true: float


@dataclass(frozen=True)
class LiteratureSummary:
    """All comparisons, and a sentence for each that could not be made."""

    comparisons: tuple[Comparison, ...]
    left_out: tuple[str, ...]


def table_intervals(
    named: NamedTable, survey: Survey
) -> list[tuple[Interval, tuple[tuple[float, float], ...]]]:
    """Return the limits of a table, each with those of its bins that make them: every bin, and then all together.

    All together ends at the faint limit of the survey's magnitude bins: beyond, the survey misses objects.
    """
    bins = named.table.intervals
    found: list[tuple[Interval, tuple[tuple[float, float], ...]]] = [
        (Interval(named.band_role, *one), (one,)) for one in bins
    ]
    faintest = survey.magnitude_bins[-1][1]
    reached = tuple(one for one in bins if one[1] <= faintest)
    chained = all(one[1] == two[0] for one, two in pairwise(reached))
    if len(reached) > 1 and chained:
        found.append((Interval(named.band_role, reached[0][0], reached[-1][1]), reached))
    return found


def all_intervals(tables: tuple[NamedTable, ...], survey: Survey) -> tuple[Interval, ...]:
    """Return the limits that have to be counted, each once; bands that the survey does not report have none."""
    reported = (one for one in tables if one.band_role in survey.reported_bands)
    return tuple(dict.fromkeys(limits for one in reported for limits, _ in table_intervals(one, survey)))


def compare_all(
    tables: tuple[NamedTable, ...],
    tally: NumberTally,
    survey: Survey,
    definitions: Mapping[str, ClassDefinition],
    prior: Prior | None,
) -> LiteratureSummary:
    """Return what can be compared, and why the rest cannot.

    Parameters
    ----------
    tables : tuple of NamedTable
    tally : NumberTally
        Of `all_intervals`, in their order.
    survey : Survey
    definitions : mapping of str to ClassDefinition
    prior : Prior, optional
        Where probabilities are corrected.
    """
    intervals, names = all_intervals(tables, survey), tuple(definitions)
    comparisons: list[Comparison] = []
    left_out: list[str] = []
    for named in tables:
        title, groups = named.table.title, class_groups(named.table, definitions, named.classes)
        if named.band_role not in survey.reported_bands:
            reported = ", ".join(survey.reported_bands) or "none"
            left_out.append(
                f"{title}: its magnitudes are in {named.band_role}, which the survey does not report ({reported})."
            )
            continue
        if not groups:
            kind = ", ".join(named.table.truth)
            left_out.append(
                f"{title}: no class of the job is of true_class {kind} alone, as its objects are."
            )
        for group in groups:
            counted = [names.index(name) for name in group.classes]
            made = 0
            for interval, bins in table_intervals(named, survey):
                published = _added(named.table, bins, group)
                if published is None:
                    continue
                ours = _ours(tally, intervals.index(interval), counted, prior)
                total = len(bins) > 1
                comparisons.append(Comparison(named.table, group, interval, total, published, *ours))
                made += 1
            if not made:
                left_out.append(_unmatched(named.table, group))
    return LiteratureSummary(tuple(comparisons), tuple(left_out))


def _added(table: PublishedTable, bins: tuple[tuple[float, float], ...], group: ClassGroup) -> Density | None:
    parts = [density_between(table, limits, group.redshift) for limits in bins]
    known = [one for one in parts if one is not None]
    if len(known) < len(parts):
        return None
    how = INTERPOLATED if any(one.how == INTERPOLATED for one in known) else PUBLISHED
    error = float(np.sqrt(np.square([one.error for one in known]).sum()))
    return Density(sum(one.per_deg2 for one in known), error, how)


def _ours(
    tally: NumberTally, row: int, counted: list[int], prior: Prior | None
) -> tuple[float, float, float]:
    """Return the number of objects of some classes in an interval, its standard error, and the true number."""
    products = inexact(tally.products[row][:, counted])
    sums = products.sum(axis=2)
    true = float(tally.true[row, counted].sum())
    error = float("nan")
    if prior is not None and len(sums):
        error = float(np.sqrt(count_variances(sums, products.sum(axis=1), counted, prior).total))
    known = tally.known[row] == tally.objects[row]
    return float(sums.sum()), error, true if known else float("nan")


def _unmatched(table: PublishedTable, group: ClassGroup) -> str:
    ranges = sorted({one.redshift for one in table.counts})
    theirs = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
    low, high = group.redshift
    return (
        f"{table.title}, {' + '.join(group.classes)}: its redshifts ({theirs}) do not give {low:g} to {high:g}."
    ).replace("inf", "∞")


def distinct_tables(comparisons: tuple[Comparison, ...]) -> Iterator[PublishedTable]:
    """Yield the tables of comparisons, each once."""
    yield from dict.fromkeys(one.table for one in comparisons)
