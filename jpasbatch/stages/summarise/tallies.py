"""All that ``summarise`` counts, as one accumulator over partitions: products, and scores where truth is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.job.job import Job
from jpasbatch.learning.samples import label
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.record import probability_column
from jpasbatch.products.sky import class_indices
from jpasbatch.products.survey_tally import SurveyTally
from jpasbatch.scoring.metrics import ConfusionTally, ReliabilityTally


@dataclass(frozen=True)
class Tallies:
    """What is counted of a part of the survey.

    Attributes
    ----------
    products : SurveyTally
        Counts, maps, histograms, examples and targets.
    confusion, reliability
        Of the objects whose true class is known; empty where none is.
    """

    products: SurveyTally
    confusion: ConfusionTally
    reliability: ReliabilityTally

    @classmethod
    def create(cls, job: Job, survey: Survey) -> Tallies:
        """Return empty tallies for a job."""
        classes, bins = tuple(job.classes), len(survey.magnitude_bins)
        return cls(
            products=SurveyTally.create(classes, bins, job.products),
            confusion=ConfusionTally.create(len(classes), bins),
            reliability=ReliabilityTally.create(len(classes)),
        )

    @classmethod
    def of_partition(cls, records: pa.Table, table: pa.Table, job: Job, survey: Survey) -> Tallies:
        """Tally a partition.

        Parameters
        ----------
        records : pyarrow.Table
            Predictions (n rows).
        table : pyarrow.Table
            Photometry and truth of the same objects in the same order (see `align`).
        job : Job
        survey : Survey
        """
        classes = tuple(job.classes)
        truth = label(
            table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
        )
        probabilities = np.column_stack([records[probability_column(name)].to_numpy() for name in classes])
        empty = cls.create(job, survey)
        return cls(
            products=empty.products.add(records, table, photometry_from_table(table, survey)),
            confusion=empty.confusion.add(
                truth, class_indices(records, classes), records["magnitude_bin"].to_numpy()
            ),
            reliability=empty.reliability.add(truth, probabilities),
        )

    def merge(self, other: Tallies) -> Tallies:
        """Return the tallies of both parts."""
        return Tallies(
            products=self.products.merge(other.products),
            confusion=self.confusion.merge(other.confusion),
            reliability=self.reliability.merge(other.reliability),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "products": self.products.to_dict(),
            "confusion": self.confusion.to_dict(),
            "reliability": self.reliability.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], job: Job) -> Tallies:
        """Return the tallies that `to_dict` wrote for the same job."""
        return cls(
            products=SurveyTally.from_dict(values["products"], job.products),
            confusion=ConfusionTally.from_dict(values["confusion"]),
            reliability=ReliabilityTally.from_dict(values["reliability"]),
        )


def align(table: pa.Table, records: pa.Table) -> pa.Table:
    """Return the rows of a catalogue partition that have records, in the order of these.

    Both are in the order of the catalogue, and records lack the rows that were quarantined.

    Raises
    ------
    ValueError
        When a record has no row: then the two are not of the same catalogue.
    """
    wanted = records["object_id"].combine_chunks()
    kept = table.filter(
        pc.call_function("is_in", [table["object_id"]], pc.SetLookupOptions(value_set=wanted))
    )
    if kept["object_id"].to_pylist() != wanted.to_pylist():
        raise ValueError("predictions and photometry of a partition hold different objects")
    return kept
