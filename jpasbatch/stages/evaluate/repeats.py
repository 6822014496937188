"""A comparison once more with other seeds: the same jobs, trained and tested again in folders of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison
from jpasbatch.scoring.evaluation import Predictions
from jpasbatch.scoring.repeats import (
    Repeated,
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
) -> dict[str, Any]:
    """Train and test the jobs of a comparison with each of its seeds, and return what came of it.

    What is trained already is not trained again. The folder of a job and a seed is
    ``repeats/<name of the job>/seed-<seed>`` below that of the comparison.

    Returns
    -------
    dict
        ``seeds``, ``folds`` (whether they were dealt anew), ``classifiers`` and ``differences`` (the reference less
        each; by title, then by score: see `jpasbatch.scoring.repeats.Repeated`), ``choices`` (by name of the choice,
        how often each classifier was chosen in all repeats), ``luck`` (by name of the choice and score, what the best
        owes to being chosen on the tests, and its scatter). JSON-able but for NaN; empty without ``[repeats]``.

    Raises
    ------
    InputError
        When a job is not trained with a seed and is not to be, or repeats tested different objects.
    """
    options = comparison.repeats
    if options is None:
        return {}
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
    scores = _scores(comparison, tested, next(iter(chosen.values())))
    return {"seeds": list(options.seeds), "folds": options.folds, "choices": choices, **scores}


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


def _scores(
    comparison: Comparison, tested: Mapping[str, Sequence[Predictions]], workspace: Workspace
) -> dict[str, Any]:
    """Return scores by title, and differences to the reference where that was repeated."""
    job, detection = workspace.job, comparison.detection
    sought = None if detection is None else sought_class(detection, tuple(job.classes))
    share = OTHERS_COMPLETENESS if detection is None else detection.others_completeness
    scores = scores_of(sought, share)
    with_folds = sought is not None and all(one.fold is not None for one in tested[next(iter(tested))])

    def measured(ones: Sequence[Predictions], others: Sequence[Predictions] | None) -> dict[str, Any]:
        found = {
            name: repeated_score(ones, score) if others is None else repeated_difference(ones, others, score)
            for name, score in scores.items()
        }
        if with_folds and sought is not None:
            found["folds"] = repeated_folds(ones, others, sought, job.samples.nested)
        return {name: _plain(one) for name, one in found.items()}

    reference = tested.get(comparison.reference)
    luck = {
        one.name: {
            name: list(luck_of_choice([tested[title] for title in one.of], score))
            for name, score in scores.items()
        }
        for one in comparison.chosen
        if one.name in tested
    }
    return {
        "luck": luck,
        "classifiers": {title: measured(ones, None) for title, ones in tested.items()},
        "differences": {
            title: measured(reference, ones)
            for title, ones in tested.items()
            if reference is not None and title != comparison.reference
        },
    }


def _plain(found: Repeated) -> dict[str, Any]:
    return asdict(found) | {"values": found.values.tolist()}
