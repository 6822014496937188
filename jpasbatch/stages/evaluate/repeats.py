"""A comparison once more with other seeds: the same jobs, trained and tested again in folders of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison
from jpasbatch.job.job import Job
from jpasbatch.scoring.comparison_record import RepeatedScores, StoredRepeats
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.evaluation_record import Pair, listed
from jpasbatch.scoring.repeats import (
    Score,
    luck_of_choice,
    repeated_difference,
    repeated_folds,
    repeated_score,
    scores_of,
)
from jpasbatch.stages.evaluate.derivation import derive
from jpasbatch.stages.evaluate.detection import sought_class
from jpasbatch.stages.evaluate.request import VALIDATION, evaluated_samples
from jpasbatch.stages.evaluate.several import Train, evaluate_all, read_all
from jpasbatch.stages.run.samples import sample_path
from jpasbatch.stages.run.workspace import Workspace

log = logging.getLogger(__name__)

FOLDER = "repeats"
OTHERS_COMPLETENESS = 0.5
"""Not read where nothing is sought."""


def run_repeats(
    comparison: Comparison,
    workspaces: Mapping[str, Workspace],
    folder: Path,
    executor: Executor,
    train: Train | None,
) -> RepeatedScores | None:
    """Train and test the jobs of a comparison with each of its seeds, and return what came of it.

    What is trained already is not trained again. The folder of a job and a seed is
    ``repeats/<name of the job>/seed-<seed>`` below that of the comparison.

    Returns
    -------
    RepeatedScores or None
        None without ``[repeats]``.

    Raises
    ------
    InputError
        When a job is not trained with a seed and is not to be, or repeats tested different objects.
    """
    options = comparison.repeats
    if options is None:
        return None
    titles = options.of or tuple(workspaces)
    chosen = {title: workspaces[title] for title in titles}
    tested: dict[str, list[Predictions]] = {}
    choices: dict[str, dict[str, int]] = {}
    for seed in options.seeds:
        log.info("compare: repeat with seed %d", seed)
        again = {
            title: repeated_workspace(workspace, seed, options.folds, folder)
            for title, workspace in chosen.items()
        }
        if train is None:
            _check_trained(again, seed)
        records = evaluate_all(again, executor, train)
        found, known = (read_all(name, again, records) for name in (comparison.sample, VALIDATION))
        made, picked = derive(comparison, known, found, next(iter(again.values())).job)
        for title, predictions in (found | made).items():
            tested.setdefault(title, []).append(predictions)
        for name, counts in picked.items():
            total = choices.setdefault(name, dict.fromkeys(counts, 0))
            choices[name] = {title: total[title] + count for title, count in counts.items()}
    _check_same_objects(tested)
    scored = _Scored.of(comparison, tested, next(iter(chosen.values())).job)
    return RepeatedScores(
        seeds=options.seeds,
        folds=options.folds,
        classifiers={title: scored.measured(ones, None) for title, ones in tested.items()},
        differences=scored.differences(comparison.reference, tested),
        choices=choices,
        luck={
            one.name: scored.luck([tested[title] for title in one.of])
            for one in comparison.chosen
            if one.name in tested
        },
    )


def repeated_workspace(workspace: Workspace, seed: int, folds: bool, folder: Path) -> Workspace:
    """Return a job with another seed, in a folder of its own; its samples are those of the first.

    Parameters
    ----------
    workspace : Workspace
    seed : int
    folds : bool
        Whether the seed deals the folds too.
    folder : Path
        Of the comparison.
    """
    job = workspace.job
    if job.samples.folds is None:
        tests = {name: str(path) for name, path in evaluated_samples(workspace).items() if name != VALIDATION}
        paths = {part: str(sample_path(workspace, part)) for part in ("training", "validation")}
        samples = job.samples.model_copy(update={**paths, "tests": tests})
    else:
        samples = job.samples.model_copy(update={"fold_seed": seed} if folds else {})
    place = folder / FOLDER / job.name / f"seed-{seed}"
    return replace(
        workspace, job=job.model_copy(update={"seed": seed, "samples": samples}), folder=place, used={}
    )


def _check_trained(workspaces: Mapping[str, Workspace], seed: int) -> None:
    lacking = [one.job.name for one in workspaces.values() if one.record("train") is None]
    if lacking:
        raise InputError(
            f"job {lacking[0]!r} is not trained with seed {seed}, which [repeats] names; run `jpasbatch compare` with "
            "--train, or leave [repeats] out"
        )


def _check_same_objects(tested: Mapping[str, Sequence[Predictions]]) -> None:
    """Refuse repeats that cannot be compared object by object."""
    (first, repeats), *_ = tested.items()
    for title, others in tested.items():
        for one in others:
            same = len(one) == len(repeats[0]) and np.array_equal(one.labels, repeats[0].labels)
            if not same:
                raise InputError(
                    f"{first!r} and {title!r} were tested on different objects ({len(repeats[0]):,} and "
                    f"{len(one):,}) in [repeats]: their features refuse different rows"
                )


@dataclass(frozen=True)
class _Scored:
    """Which scores of repeats are measured.

    Attributes
    ----------
    scores : dict of str to Score
        By name.
    folds_of : int or None
        Class whose area is measured in folds; None where nothing is sought, or there are no folds.
    nested : bool
        Whether another fold than the tested one is left out of what is learnt from.
    """

    scores: dict[str, Score]
    folds_of: int | None
    nested: bool

    @classmethod
    def of(cls, comparison: Comparison, tested: Mapping[str, Sequence[Predictions]], job: Job) -> _Scored:
        """Return what a comparison measures of its repeats."""
        detection = comparison.detection
        sought = None if detection is None else sought_class(detection, tuple(job.classes))
        share = OTHERS_COMPLETENESS if detection is None else detection.others_completeness
        with_folds = all(one.fold is not None for one in tested[next(iter(tested))])
        return cls(scores_of(sought, share), sought if with_folds else None, job.samples.nested)

    def measured(
        self, ones: Sequence[Predictions], others: Sequence[Predictions] | None
    ) -> dict[str, StoredRepeats]:
        """Return all scores of a classifier, or its differences to another, by name."""
        found = {
            name: repeated_score(ones, score) if others is None else repeated_difference(ones, others, score)
            for name, score in self.scores.items()
        }
        if self.folds_of is not None:
            found["folds"] = repeated_folds(ones, others, self.folds_of, self.nested)
        return {
            name: StoredRepeats(listed(one.values), one.mean, one.deviation, one.error)
            for name, one in found.items()
        }

    def differences(
        self, reference: str, tested: Mapping[str, Sequence[Predictions]]
    ) -> dict[str, dict[str, StoredRepeats]]:
        """Return the scores of the reference less those of each other, by title; none if it was not repeated."""
        if reference not in tested:
            return {}
        first = tested[reference]
        return {title: self.measured(first, ones) for title, ones in tested.items() if title != reference}

    def luck(self, ones: Sequence[Sequence[Predictions]]) -> dict[str, Pair]:
        """Return what the best of several owes to being chosen on the tests, by score."""
        return {name: luck_of_choice(ones, score) for name, score in self.scores.items()}
