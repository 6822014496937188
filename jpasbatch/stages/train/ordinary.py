"""What is ordinary, for the committee of a job: learnt from what its members learnt from, validated as they were."""

from __future__ import annotations

import logging
from pathlib import Path

from jpasbatch.job.job import Job
from jpasbatch.learning.novelty.fitting import learn_ordinary
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.stages.train.prepared import read_prepared, sample_parts
from jpasbatch.stages.train.validation import Validated

log = logging.getLogger(__name__)


def ordinary_objects(folder: Path, job: Job, known: Validated) -> Ordinary | None:
    """Return what is ordinary, or None where the samples are too small to say; the log says why.

    Parameters
    ----------
    folder : Path
        Of the run, which holds the prepared samples.
    job : Job
    known : Validated
        Objects that validated the committee, with its votes.
    """
    sample = read_prepared(folder, sample_parts(job)[0], job.features.auxiliary)
    found = learn_ordinary(
        (sample.photometry, sample.labels),
        known.photometry,
        known.probabilities.argmax(axis=1),
        known.magnitude,
        known.disagreement,
        len(job.classes),
        job.seed,
    )
    if isinstance(found, str):
        log.warning("train: the committee will not know unusual objects, and calls none safe: %s", found)
        return None
    return found
