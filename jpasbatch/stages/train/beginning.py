"""What a training begins with where a job names a committee to go on from: ``[committee] begin``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jpasbatch.job.job import Job
from jpasbatch.learning.manifest import check_manifest
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.run.committees import StoredCommittee, load_version
from jpasbatch.storage.stores.artefacts import committee_fingerprint

if TYPE_CHECKING:
    from jpasbatch.learning.members import TrainedNetwork
    from jpasbatch.learning.network import Network


@dataclass(frozen=True)
class Beginning:
    """A committee whose networks are trained further."""

    committee: StoredCommittee

    @property
    def identity(self) -> str:
        """SHA-256 of all that it is."""
        return committee_fingerprint(self.committee.version)

    @property
    def fitted(self) -> dict[str, Any]:
        """State of the features that its weights were learnt with."""
        return dict(self.committee.manifest.features.state)

    def member(self, index: int, job: Job) -> TrainedNetwork:
        """Return the network that a member of the job begins with."""
        from jpasbatch.learning.beginning import networks_of

        networks = networks_of(self.committee.manifest, self.committee.graph, cast("Network", job.model))
        return networks[index % len(networks)]


def begun_with(job: Job) -> dict[str, dict[str, str]]:
    """Return what a manifest says of the committee that the training began with; nothing where there is none."""
    begun = beginning(job)
    if begun is None:
        return {}
    return {"committee": {"begin": str(job.committee.begin).rsplit("/", 1)[-1], "sha256": begun.identity}}


def beginning(job: Job) -> Beginning | None:
    """Return what the training of a job begins with; None where it begins with nothing.

    Raises
    ------
    InputError
        When there is no such committee, or it is of another survey, other classes or other features.
    """
    if job.committee.begin is None:
        return None
    stored = load_version(job.committee.begin)
    survey = load_survey(job.survey, job.catalogue.aperture)
    check_manifest(stored.manifest, survey, job.classes, job.features.kind)
    return Beginning(stored)
