"""One partition of the catalogue: read, classify, stage the records, commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jpasbatch.learning.runtimes import InferenceOptions
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.infer.classification import classify
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.storage.catalogue.partitions import (
    parquet_bytes,
    partition_file,
    read_stored_partition,
    stage_partition,
)
from jpasbatch.storage.stores.ledger import Ledger
from jpasbatch.storage.stores.store import Store, open_store

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


def classify_partition(inference: Inference, order: int, pixel: int, name: str) -> dict[str, Any]:
    """Classify one partition of the catalogue, write its records and commit them under a name.

    Returns
    -------
    dict
        ``rows`` classified and ``quarantined``.

    Raises
    ------
    InputError
        When the partition is damaged.
    """
    survey = load_survey(inference.survey)
    committee = open_committee(inference.committee, survey, inference.options)
    store = open_store(inference.store)
    table = read_stored_partition(store, partition_key(inference, order, pixel), COLUMNS)
    records, rejected = classify(table, survey, committee)
    staged = stage_partition(records, store, inference.staging, name)
    commit = staged.record((order, pixel), inference.sky, inference.fingerprint, rejected.num_rows)
    commit["files"] = dict(staged.files)
    if rejected.num_rows:
        place = rejected_key(inference.folder, name)
        store.put(place, parquet_bytes(rejected))
        commit["files"] |= store.stamps([place])
    if not open_ledger(store, inference.folder).commit(name, commit) and staged.key:
        # the same task ran twice and the other copy was first: its file is the one that counts
        store.remove(staged.key)
    return {"rows": records.num_rows, "quarantined": rejected.num_rows}


def partition_key(inference: Inference, order: int, pixel: int) -> str:
    """Return the key of a partition of the photometry."""
    return f"{inference.catalogue}/{partition_file(order, pixel).as_posix()}"


def open_ledger(store: Store, folder: str) -> Ledger:
    """Return the ledger of a run."""
    return Ledger(store.within(f"{folder}/ledger"))


def rejected_key(folder: str, name: str) -> str:
    """Return the key of the rows of a partition that could not be classified."""
    return f"{folder}/rejected/{name}.parquet"
