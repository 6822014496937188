"""What a committee says of the objects of mocks, for benchmarks that make skies of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.job.job import Job
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.learning.samples import label
from jpasbatch.photometry.photometry import ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.priors.validation import ValidationSample
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.samples import SKY_WEIGHT
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition

COLUMNS = ("flux", "flux_err", "class_star", "true_class", "true_redshift", "parent_id", "object_id")
SETS = ("validation", "test")
PER_DEG2 = {"star": 2190.0, "galaxy": 6410.0, "qso_low": 272.4, "qso_high": 142.6}
"""Of the mock survey (paper A's field for stars and galaxies, Palanque-Delabrouille et al. 2016 for quasars)."""


@dataclass(frozen=True)
class Judged:
    """What a committee says of n objects: probabilities (n, classes), and what is known of each object.

    ``subset`` is a position in `jpasbatch.learning.novelty.novelty.SUBSETS`; ``weight`` is the column ``sky_weight`` of
    a set, 1 where it has none.
    """

    probabilities: np.ndarray
    magnitude: np.ndarray
    class_star: np.ndarray
    labels: np.ndarray
    missing: np.ndarray
    parent: np.ndarray
    name: np.ndarray
    subset: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> "Judged":
        """Return some of the objects, possibly more than once."""
        return Judged(*(getattr(self, item.name)[rows] for item in fields(self)))

    def sample(self, weighted: bool = False) -> ValidationSample:
        """Return these objects as a validation sample; what descends from one parent is one group."""
        _, group = np.unique(self.parent, return_inverse=True)
        sample = ValidationSample.of(
            self.probabilities, self.magnitude, self.labels, self.missing, group.astype(np.int32)
        )
        sample = replace(sample, class_star=np.asarray(self.class_star, dtype=np.float32))
        return sample.weighted(self.weight) if weighted else sample


def judge(version: Path, job: Job, mock: Path, sets: Sequence[str] = SETS) -> Judged:
    """Return what a committee, of which a version is named, says of sets of a mock: those that are there."""
    survey = load_survey(job.survey)
    committee = open_committee(str(version), survey)
    parts = []
    for catalogue in (open_catalogue(mock / name) for name in sets if (mock / name).is_dir()):
        for pixel in catalogue.pixels:
            weighted = SKY_WEIGHT in catalogue.schema.names
            columns = (*COLUMNS, SKY_WEIGHT) if weighted else COLUMNS
            table = read_partition(catalogue.partition_path(*pixel), columns)
            photometry = photometry_from_table(table, survey)
            judgement = committee.judge(photometry)
            usable = judgement.usable
            known = judgement.novelty or Novelty.unknown(len(judgement))
            table = table.filter(pa.array(usable))
            labels = label(
                table["true_class"].to_numpy(zero_copy_only=False),
                table["true_redshift"].to_numpy(),
                job.classes,
            )
            parts.append(
                (
                    judgement.probabilities[usable].astype(np.float32),
                    ab_magnitude(photometry.flux[:, survey.reference_index])[usable].astype(np.float32),
                    table["class_star"].to_numpy(),
                    labels,
                    photometry.missing[usable],
                    *(
                        table[column].to_numpy(zero_copy_only=False).astype(str)
                        for column in ("parent_id", "object_id")
                    ),
                    known.subset[usable],
                    table[SKY_WEIGHT].to_numpy() if weighted else np.ones(table.num_rows),
                )
            )
    return Judged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def sums_by_stratum(
    posteriors: np.ndarray, stratum: np.ndarray, strata: int, group: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums that `count_variances` takes."""
    products = posteriors * posteriors[:, group].sum(axis=1, keepdims=True)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.column_stack([np.bincount(stratum, column, strata) for column in values.T])

    return summed(posteriors[:, group]), summed(products)
