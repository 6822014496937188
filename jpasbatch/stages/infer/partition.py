"""One partition of the catalogue: read, classify, stage the records.

`classify` is the pure half: rows in, records and rejected rows out. `classify_partition` reads and writes around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jpasbatch.learning.committee import Committee
from jpasbatch.learning.inference import InferenceOptions
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.photometry.table import photometry_from_table, quarantine_schema
from jpasbatch.products.record import Quality, count_quality, make_record
from jpasbatch.stages.infer.redshifts import RedshiftFinder, RedshiftSearch
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.partition_facts import PartitionFacts
from jpasbatch.storage.catalogue.partitions import (
    parquet_bytes,
    partition_file,
    read_partition,
    write_partition,
)
from jpasbatch.storage.stores.opening import open_store

COLUMNS = ("_healpix_29", "object_id", "ra", "dec", "flux", "flux_err", "class_star")
"""What is read of the photometry."""


@dataclass(frozen=True)
class Inference:
    """What a worker needs to classify a partition: locations and names, never arrays.

    Attributes
    ----------
    store : str
        Location of the store: the output folder, or one of objects.
    sky, catalogue, folder, staging : str
        Keys there: of the collection, of the photometry, of the run, and of its predictions (within the collection, so
        that publishing moves no bytes).
    committee : str
        Location of the committee.
    survey : str
        Name or path of the survey.
    options : InferenceOptions
        How the forward pass is computed.
    fingerprint : str
        Of all that decides the result but the partition; in every commit.
    redshifts : RedshiftSearch, optional
        Which redshifts are looked for.
    """

    store: str
    sky: str
    catalogue: str
    folder: str
    staging: str
    committee: str
    survey: str
    options: InferenceOptions
    fingerprint: str
    redshifts: RedshiftSearch | None = None


@dataclass(frozen=True, kw_only=True)
class ClassifiedPartition(PartitionFacts):
    """The commit of a partition that was classified.

    Attributes
    ----------
    few_bands : int, optional
        Classified rows with fewer bands than the committee was validated with; None for one that does not know.
    """

    few_bands: int | None = None


def classify_partition(inference: Inference, order: int, pixel: int, name: str) -> Made:
    """Classify one partition of the catalogue and write its records.

    Parameters
    ----------
    inference : Inference
    order, pixel : int
        Of the partition.
    name : str
        Of its commit; names of files begin with it.

    Raises
    ------
    InputError
        When the partition is damaged.
    """
    survey = load_survey(inference.survey)
    committee = open_committee(inference.committee, survey, inference.options)
    finder, search = None, inference.redshifts
    if search is not None:
        finder = RedshiftFinder(search, open_committee(search.committee, survey, inference.options))
    store = open_store(inference.store)
    columns = (*COLUMNS, *(one for one in needed_auxiliary(committee, finder) if one not in COLUMNS))
    table = read_partition(partition_key(inference, order, pixel), columns, store)
    records, rejected = classify(table, survey, committee, finder)
    staged = write_partition(records, store, inference.staging, name)
    files = []
    if rejected.num_rows:
        files = [rejected_key(inference.folder, name)]
        store.put(files[0], parquet_bytes(rejected))
    written = staged.facts((order, pixel), inference.sky, inference.fingerprint, rejected.num_rows)
    few_bands = None if committee.ordinary is None else count_quality(records, Quality.FEW_BANDS)
    facts = ClassifiedPartition(**vars(written), few_bands=few_bands)
    return Made(
        records.num_rows, vars(facts), files, own=staged.files, told={"quarantined": rejected.num_rows}
    )


def partition_key(inference: Inference, order: int, pixel: int) -> str:
    """Return the key of a partition of the photometry."""
    return f"{inference.catalogue}/{partition_file(order, pixel).as_posix()}"


def rejected_key(folder: str, name: str) -> str:
    """Return the key of the rows of a partition that could not be classified."""
    return f"{folder}/rejected/{name}.parquet"


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
