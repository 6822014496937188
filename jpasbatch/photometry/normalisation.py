"""A table as published to canonical photometry: every row is accepted, or rejected with a reason.

What a whole file gets wrong (a missing band, an unknown unit, another order of bands) is an
`InputError`; what a row gets wrong sends that row to quarantine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from annotated_types import Ge, Interval

from jpasbatch.errors import InputError
from jpasbatch.options import Options
from jpasbatch.photometry.catalogue_format import CatalogueFormat
from jpasbatch.photometry.checked_rows import ACCEPTED, CheckedRows, Columns
from jpasbatch.photometry.contract import ERROR_NOT_PLAUSIBLE, NOT_PLAUSIBLE, check_plausible_share
from jpasbatch.photometry.coordinates import no_coordinates, read_coordinates
from jpasbatch.photometry.flags import FlagColumn, read_flags
from jpasbatch.photometry.flux_columns import read_fluxes
from jpasbatch.photometry.flux_conversion import MODELLED, FluxColumns
from jpasbatch.photometry.identifiers import check_identifiers, read_identifiers, read_text, repeated
from jpasbatch.photometry.photometry import hide
from jpasbatch.photometry.raw_table import (
    RawTable,
    as_floats,
    as_scalars,
    match_columns,
    missing_column,
)
from jpasbatch.photometry.requirements import Requirement
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import count_reasons

__all__ = ["REASONS", "Normalised", "QualityCuts", "RawTable", "normalise"]

REASONS = (
    "id missing",
    "duplicate id",
    "ra not finite",
    "dec not finite",
    "ra out of range",
    "dec out of range",
    "flux infinite",
    "magnitude out of range",
    NOT_PLAUSIBLE,
    ERROR_NOT_PLAUSIBLE,
    "reference band flagged",
    "reference band not observed",
    "reference flux not positive",
    "flags masked",
    "mask_flags masked",
    "flags",
    "mask_flags",
)
"""Stable codes of why a row is rejected. A row with several faults gets the first of this list; the reasons of the
survey's own requirements follow."""

FLAG_ROLES = ("flags", "mask_flags")

FLAGGED = "flags that are not allowed: band taken as not observed"


@dataclass(frozen=True)
class QualityCuts(Options):
    """Which rows are fit for classification.

    Parameters
    ----------
    flags, mask_flags : int
        Bits that are allowed; a row with any other bit set, in any band, is rejected. 0 is the
        selection FLAGS = 0 and MASK_FLAGS = 0 of Martinez-Solaeche et al. 2023, sect. 2.1.
    flagged : {"row", "band"}
        What any other bit rejects: the row, or only the band that has it, which then counts as not observed (the row
        too where it is the reference band). Flags of one value an object always reject the row.
    maximum_rejected_fraction : float
        A file is refused if a larger fraction of its rows (of those read at once, 100,000) has impossible
        coordinates ... With 1 no table is refused for what many of its rows are, implausible photometry included.
    tolerated_rows : int
        ... and they are more than this number.
    duplicates : {"refuse", "quarantine"}
        Whether an id that two usable rows have refuses the input, or rejects all of them but the
        first.
    require : tuple of str
        Rules of the survey that a row must meet (``[[catalogue.requirements]]`` of the survey file), in their
        order: which objects an analysis wants.
    """

    flags: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    mask_flags: Annotated[int, Interval(ge=0, le=2**31 - 1)] = 0
    maximum_rejected_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.01
    tolerated_rows: Annotated[int, Ge(0)] = 10
    flagged: Literal["row", "band"] = "row"
    duplicates: Literal["refuse", "quarantine"] = "refuse"
    require: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Normalised:
    """Accepted rows in the catalogue schema, rejected rows in the quarantine schema, and notes.

    Every input row is in exactly one of the two tables, in the order of the input. ``notes``
    say what was changed on the way in words for a log, and ``values`` counts the single values (an object in a band)
    that were, of accepted and rejected rows.
    """

    accepted: pa.Table
    rejected: pa.Table
    notes: tuple[str, ...] = ()
    values: Counter[str] = field(default_factory=Counter)

    def reasons(self) -> Counter[str]:
        """Return how many rows were rejected for each reason."""
        return count_reasons(self.rejected)


NO_ROWS: Mapping[str, np.ndarray] = {}


def normalise(
    raw: RawTable,
    survey: Survey,
    cuts: QualityCuts,
    positions: bool = True,
    unique: bool = True,
    unwanted: Mapping[str, np.ndarray] = NO_ROWS,
) -> Normalised:
    """Return the rows of a raw table in canonical form, and those that are not fit for it; see `check_rows`."""
    found = check_rows(raw, survey, cuts, positions, unique, unwanted)
    return Normalised(found.accepted(survey), found.rejected(), found.notes, found.fluxes.values)


def check_rows(
    raw: RawTable,
    survey: Survey,
    cuts: QualityCuts,
    positions: bool = True,
    unique: bool = True,
    unwanted: Mapping[str, np.ndarray] = NO_ROWS,
) -> CheckedRows:
    """Return what is to be made of each row of a raw table.

    Parameters
    ----------
    raw : RawTable
        Some rows of a file.
    survey : Survey
        Declares the columns.
    cuts : QualityCuts
        Which rows to reject.
    positions : bool
        Whether objects need a place in the sky; without, a table that has no coordinates gets NaN, as samples
        to learn from may.
    unique : bool
        Whether an id names one row. Without, rows that share an id are taken for what they are, each by itself, so
        that what becomes of a row does not depend on the others.
    unwanted : mapping of str to ndarray of bool, shape (n,)
        Further rows to reject, by reason, if nothing else is wrong with them: what rules on columns say that are not
        read here.

    Raises
    ------
    InputError
        If the file as a whole cannot be used.
    """
    catalogue = survey.catalogue
    matched = match_columns(raw.columns, survey, raw.source)
    placed = positions or catalogue.ra in matched or catalogue.dec in matched
    _require_keys(raw, catalogue, matched, placed)
    verdict = np.full(len(raw), ACCEPTED, dtype=np.int8)

    object_id = read_identifiers(raw, catalogue, matched)
    if unique:
        check_identifiers(object_id, catalogue.contract.longest_identifier, raw.source)
    _mark(verdict, "id missing", object_id.is_null().to_numpy(zero_copy_only=False))
    coordinates = read_coordinates(raw, catalogue, matched) if placed else no_coordinates(len(raw))
    for reason, rows in coordinates.faults.items():
        _mark(verdict, reason, rows)
    check_coordinate_faults(coordinates.faults, raw, cuts)
    fluxes = read_fluxes(raw, survey, matched)
    if cuts.maximum_rejected_fraction < 1:
        check_plausible_share(photometry_faults(fluxes), catalogue.contract, cuts.tolerated_rows, raw.source)
    flags = {}
    for role in FLAG_ROLES:
        column = read_flags(raw, matched.get(getattr(catalogue, role)), survey)
        flags[role], fluxes = _apply_flags(verdict, role, column, fluxes, survey, cuts)
    _mark_fluxes(verdict, fluxes, survey)
    rules = [catalogue.requirement(name) for name in cuts.require]
    _mark_requirements(verdict, rules, raw, matched)
    for number, rows in enumerate(unwanted.values(), start=len(REASONS) + len(rules)):
        verdict[rows & (verdict == ACCEPTED)] = number
    if unique:
        _mark(verdict, "duplicate id", _duplicates(object_id, verdict == ACCEPTED, raw, cuts))

    columns = {"object_id": object_id, "ra": coordinates.ra, "dec": coordinates.dec} | flags
    columns |= _optional_columns(raw, survey, matched)
    notes = coordinates.notes + _flux_notes(fluxes, raw, survey)
    reasons = (*REASONS, *(rule.reason for rule in rules), *unwanted)
    return CheckedRows(raw, columns, fluxes, verdict, reasons, notes)


def _require_keys(raw: RawTable, catalogue: CatalogueFormat, matched: dict[str, str], placed: bool) -> None:
    """Refuse a table that lacks a column without which no row can be used; coordinates where they are needed."""
    for name in catalogue.coordinates_and_keys:
        if name not in matched and (placed or name not in (catalogue.ra, catalogue.dec)):
            raise missing_column(name, (*raw.columns, *raw.other_columns), catalogue, raw.source)


def _flux_notes(fluxes: FluxColumns, raw: RawTable, survey: Survey) -> tuple[str, ...]:
    """Return what was changed in the fluxes, in words for a log."""
    notes = []
    if fluxes.absent:
        notes.append(f"{raw.source}: bands that it lacks are missing for all: {', '.join(fluxes.absent)}")
    if MODELLED in fluxes.values:
        notes.append(
            f"{raw.source}: magnitudes without errors: they are those of the depths of {survey.name}"
        )
    return tuple(notes)


def _apply_flags(
    verdict: np.ndarray, role: str, column: FlagColumn, fluxes: FluxColumns, survey: Survey, cuts: QualityCuts
) -> tuple[np.ndarray, FluxColumns]:
    """Reject flagged rows, or take flagged bands as not observed; return the bits of what is left, and the fluxes."""
    allowed = getattr(cuts, role)
    if cuts.flagged == "row" or not column.of_bands:
        combined = column.combined()
        _mark(verdict, f"{role} masked", column.masked_rows())
        _mark(verdict, role, (combined & ~np.int32(allowed)) != 0)
        return combined, fluxes
    forbidden = column.forbidden(allowed)
    _mark(verdict, "reference band flagged", forbidden[:, survey.reference_index])
    lost = forbidden & np.isfinite(fluxes.flux)
    flux, flux_err = hide(forbidden, fluxes.flux, fluxes.flux_err)
    values = fluxes.values + Counter({FLAGGED: int(lost.sum())})
    return column.combined(~forbidden), fluxes._replace(flux=flux, flux_err=flux_err, values=values)


def _mark(verdict: np.ndarray, reason: str, rows: np.ndarray) -> None:
    """Give rows a reason unless an earlier one of `REASONS` holds already."""
    code = REASONS.index(reason)
    verdict[rows & ((verdict == ACCEPTED) | (verdict > code))] = code


def _mark_requirements(
    verdict: np.ndarray, rules: list[Requirement], raw: RawTable, matched: dict[str, str]
) -> None:
    """Reject rows that do not meet the rules, unless something else is wrong with them."""
    for number, rule in enumerate(rules):
        columns = {
            name: as_floats(as_scalars(raw, matched[name]), name, raw.source)
            for name in rule.columns
            if name in matched
        }
        try:
            failed = rule.failed(columns, len(raw))
        except InputError as error:
            raise InputError(f"{raw.source}: {error}") from None
        verdict[failed & (verdict == ACCEPTED)] = len(REASONS) + number


def _mark_fluxes(verdict: np.ndarray, fluxes: FluxColumns, survey: Survey) -> None:
    reference = fluxes.flux[:, survey.reference_index]
    _mark(verdict, "flux infinite", fluxes.infinite)
    _mark(verdict, "magnitude out of range", fluxes.out_of_range)
    for reason, rows in photometry_faults(fluxes).items():
        _mark(verdict, reason, rows)
    _mark(verdict, "reference band not observed", np.isnan(reference))
    _mark(verdict, "reference flux not positive", reference <= 0)


def photometry_faults(fluxes: FluxColumns) -> dict[str, np.ndarray]:
    """Return the rows, bool (n,), whose photometry is not plausible, by reason."""
    return {NOT_PLAUSIBLE: fluxes.implausible, ERROR_NOT_PLAUSIBLE: fluxes.wrong_errors}


def _duplicates(object_id: pa.Array, usable: np.ndarray, raw: RawTable, cuts: QualityCuts) -> np.ndarray:
    """Return the usable rows whose id an earlier usable row has.

    A row that is rejected for something else takes no other along, so that the outcome does not depend on
    how a file is cut into tables.
    """
    rows = np.zeros(len(usable), dtype=bool)
    rows[np.flatnonzero(usable)[repeated(object_id.filter(pa.array(usable)))]] = True
    if cuts.duplicates == "refuse" and rows.any():
        first = object_id.filter(pa.array(rows)).slice(0, 3).to_pylist()
        raise InputError(
            f"{raw.source}: {int(rows.sum())} rows repeat an id that occurred before, for example"
            f" {', '.join(map(repr, first))}; remove them, or set duplicates = 'quarantine'"
        )
    return rows


def check_coordinate_faults(faults: dict[str, np.ndarray], raw: RawTable, cuts: QualityCuts) -> None:
    """Refuse a table of which too many rows have impossible coordinates.

    Raises
    ------
    InputError
        When they are more than the cuts allow.
    """
    bad = np.zeros(len(raw), dtype=bool)
    for rows in faults.values():
        bad |= rows
    count = int(bad.sum())
    if count > max(cuts.tolerated_rows, cuts.maximum_rejected_fraction * len(raw)):
        counts = ", ".join(f"{reason}: {int(rows.sum())}" for reason, rows in faults.items() if rows.any())
        raise InputError(
            f"{raw.source}: {count} of {len(raw)} rows have impossible coordinates ({counts}); allowed are"
            f" {cuts.maximum_rejected_fraction:.2%} (maximum_rejected_fraction)"
        )


def _optional_columns(raw: RawTable, survey: Survey, matched: dict[str, str]) -> Columns:
    catalogue = survey.catalogue
    columns: Columns = {}
    for role in ("class_star", "true_redshift"):
        name = matched.get(getattr(catalogue, role))
        if name is None:
            columns[role] = np.full(len(raw), np.nan, dtype=np.float32)
            continue
        values = as_floats(as_scalars(raw, name), name, raw.source).astype(np.float32)
        if role == "true_redshift" and catalogue.unknown_redshift is not None:
            values = np.where(values <= np.float32(catalogue.unknown_redshift), np.float32(np.nan), values)
        columns[role] = values
    columns["true_class"] = read_text(raw, matched.get(catalogue.true_class))
    columns["tile"] = read_text(raw, matched.get(catalogue.tile)).fill_null("")
    return columns
