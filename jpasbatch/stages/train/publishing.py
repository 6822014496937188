"""What becomes of trained members: their vote is calibrated and scored, and saved as one committee."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.learning.curves import Curve, StoredCurve
from jpasbatch.learning.machine import Machine
from jpasbatch.learning.novelty.file import ordinary_to_bytes
from jpasbatch.learning.novelty.ordinary import OrdinaryFacts
from jpasbatch.pages.style import to_png
from jpasbatch.scoring.training_figures import training_curves
from jpasbatch.stages.run.commits import Run
from jpasbatch.stages.run.committed import Commit
from jpasbatch.stages.run.curves import FILE, PICTURE, Curves
from jpasbatch.stages.run.samples import describe_folds, sample_origin
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.train.beginning import begun_with
from jpasbatch.stages.train.prepared import (
    LABELLED,
    VALIDATION,
    SampleFacts,
    fitted_features,
    read_prepared,
    sample_parts,
)
from jpasbatch.storage.stores.artefacts import save_committee
from jpasbatch.storage.stores.files import sha256_file

if TYPE_CHECKING:
    from jpasbatch.learning.committee import Committee
    from jpasbatch.learning.manifest import ValidationScores
    from jpasbatch.learning.members import TrainedMember

RECORDED = ("model", "training", "loss", "stop", "augmentation")
"""Tables of the job that the manifest of a committee holds."""


def read_member(path: Path, sha256: str) -> TrainedMember:
    """Read a member and check that its bytes are those that were committed.

    Raises
    ------
    InputError
        When the file was changed since.
    """
    from jpasbatch.learning.members import member_from_arrays

    if sha256_file(path) != sha256:
        raise InputError(f"{path}: not the weights that were trained (sha256 differs); remove its folder")
    with np.load(path, allow_pickle=False) as arrays:
        return member_from_arrays(arrays)


@dataclass(frozen=True)
class MemberFacts(Facts):
    """What the commit of a member tells.

    Attributes
    ----------
    index, seed : int
    epochs, best_epoch : int
    seconds : float
        Of the process that ended its training alone.
    curve : StoredCurve or None
        How it learnt; None where it was trained before that was kept.
    machine : Machine or None
        On which; None as for the curve.
    """

    index: int
    seed: int
    epochs: int
    best_epoch: int
    seconds: float
    curve: StoredCurve | None = None
    machine: Machine | None = None


class Trained(NamedTuple):
    """Members that are trained: the run that trained them, what is told of their sample, and their commits."""

    workspace: Workspace
    run: Run
    learnt: SampleFacts
    members: list[Commit[MemberFacts]]


class Published(NamedTuple):
    """A committee that is saved: the folder of its version, its scores, its machines, and what is ordinary to it."""

    folder: Path
    validation: ValidationScores
    machines: list[Machine]
    ordinary: OrdinaryFacts | None


def _untried_committee(trained: Trained) -> tuple[list[TrainedMember], bytes, Committee]:
    """Return the members, their graph, and the committee that they are before anything is fitted to its votes."""
    from jpasbatch.learning.committee import Committee
    from jpasbatch.learning.graph import committee_graph
    from jpasbatch.learning.inference import InferenceEngine
    from jpasbatch.learning.judgement import Jury

    job, survey = trained.workspace.job, trained.workspace.survey
    features = fitted_features(job, survey, trained.learnt.features)
    members = [
        read_member(Path(trained.run.place) / file, sha256)
        for commit in trained.members
        for file, sha256 in commit.files.items()
    ]
    graph = committee_graph(members, features.n_inputs, job.committee.weights == "float16")
    committee = Committee(survey, features, InferenceEngine(graph), Jury.plain(), tuple(job.classes))
    return members, graph, committee


def scores_by_size(trained: Trained) -> list[float]:
    """Return the weighted f1 on the validation set of the first 1, 2, ... members."""
    from jpasbatch.scoring.metrics import validation_scores

    _, _, committee = _untried_committee(trained)
    sample = read_prepared(trained.run.path, VALIDATION, trained.workspace.job.features.auxiliary)
    members = committee.member_probabilities(sample.photometry)[1]
    magnitude = sample.magnitude(trained.workspace.survey)
    judged = [
        committee.jury.judge(members[:, :size], magnitude) for size in range(1, len(trained.members) + 1)
    ]
    return [validation_scores(sample.labels, one, committee.classes).weighted_f1 for one in judged]


def publish(trained: Trained, samples: dict[str, list[Path]]) -> Published:
    """Calibrate and score the committee on the validation sample, and save it as an immutable version.

    With it goes how many objects of each class it learnt from (who borrows it is warned of a mix that no sky has), what
    it says of the validation sample (``correct`` finds the mix of a sky by it), what is ordinary, and how it learnt.
    """
    from jpasbatch.learning.description import TrainingFacts, describe_committee
    from jpasbatch.learning.judgement import Jury
    from jpasbatch.priors.validation import Validation
    from jpasbatch.scoring.metrics import validation_scores
    from jpasbatch.stages.train.ordinary import ordinary_objects
    from jpasbatch.stages.train.validation import judged_variants, validated_sample

    job, survey = trained.workspace.job, trained.workspace.survey
    members, graph, committee = _untried_committee(trained)
    known, classes = validated_sample(trained.run.path, job, survey, committee), committee.classes
    jury = Jury.fit(
        known.probabilities, known.magnitude, known.labels, job.calibration.kind, job.decision, classes
    )
    judgement = jury.judge_votes(known.probabilities, known.magnitude)
    ordinary = ordinary_objects(trained.run.path, job, known)
    scores = validation_scores(known.labels, judgement, classes)
    manifest = describe_committee(
        survey,
        committee.features,
        job.classes,
        members,
        jury,
        TrainingFacts(
            options={key: asdict(getattr(job, key)) for key in RECORDED} | begun_with(job),
            validation=scores,
            learnt=trained.learnt.classes,
            folds=describe_folds(job, samples.get(LABELLED, ())),
            origin=sample_origin(trained.workspace, sample_parts(job)[0]),
        ),
    )
    variants = judged_variants(
        job, survey, committee, jury, known.weight is not None, known.class_star is not None
    )
    beside = (
        Validation(known.judged(judgement), variants).to_bytes(),
        None if ordinary is None else ordinary_to_bytes(ordinary),
    )
    curves = _curves(trained.members, members)
    notes = {FILE: curves.to_ecsv(), PICTURE: to_png(training_curves(curves.members))}
    saved = save_committee(trained.workspace.committees, manifest.to_json(), graph, *beside, notes)
    return Published(saved, scores, curves.machines, None if ordinary is None else ordinary.describe())


def _curves(commits: list[Commit[MemberFacts]], members: list[TrainedMember]) -> Curves:
    """Return how the members learnt; of those that were trained before that was kept, what they tell themselves."""
    curves = [
        Curve.of(commit.facts.curve)
        if commit.facts.curve is not None
        else Curve.from_history(member.history, member.best_epoch)
        for commit, member in zip(commits, members, strict=True)
    ]
    return Curves.of(curves, [commit.facts.machine for commit in commits])
