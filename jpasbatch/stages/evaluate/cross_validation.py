"""What the members of each fold say of the objects that they never saw: the test of a committee of folds.

Everything that a fold decides with (calibration, threshold) is fitted to the objects that validated its own members,
so that no object that is tested has a say. Without nesting those are the tested objects themselves, as in Chen et al.
2021.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.job.job import Job
from jpasbatch.learning.judgement import Jury
from jpasbatch.learning.manifest import DescribedFolds, Manifest
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import load_survey
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.folds import member_folds, stratified_folds, validation_votes
from jpasbatch.stages.evaluate.predictions import signal_to_noise
from jpasbatch.stages.run.committees import open_committee
from jpasbatch.stages.run.samples import describe_folds, labels_of, read_sample, sample_photometry
from jpasbatch.storage.stores.artefacts import load_committee

FOLDS = "folds"
"""Name of the sample of objects that were tested in the fold that they are in."""

TESTED, VALIDATED = "tested", "validated"


def check_folds(manifest: Manifest, job: Job, files: list[Path]) -> None:
    """Refuse a committee whose members may have learnt from what they would be tested on.

    Raises
    ------
    InputError
        When its folds, or the sample that they were made of, are others than the job's.
    """
    wanted, found = describe_folds(job, files), manifest.folds
    if found != wanted:
        names = [item.name for item in fields(DescribedFolds)]
        differs = [key for key in names if found is None or getattr(found, key) != getattr(wanted, key, None)]
        raise InputError(
            f"the committee was not trained in the folds of this job ({', '.join(differs)} differ), so that its "
            "members may have seen what they would be tested on; run `jpasbatch train` again"
        )


def predict_folds(
    committee_folder: str, files: list[str], job: Job
) -> tuple[dict[str, Predictions], Photometry, np.ndarray, Counter[str], Novelty]:
    """Classify each object of the labelled sample by the members of its fold.

    Returns
    -------
    dict of str to Predictions
        "tested": each object once, with its fold. "validated": what the members of each fold said of the objects
        that validated them; ``fold`` is then that of the members.
    Photometry, ndarray
        Of the tested objects, and their redshifts, float32 (n,).
    Counter of str
        Rows that were rejected, by reason.
    Novelty
        Of the tested objects, to all members.
    """
    survey = load_survey(job.survey, job.catalogue.aperture)
    manifest = Manifest.from_json(load_committee(Path(committee_folder))[0])
    check_folds(manifest, job, [Path(path) for path in files])
    accepted, rejected = read_sample([Path(path) for path in files], survey, job)
    photometry, labels = sample_photometry(accepted, survey, job), labels_of(accepted, job)
    usable = labels != UNLABELLED
    committee = open_committee(committee_folder, survey)
    finite, members = committee.member_probabilities(photometry.select(usable))
    usable[usable] = finite
    rejected["no class of the job, or no features"] = int((~usable).sum())
    photometry, labels = photometry.select(usable), labels[usable]
    names = accepted["object_id"].filter(pa.array(usable)).to_numpy(zero_copy_only=False)
    assert job.samples.folds is not None
    objects = Predictions(
        labels,
        np.empty((len(labels), len(job.classes))),
        ab_magnitude(photometry.flux[:, survey.reference_index]),
        signal_to_noise(photometry),
        stratified_folds(names.tolist(), labels, job.samples.folds, job.samples.fold_seed),
        object_id=names.astype(str),
    )
    parts = _of_each_fold(objects, members, committee.jury, job)
    redshift = accepted["true_redshift"].to_numpy()[usable]
    return parts, photometry, redshift, rejected, committee.novelty(photometry, members)


def _of_each_fold(objects: Predictions, members: np.ndarray, jury: Jury, job: Job) -> dict[str, Predictions]:
    folds, per_fold = job.samples.folds, job.committee.members
    assert folds is not None
    assert objects.fold is not None
    pairs = member_folds(folds, per_fold, job.samples.nested)
    tested = np.full(objects.probabilities.shape, np.nan)
    decided = np.zeros(len(objects), dtype=np.int64)
    validated = []
    for fold in range(folds):
        own = np.flatnonzero(pairs[:, 0] == fold)
        rows, votes = validation_votes(members[:, own], objects.fold, pairs[own])
        known = objects.take(rows)
        refitted = _refit(jury, votes, known, fold, tuple(job.classes))
        judged = refitted.judge_votes(votes, known.magnitude)
        validated.append(known.replaced(judged.probabilities, judged.decided, np.full(len(rows), fold)))
        mine = np.flatnonzero(objects.fold == fold)
        judged = refitted.judge(members[mine][:, own], objects.magnitude[mine])
        tested[mine], decided[mine] = judged.probabilities, judged.decided
    return {
        TESTED: objects.replaced(tested, decided, objects.fold),
        VALIDATED: Predictions.joined(validated),
    }


def _refit(jury: Jury, votes: np.ndarray, known: Predictions, fold: int, classes: tuple[str, ...]) -> Jury:
    """Return the committee's calibration and decision, fitted to the objects that validate one fold."""
    kind, rule = jury.calibration.name, jury.decision.rule
    try:
        return Jury.fit(votes, known.magnitude, known.labels, kind, rule, classes)
    except ValueError as error:
        raise InputError(f"fold {fold}: no threshold can be chosen on what validates it: {error}") from None
