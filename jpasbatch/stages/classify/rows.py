"""The pure half of ``classify``: rows as a file has them in, what the committee says of each out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from jpasbatch.learning.committee import Committee
from jpasbatch.photometry.normalisation import Normalised, QualityCuts, normalise
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.record import HEALPIX_COLUMN, make_record
from jpasbatch.stages.classify.columns import REASON, added_schema


def classify_rows(
    raw: RawTable, survey: Survey, committee: Committee, cuts: QualityCuts
) -> tuple[pa.Table, Normalised]:
    """Classify rows of a published table.

    Rows are read, and refused, as `jpasbatch ingest` does it, with three exceptions, so that what a row gets never
    depends on the rows beside it: an id may occur twice; a table is not refused because many of its coordinates are
    impossible, or look like radians; and it may have no coordinates.

    Parameters
    ----------
    raw : RawTable
        Of n rows.
    survey : Survey
    committee : Committee
    cuts : QualityCuts

    Returns
    -------
    found : pyarrow.Table
        Of n rows in the same order, with the schema `added_schema`.
    normalised : Normalised
        The rows in canonical form, and the refused ones.

    Raises
    ------
    InputError
        If the table as a whole cannot be used.
    """
    cuts = replace(cuts, maximum_rejected_fraction=1.0)
    lenient = replace(survey, catalogue=replace(survey.catalogue, check_radians=False))
    normalised = normalise(raw, lenient, cuts, positions=False, unique=False)
    refused = normalised.rejected["row"].to_numpy() - raw.first_row
    accepted = np.ones(len(raw), dtype=bool)
    accepted[refused] = False
    found = classify_photometry(photometry_from_table(normalised.accepted, survey), survey, committee)
    found = _spread(found, accepted)
    reasons = np.array(found[REASON].to_pylist(), dtype=object)
    reasons[refused] = normalised.rejected["reason"].to_pylist()
    return _with_reasons(found, reasons), normalised


def classify_photometry(photometry: Photometry, survey: Survey, committee: Committee) -> pa.Table:
    """Classify photometry in canonical form.

    Parameters
    ----------
    photometry : Photometry
        Of n objects.
    survey : Survey
    committee : Committee

    Returns
    -------
    pyarrow.Table
        Of n rows, with the schema `added_schema`.
    """
    schema = added_schema(survey, committee.classes)
    if not len(photometry):
        return schema.empty_table()
    judgement = committee.judge(photometry)
    usable = judgement.usable
    nameless = _nameless(int(usable.sum()))
    record = make_record(
        nameless, photometry.select(usable), judgement.take(usable), survey, committee.classes
    )
    named = record.append_column(REASON, pa.nulls(record.num_rows, pa.string()))
    found = _spread(named.select(schema.names).cast(schema), usable)
    reasons = np.full(len(photometry), None, dtype=object)
    for reason, mask in judgement.refused.items():
        reasons[mask] = reason
    return _with_reasons(found, reasons)


def _spread(found: pa.Table, rows: np.ndarray) -> pa.Table:
    """Return a table of more rows, of which only these are known; rows is bool, shape (all rows,)."""
    return found.take(pa.array(np.cumsum(rows) - 1, mask=~rows))


def _with_reasons(found: pa.Table, reasons: np.ndarray) -> pa.Table:
    column = found.schema.get_field_index(REASON)
    return found.set_column(column, found.schema.field(column), pa.array(reasons.tolist(), pa.string()))


def _nameless(rows: int) -> pa.Table:
    """Return what a record repeats of a catalogue, empty: the table that is classified keeps its own."""
    nothing = np.full(rows, np.nan)
    return pa.table(
        {
            HEALPIX_COLUMN: np.zeros(rows, dtype=np.int64),
            "object_id": pa.array([""] * rows, pa.string()),
            "ra": nothing,
            "dec": nothing,
            "class_star": nothing.astype(np.float32),
        }
    )
