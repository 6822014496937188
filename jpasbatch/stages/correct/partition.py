"""What workers do for the class mix of the sky: count a partition, find the shares, correct a partition."""

from __future__ import annotations

import json
from dataclasses import dataclass

from jpasbatch.learning.decision import FittedDecision
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.cells import Cells
from jpasbatch.priors.options import PriorOptions
from jpasbatch.priors.prior import Reference, fit_prior
from jpasbatch.priors.table import ShareTable
from jpasbatch.products.posteriors import (
    KEYS,
    make_posteriors,
    record_cells,
    strata_columns,
)
from jpasbatch.products.record import probability_column
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.stores.opening import open_store
from jpasbatch.storage.stores.store import read_object


@dataclass(frozen=True)
class Sky:
    """The published predictions.

    Attributes
    ----------
    store : str
        Location of all keys.
    predictions : str
        Key of their version.
    survey : str
        Name or path.
    classes : tuple of str
    """

    store: str
    predictions: str
    survey: str
    classes: tuple[str, ...]

    @property
    def probabilities(self) -> tuple[str, ...]:
        """Columns that hold the committee's probabilities."""
        return tuple(probability_column(name) for name in self.classes)


PRIOR_FILE = "prior.json"


def count_partition(sky: Sky, reference: Reference, folder: str, order: int, pixel: int, name: str) -> Made:
    """Count a partition of the predictions in cells of probability.

    Parameters
    ----------
    sky : Sky
    reference : Reference
    folder : str
        Key of the run.
    order, pixel : int
    name : str
        Of the commit.
    """
    survey, store = load_survey(sky.survey), open_store(sky.store)
    columns = tuple(dict.fromkeys((*sky.probabilities, *strata_columns(survey))))
    record = read_partition(f"{sky.predictions}/{partition_file(order, pixel).as_posix()}", columns, store)
    cells = record_cells(record, survey, reference, sky.classes)
    key = cells_key(folder, name)
    store.put(key, cells.to_bytes())
    return Made(record.num_rows, {"cells": len(cells.keys)}, [key])


def cells_key(folder: str, name: str) -> str:
    """Return the key of the cells of a partition."""
    return f"{folder}/cells/{name}.npz"


def find_prior(
    sky: Sky,
    reference: Reference,
    how: tuple[PriorOptions, ShareTable | None],
    seed: int,
    cells: list[str],
    target: str,
) -> Made:
    """Find the class shares of the sky from the cells of all partitions, and write them.

    Parameters
    ----------
    sky : Sky
    reference : Reference
    how : (PriorOptions, ShareTable or None)
        With a table the shares are taken from it.
    seed : int
        Of the redraws.
    cells : list of str
        Keys of the cells of all partitions.
    target : str
        Key of the file to write.
    """
    store, (options, table) = open_store(sky.store), how
    parts = (Cells.from_bytes(read_object(store, key)) for key in cells)
    found = Cells.merged(parts, len(sky.classes))
    given = table.prior(found, reference) if table else None
    prior = given or fit_prior(found, reference, options, sky.classes, seed)
    store.put(target, json.dumps(prior.to_dict()).encode())
    return Made(int(prior.objects.sum()), {"cells": len(found.keys)}, [target])


@dataclass(frozen=True)
class Correction:
    """What a worker needs to correct a partition.

    Attributes
    ----------
    sky : Sky
    prior : str
        Key of the prior.
    decision : FittedDecision
        The committee's.
    collection, staging : str
        Keys of the collection and of the folder of staged partitions.
    fingerprint : str
        Of the run; in every commit.
    """

    sky: Sky
    prior: str
    decision: FittedDecision
    collection: str
    staging: str
    fingerprint: str


def correct_partition(correction: Correction, order: int, pixel: int, name: str) -> Made:
    """Write the posteriors of a partition of the predictions.

    Parameters
    ----------
    correction : Correction
    order, pixel : int
    name : str
        Of the commit; the name of the file begins with it.
    """
    sky = correction.sky
    survey, store = load_survey(sky.survey), open_store(sky.store)
    prior = read_prior(sky.store, correction.prior)
    columns = tuple(dict.fromkeys((*KEYS, *sky.probabilities, "predicted_class", *strata_columns(survey))))
    record = read_partition(f"{sky.predictions}/{partition_file(order, pixel).as_posix()}", columns, store)
    posteriors = make_posteriors(record, survey, prior, correction.decision)
    staged = write_partition(posteriors, store, correction.staging, name)
    facts = staged.record((order, pixel), correction.collection, correction.fingerprint)
    return Made(record.num_rows, facts, own=staged.files)
