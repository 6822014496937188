"""What a committee says of the objects that validate it: the validation sample, or the folds that its members kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.learning.judgement import Judgement, Jury, disagreement, vote
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.photometry.photometry import Photometry
from jpasbatch.photometry.survey import Survey
from jpasbatch.priors.validation import ValidationSample
from jpasbatch.scoring.folds import member_folds, validation_votes
from jpasbatch.stages.run.samples import (
    SKY_WEIGHT,
    STELLARITY,
    groups_of,
    labels_of,
    list_sample,
    read_sample,
    sample_photometry,
    sky_weights_of,
    stellarity_of,
)
from jpasbatch.stages.train.prepared import (
    LABELLED,
    VALIDATION,
    PreparedSample,
    read_prepared,
    with_gaps,
)

if TYPE_CHECKING:
    from jpasbatch.learning.committee import Committee


class Validated(NamedTuple):
    """Labelled objects, with the votes of members that were not trained on them.

    ``labels`` (n,) int16, ``magnitude`` (n,) float32 and ``probabilities`` (n, classes) float64, not calibrated;
    ``photometry`` of the same objects, and ``disagreement`` (n,) of the members: NaN with folds, where each object has
    other members that may be asked; ``group`` (n,) int32, the same number for objects that descend from one parent;
    ``weight`` (n,) float32, how often each counts on a sky, or None: all the same; ``class_star`` (n,) float32, or None
    where it is not known.
    """

    labels: np.ndarray
    magnitude: np.ndarray
    probabilities: np.ndarray
    photometry: Photometry
    disagreement: np.ndarray
    group: np.ndarray
    weight: np.ndarray | None
    class_star: np.ndarray | None

    @classmethod
    def of(
        cls, sample: PreparedSample, votes: np.ndarray, disagreement: np.ndarray, survey: Survey
    ) -> Validated:
        """Return objects with the votes on them."""
        return cls(
            sample.labels,
            sample.magnitude(survey),
            votes,
            sample.photometry,
            disagreement,
            sample.group,
            sample.weight,
            sample.class_star,
        )

    def judged(self, judgement: Judgement) -> ValidationSample:
        """Return the objects that could be judged, with what the whole committee says of them."""
        known = (self.magnitude, self.labels, self.photometry.missing, self.group)
        return ValidationSample.judged(
            judgement.probabilities, judgement.usable, known, self.weight, self.class_star
        )


def validated_sample(folder: Path, job: Job, survey: Survey, committee: Committee) -> Validated:
    """Return the validation sample with the vote of a committee that has no calibration yet.

    With folds it is the labelled sample, and of each object only those members vote that it validated.
    """
    if job.samples.folds is None:
        sample = read_prepared(folder, VALIDATION, job.features.auxiliary)
        members = committee.member_probabilities(sample.photometry)[1]
        return Validated.of(sample, vote(members), disagreement(members), survey)
    sample = read_prepared(folder, LABELLED, job.features.auxiliary)
    assert sample.fold is not None
    pairs = member_folds(job.samples.folds, job.committee.members, job.samples.nested)
    _, members = committee.member_probabilities(sample.photometry)
    rows, votes = validation_votes(members, sample.fold, pairs)
    unasked = np.full(len(rows), np.nan)
    return Validated.of(sample.take(rows), votes, unasked, survey)


def judged_variants(
    job: Job, survey: Survey, committee: Committee, jury: Jury, weighted: bool, known: bool
) -> dict[str, ValidationSample]:
    """Return what a committee says of validation samples of other mocks, by the names that the job gives them.

    Parameters
    ----------
    job : Job
    survey : Survey
    committee : Committee
    jury : Jury
    weighted : bool
        Whether the objects of the validation sample have weights.
    known : bool
        Whether it has stellarities.

    Raises
    ------
    InputError
        When a sample is missing or damaged, or has weights and the validation sample has none, or the reverse, or has
        no stellarity where that has: what moves the numbers would be these, and not what is wrong with the mock.
    """
    found = {}
    for name, path in job.samples.variants.items():
        rows, _ = read_sample(list_sample(Path(path)), survey, job)
        weights = sky_weights_of(rows)
        if weighted != (weights is not None):
            with_weights, without = ("validation", path) if weighted else (path, "validation")
            raise InputError(
                f"[samples.variants] {name}: {with_weights} has the column {SKY_WEIGHT}, {without} has not: they "
                "cannot be compared; make the older mock again"
            )
        stellarity = stellarity_of(rows)
        if known and stellarity is None:
            raise InputError(
                f"[samples.variants] {name}: validation has the column {STELLARITY}, {path} has not, or no number "
                "in it: they cannot be compared; make the older mock again"
            )
        photometry = with_gaps(sample_photometry(rows, survey, job), job, survey)
        labels = labels_of(rows, job)
        usable = labels != UNLABELLED
        usable[usable], members = committee.member_probabilities(photometry.select(usable))
        sample = PreparedSample(
            photometry.select(usable),
            labels[usable],
            groups_of(rows)[usable],
            weight=None if weights is None else weights[usable],
            class_star=None if stellarity is None else stellarity[usable],
        )
        given = Validated.of(sample, vote(members), disagreement(members), survey)
        found[name] = given.judged(jury.judge_votes(given.probabilities, given.magnitude))
    return found
