"""What a committee says of the objects that validate it: the validation sample, or the folds that its members kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jpasbatch.job.job import Job
from jpasbatch.learning.judgement import vote
from jpasbatch.learning.novelty.novelty import disagreement
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.folds import member_folds, validation_votes
from jpasbatch.stages.run.samples import identify_sample
from jpasbatch.stages.train.prepared import LABELLED, VALIDATION, read_prepared

if TYPE_CHECKING:
    from jpasbatch.learning.committee import Committee


class Validated(NamedTuple):
    """Labelled objects, with the votes of members that were not trained on them.

    ``labels`` (n,) int16, ``magnitude`` (n,) float32 and ``probabilities`` (n, classes) float64, not calibrated;
    ``photometry`` of the same objects, and ``disagreement`` (n,) of the members: NaN with folds, where each object has
    other members that may be asked.
    """

    labels: np.ndarray
    magnitude: np.ndarray
    probabilities: np.ndarray
    photometry: Photometry
    disagreement: np.ndarray


def validated_sample(folder: Path, job: Job, survey: Survey, committee: Committee) -> Validated:
    """Return the validation sample with the vote of a committee that has no calibration yet.

    With folds it is the labelled sample, and of each object only those members vote that it validated.
    """
    if job.samples.folds is None:
        sample = read_prepared(folder, VALIDATION)
        members = committee.member_probabilities(sample.photometry)[1]
        return Validated(
            sample.labels, sample.magnitude(survey), vote(members), sample.photometry, disagreement(members)
        )
    sample = read_prepared(folder, LABELLED)
    assert sample.fold is not None
    pairs = member_folds(job.samples.folds, job.committee.members, job.samples.nested)
    _, members = committee.member_probabilities(sample.photometry)
    rows, votes = validation_votes(members, sample.fold, pairs)
    unasked = np.full(len(rows), np.nan)
    known = sample.take(rows)
    return Validated(known.labels, known.magnitude(survey), votes, known.photometry, unasked)


def describe_folds(job: Job, samples: dict[str, list[Path]]) -> dict[str, Any]:
    """Return what a manifest says of folds: enough to find again which member saw which object."""
    options = job.samples
    return {
        "folds": options.folds,
        "seed": options.fold_seed,
        "nested": options.nested,
        "members": job.committee.members,
        "sample": identify_sample(samples[LABELLED]),
    }
