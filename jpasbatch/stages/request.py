"""What a command line asks of the stages of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What a command line asks for: a verb on a job, where and how.

    Attributes
    ----------
    verb : str
        A stage, or ``run`` or ``update``.
    job_file, output, data : Path
        As for `jpasbatch.stages.pipeline.open_workspace`.
    cluster_file : Path, optional
        Two processes of this machine without it.
    serial : bool
        Whether all of it runs in this process.
    allow_gaps : bool
        Whether it publishes although partitions are quarantined.
    sky : str, optional
        Location of the collection in an object store; in the output folder without it.
    stress : bool
        Whether ``evaluate`` makes the stress table although the job file does not ask for it.
    """

    verb: str
    job_file: Path
    output: Path | None = None
    data: Path | None = None
    cluster_file: Path | None = None
    serial: bool = False
    allow_gaps: bool = False
    sky: str | None = None
    stress: bool = False
