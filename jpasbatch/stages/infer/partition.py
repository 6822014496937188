"""One partition of the catalogue: read, classify, stage the records."""

from __future__ import annotations

from dataclasses import dataclass

from jpasbatch.learning.runtimes import InferenceOptions
from jpasbatch.photometry.survey import load_survey
from jpasbatch.products.record import Quality, count_quality
from jpasbatch.stages.infer.classification import classify, needed_auxiliary
from jpasbatch.stages.infer.redshifts import RedshiftFinder, RedshiftSearch
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.committees import open_committee
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
    facts = staged.record((order, pixel), inference.sky, inference.fingerprint, rejected.num_rows)
    facts["few_bands"] = None if committee.ordinary is None else count_quality(records, Quality.FEW_BANDS)
    return Made(records.num_rows, facts, files, own=staged.files, told={"quarantined": rejected.num_rows})


def partition_key(inference: Inference, order: int, pixel: int) -> str:
    """Return the key of a partition of the photometry."""
    return f"{inference.catalogue}/{partition_file(order, pixel).as_posix()}"


def rejected_key(folder: str, name: str) -> str:
    """Return the key of the rows of a partition that could not be classified."""
    return f"{folder}/rejected/{name}.parquet"
