"""All that ``summarise`` counts, as one accumulator over partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jpasbatch.config import Job
from jpasbatch.learning.metrics import ConfusionTally, ReliabilityTally
from jpasbatch.learning.samples import label
from jpasbatch.photometry.survey import Survey
from jpasbatch.photometry.table import photometry_from_table
from jpasbatch.products.counts import CountTally
from jpasbatch.products.distributions import DistributionTally
from jpasbatch.products.examples import ExampleTally
from jpasbatch.products.record import probability_column
from jpasbatch.products.sky import SkyTally, class_indices
from jpasbatch.products.targets import TargetTally, select_targets


@dataclass(frozen=True)
class Tallies:
    """Counts, maps, histograms, examples, scores and targets of a part of the survey.

    Attributes
    ----------
    counts : CountTally or None
        None where the job counts nothing.
    sky, distributions, examples
        What the report shows of every survey.
    confusion, reliability
        Objects whose true class is known; empty where none is.
    targets : tuple of TargetTally
        One for each programme of the job.
    """

    counts: CountTally | None
    sky: SkyTally
    distributions: DistributionTally
    examples: ExampleTally
    confusion: ConfusionTally
    reliability: ReliabilityTally
    targets: tuple[TargetTally, ...]

    @classmethod
    def create(cls, job: Job, survey: Survey) -> Tallies:
        """Return empty tallies for a job."""
        classes, bins = tuple(job.classes), len(survey.magnitude_bins)
        return cls(
            counts=CountTally.create(job.counts, bins) if job.counts else None,
            sky=SkyTally.create(classes),
            distributions=DistributionTally.create(classes, bins),
            examples=ExampleTally.create(classes),
            confusion=ConfusionTally.create(len(classes), bins),
            reliability=ReliabilityTally.create(len(classes)),
            targets=tuple(TargetTally.create(programme) for programme in job.targets),
        )

    def add(
        self, records: pa.Table, table: pa.Table, job: Job, survey: Survey
    ) -> tuple[Tallies, list[pa.Table]]:
        """Add a partition.

        Parameters
        ----------
        records : pyarrow.Table
            Predictions (n rows).
        table : pyarrow.Table
            Photometry and truth of the same objects in the same order.
        job : Job
        survey : Survey

        Returns
        -------
        Tallies, list of pyarrow.Table
            The tallies of both, and the targets of each programme in this partition.
        """
        classes = tuple(job.classes)
        truth = label(
            table["true_class"].to_numpy(zero_copy_only=False), table["true_redshift"].to_numpy(), job.classes
        )
        probabilities = np.column_stack([records[probability_column(name)].to_numpy() for name in classes])
        targets = [select_targets(records, programme, job.seed) for programme in job.targets]
        confusion = ConfusionTally.create(len(classes), len(survey.magnitude_bins))
        confusion.add(truth, class_indices(records, classes), records["magnitude_bin"].to_numpy())
        added = Tallies(
            counts=self.counts.add(records) if self.counts else None,
            sky=self.sky.add(records),
            distributions=self.distributions.add(records),
            examples=self.examples.add(records, table, photometry_from_table(table, survey)),
            confusion=self.confusion.merge(confusion),
            reliability=self.reliability.add(truth, probabilities),
            targets=tuple(tally.add(found) for tally, found in zip(self.targets, targets, strict=True)),
        )
        return added, targets

    def merge(self, other: Tallies) -> Tallies:
        """Return the tallies of both parts."""
        return Tallies(
            counts=self.counts.merge(other.counts) if self.counts and other.counts else None,
            sky=self.sky.merge(other.sky),
            distributions=self.distributions.merge(other.distributions),
            examples=self.examples.merge(other.examples),
            confusion=self.confusion.merge(other.confusion),
            reliability=self.reliability.merge(other.reliability),
            targets=tuple(one.merge(two) for one, two in zip(self.targets, other.targets, strict=True)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "counts": self.counts.to_dict() if self.counts else None,
            "sky": self.sky.to_dict(),
            "distributions": self.distributions.to_dict(),
            "examples": self.examples.to_dict(),
            "confusion": self.confusion.to_dict(),
            "reliability": self.reliability.to_dict(),
            "targets": [tally.to_dict() for tally in self.targets],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], job: Job) -> Tallies:
        """Return the tallies that `to_dict` wrote for the same job."""
        return cls(
            counts=CountTally.from_dict(values["counts"], job.counts) if job.counts else None,
            sky=SkyTally.from_dict(values["sky"]),
            distributions=DistributionTally.from_dict(values["distributions"]),
            examples=ExampleTally.from_dict(values["examples"]),
            confusion=ConfusionTally.from_dict(values["confusion"]),
            reliability=ReliabilityTally.from_dict(values["reliability"]),
            targets=tuple(
                TargetTally.from_dict(one, programme)
                for one, programme in zip(values["targets"], job.targets, strict=True)
            ),
        )


def align(table: pa.Table, records: pa.Table) -> pa.Table:
    """Return the rows of a catalogue partition that have records, in the order of these.

    Both are in the order of the catalogue, and records lack the rows that were quarantined.

    Raises
    ------
    ValueError
        When a record has no row: then the two are not of the same catalogue.
    """
    kept = table.filter(pc.is_in(table["object_id"], value_set=records["object_id"].combine_chunks()))
    if not kept["object_id"].combine_chunks().equals(records["object_id"].combine_chunks()):
        raise ValueError("predictions and photometry of a partition hold different objects")
    return kept
