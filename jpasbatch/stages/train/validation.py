"""What a committee says of the objects that validate it: the validation sample, or the folds that its members kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jpasbatch.job.job import Job
from jpasbatch.learning.committee import vote
from jpasbatch.photometry.features.registry import Features
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.folds import member_folds
from jpasbatch.stages.run.samples import identify_sample
from jpasbatch.stages.train.prepared import LABELLED, VALIDATION, read_prepared

if TYPE_CHECKING:
    from jpasbatch.learning.inference import InferenceEngine


class Validated(NamedTuple):
    """Objects that no vote on them was learnt from.

    ``labels`` (n,) int16, ``magnitude`` (n,) float32 and ``probabilities`` (n, classes) float64, not calibrated.
    """

    labels: np.ndarray
    magnitude: np.ndarray
    probabilities: np.ndarray


def validated_sample(
    folder: Path, job: Job, survey: Survey, features: Features, engine: InferenceEngine
) -> Validated:
    """Return the validation sample with the vote of the committee.

    With folds it is the labelled sample, and of each object only those members vote that it validated.
    """
    if job.samples.folds is None:
        sample = read_prepared(folder, VALIDATION)
        votes = vote(engine.members(features(sample.photometry)))
        return Validated(sample.labels, sample.magnitude(survey), votes)
    sample = read_prepared(folder, LABELLED)
    assert sample.fold is not None
    pairs = member_folds(job.samples.folds, job.committee.members, job.samples.nested)
    rows, votes = validation_votes(engine.members(features(sample.photometry)), sample.fold, pairs)
    return Validated(sample.labels[rows], sample.magnitude(survey)[rows], votes)


def validation_votes(
    members: np.ndarray, fold: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that validate some member, and the vote on each of those whom it validates.

    Parameters
    ----------
    members : ndarray, shape (n, members, classes)
    fold : ndarray of int, shape (n,)
    pairs : ndarray of int, shape (members, 2)
        Fold that each member is tested on and fold that validates it.
    """
    rows, votes = [], []
    for validated in np.unique(pairs[:, 1]):
        own, whom = np.flatnonzero(fold == validated), np.flatnonzero(pairs[:, 1] == validated)
        rows.append(own)
        votes.append(vote(members[own][:, whom]))
    return np.concatenate(rows), np.concatenate(votes)


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
