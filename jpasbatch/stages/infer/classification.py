"""The pure half of ``infer``: the rows of a partition in, their records and the rejected rows out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from jpasbatch.learning.committee import Committee
from jpasbatch.photometry.features.registry import Features
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table, quarantine_schema
from jpasbatch.products.record import make_record
from jpasbatch.scoring.metrics import entropy


def classify(
    table: pa.Table, survey: Survey, features: Features, committee: Committee
) -> tuple[pa.Table, pa.Table]:
    """Classify the rows of a partition.

    Parameters
    ----------
    table : pyarrow.Table
        Canonical photometry (n rows).
    survey : Survey
    features : Features
        As the committee was trained with.
    committee : Committee

    Returns
    -------
    records : pyarrow.Table
        `record_schema`, rows in input order.
    rejected : pyarrow.Table
        `quarantine_schema`: rows that have no finite features or probabilities. Every input row is in
        exactly one of the two.
    """
    photometry = photometry_from_table(table, survey)
    inputs = features(photometry)
    finite = np.isfinite(inputs).all(axis=1)
    probabilities = np.full((len(inputs), len(committee.classes)), np.nan)
    magnitude = ab_magnitude(photometry.flux[:, survey.reference_index])
    probabilities[finite] = committee.predict(inputs[finite], magnitude[finite])
    usable = np.isfinite(probabilities).all(axis=1)
    rejected = _reject(table, ~finite, "features not finite", finite & ~usable, "probabilities not finite")
    if not usable.all():
        table = table.filter(pa.array(usable))
        photometry = photometry_from_table(table, survey)
        probabilities = probabilities[usable]
    records = make_record(table, photometry, probabilities, survey, committee.classes, entropy(probabilities))
    return records, rejected


def _reject(table: pa.Table, *masks_and_reasons: Any) -> pa.Table:
    parts = []
    for mask, reason in zip(masks_and_reasons[::2], masks_and_reasons[1::2], strict=True):
        rows = np.flatnonzero(mask)
        part = table.select(["object_id", "ra", "dec"]).take(pa.array(rows))
        part = part.append_column("reason", pa.array([reason] * len(rows), pa.string()))
        part = part.append_column("source", pa.array(["catalogue"] * len(rows), pa.string()))
        parts.append(part.append_column("row", pa.array(rows, pa.int64())).cast(quarantine_schema()))
    return pa.concat_tables(parts)
