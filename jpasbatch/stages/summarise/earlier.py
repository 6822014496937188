"""What the stages before ``summarise`` recorded, of which its page and ``summary.json`` tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jpasbatch.products.report import QuarantineLine, StageLine
from jpasbatch.stages.run.ingest_facts import IngestFacts
from jpasbatch.stages.run.mock_facts import MockFacts
from jpasbatch.stages.run.records import StageRecord, recorded
from jpasbatch.stages.run.stage_facts import CorrectFacts, InferFacts, StageFacts, TrainFacts
from jpasbatch.stages.run.workspace import SHORT, Workspace


@dataclass(frozen=True)
class Earlier:
    """What the stages before recorded; None of a stage that the job does not have, or that did not run here.

    Attributes
    ----------
    records : dict of str to StageRecord
        Of all of them by stage, in the order in which they run.
    ingest, train, infer : facts of these stages, optional
    """

    records: Mapping[str, StageRecord[StageFacts]] = field(default_factory=dict)
    ingest: IngestFacts | None = None
    train: TrainFacts | None = None
    infer: InferFacts | None = None

    @classmethod
    def of(cls, workspace: Workspace) -> Earlier:
        """Read what they recorded.

        Raises
        ------
        InputError
            When a record is damaged.
        """
        ingest, train = recorded(workspace, IngestFacts), recorded(workspace, TrainFacts)
        infer = recorded(workspace, InferFacts)
        correct = None if workspace.job.prior.kind == "none" else recorded(workspace, CorrectFacts)
        found = (recorded(workspace, MockFacts), ingest, train, infer, correct)
        return cls(
            {record.facts.stage: record for record in found if record is not None},
            ingest and ingest.facts,
            train and train.facts,
            infer and infer.facts,
        )

    @property
    def quarantined(self) -> int:
        """Rows that were refused, or could not be classified."""
        return sum(one.quarantined for one in (self.ingest, self.infer) if one is not None)

    def reasons(self) -> tuple[QuarantineLine, ...]:
        """Return why rows are in quarantine."""
        refused = {} if self.ingest is None else self.ingest.reasons
        lines = [QuarantineLine(reason, rows) for reason, rows in refused.items()]
        if self.infer is not None and self.infer.quarantined:
            missing = self.infer.gaps
            gaps = f", or in one of {missing} partitions that failed" if missing else ""
            lines.append(QuarantineLine(f"no finite features or probabilities{gaps}", self.infer.quarantined))
        return tuple(lines)

    def lines(self) -> tuple[StageLine, ...]:
        """Return the line of each stage in the table of the page."""
        return tuple(
            StageLine(stage, record.seconds, _rows(record.facts)) for stage, record in self.records.items()
        )

    def fingerprints(self) -> dict[str, str]:
        """Return the short fingerprint of each stage."""
        return {f"{stage} fingerprint": record.fingerprint[:SHORT] for stage, record in self.records.items()}

    def versions(self) -> dict[str, str]:
        """Return the names of the versions that ``infer`` made and used."""
        if self.infer is None:
            return {}
        places = {"predictions": self.infer.predictions, "committee": self.infer.committee}
        if self.infer.redshifts is not None:
            places["redshift committee"] = self.infer.redshifts.committee
        return {name: Path(place).name for name, place in places.items()}


def _rows(facts: StageFacts) -> int:
    """Return the rows that a stage wrote, of all parts together."""
    if isinstance(facts, MockFacts | TrainFacts):
        return sum(facts.rows.values())
    return facts.rows_out if isinstance(facts, IngestFacts | InferFacts | CorrectFacts) else 0
