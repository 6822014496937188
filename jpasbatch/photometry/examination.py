"""Everything that is wrong with some rows of a table, where `jpasbatch.photometry.normalisation` stops at the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.photometry.contract import check_plausible_share
from jpasbatch.photometry.coordinates import read_coordinates
from jpasbatch.photometry.flags import read_flags
from jpasbatch.photometry.flux_columns import read_fluxes
from jpasbatch.photometry.identifiers import check_identifiers, read_identifiers, read_text
from jpasbatch.photometry.normalisation import (
    FLAG_ROLES,
    QualityCuts,
    check_coordinate_faults,
    check_rows,
    photometry_faults,
)
from jpasbatch.photometry.raw_table import RawTable, as_floats, as_scalars, match_columns, missing_column
from jpasbatch.photometry.survey import Survey


@dataclass(frozen=True, eq=False)
class Examined:
    """What came of some rows.

    Attributes
    ----------
    rows : int
    identifiers : pyarrow.Array of str
        Of the rows that would be accepted.
    reasons, values : Counter of str
        Rows that would go to quarantine, and single values that would be doubted, by what for.
    problems : tuple of str
        Why the table would be refused; empty for a good one.
    notes : tuple of str
    """

    rows: int
    identifiers: pa.Array
    reasons: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def examine(raw: RawTable, survey: Survey, cuts: QualityCuts) -> Examined:
    """Return what ingest would do with some rows, and every reason why it would refuse them.

    Parameters
    ----------
    raw : RawTable
    survey : Survey
    cuts : QualityCuts
        Ids that occur twice are not looked for here: they may be anywhere in a catalogue.
    """
    try:
        found = check_rows(raw, survey, cuts, unique=False)
        identifiers = found.identifiers()
        check_identifiers(identifiers, survey.catalogue.contract.longest_identifier, raw.source)
    except InputError as error:
        problems = tuple(dict.fromkeys(_all_problems(raw, survey, cuts))) or (str(error),)
        return Examined(len(raw), pa.array([], pa.string()), problems=problems)
    return Examined(len(raw), identifiers, found.counts(), found.fluxes.values, (), found.notes)


def _all_problems(raw: RawTable, survey: Survey, cuts: QualityCuts) -> list[str]:
    """Return the messages of all checks that fail, each done by itself."""
    problems: list[str] = []

    @contextmanager
    def noting() -> Iterator[None]:
        try:
            yield
        except InputError as error:
            problems.append(str(error))

    catalogue = survey.catalogue
    matched: dict[str, str] = {}
    with noting():
        matched = match_columns(raw.columns, survey, raw.source)
    available = (*raw.columns, *raw.other_columns)
    absent = [name for name in catalogue.coordinates_and_keys if name not in matched]
    problems += [str(missing_column(name, available, catalogue, raw.source)) for name in absent]

    def identifiers() -> None:
        object_id = read_identifiers(raw, catalogue, matched)
        check_identifiers(object_id, catalogue.contract.longest_identifier, raw.source)

    def coordinates() -> None:
        check_coordinate_faults(read_coordinates(raw, catalogue, matched).faults, raw, cuts)

    def fluxes() -> None:
        faults = photometry_faults(read_fluxes(raw, survey, matched))
        check_plausible_share(faults, catalogue.contract, cuts.tolerated_rows, raw.source)

    checks: list[tuple[Callable[[], None], tuple[str, ...]]] = [
        (identifiers, catalogue.id_columns),
        (coordinates, (catalogue.ra, catalogue.dec)),
        (fluxes, ()),
    ]
    for check, needed in checks:
        if not set(needed) & set(absent):
            with noting():
                check()
    for role in FLAG_ROLES:
        with noting():
            read_flags(raw, matched.get(getattr(catalogue, role)), survey)
    for role in ("class_star", "true_redshift"):
        if (name := matched.get(getattr(catalogue, role))) is not None:
            with noting():
                as_floats(as_scalars(raw, name), name, raw.source)
    for role in ("true_class", "tile"):
        with noting():
            read_text(raw, matched.get(getattr(catalogue, role)))
    lenient = replace(cuts, maximum_rejected_fraction=1.0)
    if not problems:  # something that only the whole finds
        with noting():
            check_rows(raw, survey, lenient, unique=False)
    return problems
