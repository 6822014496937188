"""The pure half of ``infer``: the rows of a partition in, their records and the rejected rows out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from jpasbatch.learning.committee import Committee
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table, quarantine_schema
from jpasbatch.products.record import make_record
from jpasbatch.stages.infer.redshifts import RedshiftFinder


def classify(
    table: pa.Table, survey: Survey, committee: Committee, finder: RedshiftFinder | None = None
) -> tuple[pa.Table, pa.Table]:
    """Classify the rows of a partition.

    Parameters
    ----------
    table : pyarrow.Table
        Canonical photometry (n rows).
    survey : Survey
    committee : Committee
    finder : RedshiftFinder, optional
        Finds redshifts of candidates.

    Returns
    -------
    records : pyarrow.Table
        `record_schema`, rows in input order.
    rejected : pyarrow.Table
        `quarantine_schema`: rows that the committee cannot classify. Every input row is in exactly one of the two.
    """
    auxiliary = needed_auxiliary(committee, finder)
    photometry = photometry_from_table(table, survey, auxiliary)
    judgement = committee.judge(photometry)
    usable, rejected = judgement.usable, _reject(table, judgement.refused)
    if not usable.all():
        table, judgement = table.filter(pa.array(usable)), judgement.take(usable)
        photometry = photometry_from_table(table, survey, auxiliary)
    found = None if finder is None else (finder.ranges, finder(photometry, judgement))
    return make_record(table, photometry, judgement, survey, committee.classes, found), rejected


def needed_auxiliary(committee: Committee, finder: RedshiftFinder | None = None) -> tuple[str, ...]:
    """Return the columns that committees see beside the photometry."""
    second = () if finder is None else finder.committee.auxiliary
    return tuple(dict.fromkeys((*committee.auxiliary, *second)))


def _reject(table: pa.Table, refused: Mapping[str, np.ndarray]) -> pa.Table:
    parts = []
    for reason, mask in refused.items():
        rows = np.flatnonzero(mask)
        part = table.select(["object_id", "ra", "dec"]).take(pa.array(rows))
        part = part.append_column("reason", pa.array([reason] * len(rows), pa.string()))
        part = part.append_column("source", pa.array(["catalogue"] * len(rows), pa.string()))
        parts.append(part.append_column("row", pa.array(rows, pa.int64())).cast(quarantine_schema()))
    return pa.concat_tables(parts)
