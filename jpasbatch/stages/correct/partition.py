"""What workers do for the partitions of a sky: count one in cells of probability, and correct one."""

from __future__ import annotations

from dataclasses import dataclass

from jpasbatch.facts import Facts
from jpasbatch.learning.decision import FittedDecision
from jpasbatch.photometry.survey import load_survey
from jpasbatch.priors.prior import Measure
from jpasbatch.products.posteriors import (
    corrected_columns,
    counted_columns,
    make_posteriors,
    record_cells,
)
from jpasbatch.stages.run.commits import Made
from jpasbatch.stages.run.priors import read_prior
from jpasbatch.storage.catalogue.partitions import partition_file, read_partition, write_partition
from jpasbatch.storage.stores.opening import open_store


@dataclass(frozen=True)
class CountedCells(Facts):
    """What the commit of a count tells: how many cells of probability hold objects."""

    cells: int


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


def count_partition(sky: Sky, measure: Measure, folder: str, order: int, pixel: int, name: str) -> Made:
    """Count a partition of the predictions in cells of probability.

    Parameters
    ----------
    sky : Sky
    measure : Measure
    folder : str
        Key of the run.
    order, pixel : int
    name : str
        Of the commit.
    """
    survey, store = load_survey(sky.survey), open_store(sky.store)
    columns = counted_columns(survey, measure.strata, sky.classes)
    record = read_partition(f"{sky.predictions}/{partition_file(order, pixel).as_posix()}", columns, store)
    cells = record_cells(record, survey, measure, sky.classes)
    key = cells_key(folder, name)
    store.put(key, cells.to_bytes())
    return Made(record.num_rows, CountedCells(len(cells.keys)), [key])


def cells_key(folder: str, name: str) -> str:
    """Return the key of the cells of a partition."""
    return f"{folder}/cells/{name}.npz"


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
    columns = corrected_columns(survey, prior, correction.decision)
    record = read_partition(f"{sky.predictions}/{partition_file(order, pixel).as_posix()}", columns, store)
    posteriors = make_posteriors(record, survey, prior, correction.decision)
    staged = write_partition(posteriors, store, correction.staging, name, quick=True)
    facts = staged.facts((order, pixel), correction.collection, correction.fingerprint)
    return Made(record.num_rows, facts, own=staged.files)
