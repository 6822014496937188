"""Stage ``compare``: the evaluations of several jobs side by side, as one table and one page."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.job.comparison import Comparison, PublishedSection
from jpasbatch.learning.classifiers.registry import classifier_from_table
from jpasbatch.pages.style import bin_label
from jpasbatch.photometry.survey import Survey
from jpasbatch.scoring.comparison_record import (
    ComparisonRecord,
    MadeBy,
    PublishedScores,
    StoredDifference,
    TrainingCost,
)
from jpasbatch.scoring.comparison_report import render_comparison
from jpasbatch.scoring.comparison_tables import comparison_markdown
from jpasbatch.scoring.evaluation import PairedDifference, Predictions, compare, evaluate, score_confusion
from jpasbatch.scoring.evaluation_record import (
    EvaluatedSample,
    ScoredSample,
    defined,
    listed,
    score_parts,
)
from jpasbatch.scoring.evaluation_tables import score_rows, to_table
from jpasbatch.scoring.stress_findings import stress_summary
from jpasbatch.stages.evaluate.agreement import agreement
from jpasbatch.stages.evaluate.derivation import derive
from jpasbatch.stages.evaluate.detection import compare_detection
from jpasbatch.stages.evaluate.findings import check_findings
from jpasbatch.stages.evaluate.foreign import beside_ours, check_comparable
from jpasbatch.stages.evaluate.repeats import run_repeats
from jpasbatch.stages.evaluate.request import VALIDATION, evaluated_samples
from jpasbatch.stages.evaluate.several import Train, evaluate_all, read_all
from jpasbatch.stages.evaluate.stage import EVALUATION, FOLDER
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.stages.run.pages import publish_page
from jpasbatch.stages.run.records import StageRecord, required
from jpasbatch.stages.run.stage_facts import EvaluateFacts, TrainFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import write_atomically, written_aside
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

PAGE = "comparison.html"


class Compared(NamedTuple):
    """What is told of a comparison: weighted f1 of each classifier on its sample, and the path of the page."""

    scores: dict[str, float | None]
    page: str


def run_compare(
    comparison: Comparison,
    workspaces: Mapping[str, Workspace],
    folder: Path,
    executor: Executor,
    train: Train | None,
) -> Compared:
    """Evaluate what is not evaluated yet, and write the comparison.

    Parameters
    ----------
    comparison : Comparison
    workspaces : mapping of str to Workspace
        By title of the classifier.
    folder : Path
        Where tables and page go.
    executor : Executor
    train : callable, optional
        Trains the committee of a workspace where it is missing or no longer what the job says.

    Raises
    ------
    InputError
        When the jobs do not fit together, or a committee or sample is missing.
    """
    _check(comparison, workspaces)
    records = evaluate_all(workspaces, executor, train)
    first = next(iter(workspaces.values()))
    survey, classes = first.survey, tuple(first.job.classes)
    predictions, choices = _predictions(comparison, workspaces, records)
    content, further = _contents(comparison, workspaces, predictions)
    shown = comparison.model_dump(mode="json")
    result = ComparisonRecord(
        comparison=shown | {"further": [*shown["further"], *further]},
        classes=classes,
        samples=content,
        published=tuple(_published(one, survey) for one in comparison.published),
        costs={title: _cost(workspace) for title, workspace in workspaces.items()},
        training={title: _training(workspace) for title, workspace in workspaces.items()},
        differences=_differences(comparison, predictions[comparison.sample], survey),
        detection=compare_detection(comparison, predictions[comparison.sample], classes),
        field=agreement(comparison, workspaces, folder, executor),
        choices=choices,
        repeats=run_repeats(comparison, workspaces, folder, executor, train),
        findings=tuple(
            check_findings(comparison, content[comparison.sample], predictions[comparison.sample])
        ),
        made=MadeBy(__version__, datetime.now(UTC).date().isoformat()),
    )
    _write(result, survey, folder)
    scores = {title: part.weighted_f1 for title, part in content[comparison.sample].items()}
    return Compared(scores, str(folder / PAGE))


def _predictions(
    comparison: Comparison,
    workspaces: Mapping[str, Workspace],
    records: Mapping[str, StageRecord[EvaluateFacts]],
) -> tuple[dict[str, dict[str, Predictions]], dict[str, dict[str, int]]]:
    """Return predictions by sample and title, with those that are derived here, and what was chosen on the way.

    The choices are those of the comparison's own sample.
    """
    samples = (comparison.sample, *comparison.further)
    predictions = {name: read_all(name, workspaces, records) for name in (*samples, VALIDATION)}
    job = next(iter(workspaces.values())).job
    choices: dict[str, dict[str, int]] = {}
    for name in samples:
        made, picked = derive(comparison, predictions[VALIDATION], predictions[name], job)
        predictions[name] |= made
        choices = picked if name == comparison.sample else choices
    return predictions, choices


def _contents(
    comparison: Comparison,
    workspaces: Mapping[str, Workspace],
    predictions: Mapping[str, dict[str, Predictions]],
) -> tuple[dict[str, dict[str, ScoredSample]], list[str]]:
    """Return scores by sample and title, and the names of the samples in which others have spoken too."""
    first = next(iter(workspaces.values()))
    samples = (comparison.sample, *comparison.further)
    content: dict[str, dict[str, ScoredSample]] = {
        name: {title: _content(title, name, found, workspaces) for title, found in predictions[name].items()}
        for name in samples
    }
    parts: dict[str, dict[str, Predictions]] = {}
    for name in samples:
        parts |= beside_ours(
            comparison.foreign, name, predictions[name], first.survey, tuple(first.job.classes)
        )
    content |= {
        name: {title: _scores(title, found, workspaces) for title, found in part.items()}
        for name, part in parts.items()
    }
    return content, list(parts)


def _check(comparison: Comparison, workspaces: Mapping[str, Workspace]) -> None:
    """Refuse jobs that cannot stand in one table."""
    made = {one.name for one in (*comparison.combined, *comparison.chosen, *comparison.calibrated)}
    named = [] if comparison.reference in made else [comparison.reference]
    named += [title for one in (*comparison.combined, *comparison.chosen) for title in one.of]
    named += [] if comparison.repeats is None else comparison.repeats.of
    named += [one.of for one in comparison.calibrated]
    named += [] if comparison.field is None else comparison.field.of
    if comparison.findings is not None:
        found = comparison.findings
        named += [found.network, found.network_hybrid, found.forest, *found.reduced_hybrid]
        named += [found.reduced] if found.reduced else []
    if comparison.detection is None and any(one.by == "roc_auc" for one in comparison.chosen):
        raise InputError(
            f'comparison {comparison.name!r}: [[chosen]] by = "roc_auc" needs [detection], which says what is sought; '
            'add it, or choose by = "log_loss"'
        )
    classes = tuple(next(iter(workspaces.values())).job.classes)
    check_comparable(comparison.foreign, (*workspaces, *made), classes)
    unknown = [title for title in named if title not in workspaces]
    if unknown:
        raise InputError(
            f"comparison {comparison.name!r}: no job has the title {unknown[0]!r}; found {', '.join(workspaces)}"
        )
    first, *others = workspaces.values()
    for other in others:
        if other.job.classes != first.job.classes or other.survey != first.survey:
            raise InputError(
                f"jobs {first.job.name!r} and {other.job.name!r} have different classes or surveys; compare jobs of "
                "one survey and the same classes"
            )
    for sample in (comparison.sample, *comparison.further):
        lacking = [one.job.name for one in workspaces.values() if sample not in evaluated_samples(one)]
        if lacking:
            raise InputError(
                f"job {lacking[0]!r} has no test sample {sample!r}; add it to its [samples.tests]"
            )


def _content(
    title: str, name: str, predictions: Predictions, workspaces: Mapping[str, Workspace]
) -> ScoredSample:
    """Return a classifier's scores on a sample: those that its job stored, or those of what was derived here."""
    if title in workspaces:
        found = _evaluated(workspaces[title].folder / FOLDER / EVALUATION, name)
        # the whole table stays with the committee
        stress = None if found.stress is None else stress_summary(found.stress)
        return replace(found, name=title, stress=stress)
    return _scores(title, predictions, workspaces)


def _evaluated(path: Path, name: str) -> EvaluatedSample:
    """Return what an evaluation that is kept says of a sample."""
    try:
        return EvaluatedSample.from_record(json.loads(path.read_bytes())[name], name)
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path} is damaged, or of another version ({error}); delete it and run `jpasbatch evaluate` again"
        ) from None


def _scores(title: str, predictions: Predictions, workspaces: Mapping[str, Workspace]) -> ScoredSample:
    """Return the scores of predictions that were derived here, or are of others."""
    workspace = next(iter(workspaces.values()))
    job, survey = workspace.job, workspace.survey
    found = evaluate(predictions, survey.magnitude_bins, seed=job.seed)
    parts = score_parts(found, survey, tuple(job.classes))
    return ScoredSample(name=title, rows=len(predictions), **parts)


def _published(section: PublishedSection, survey: Survey) -> PublishedScores:
    """Return published scores, a group for each bin and one for all objects, without errors."""
    matrices = [np.array(one, dtype=np.int64).T for one in section.confusion]
    groups = [bin_label(survey.reference_band, limits) for limits in survey.magnitude_bins]
    if matrices and len(matrices) != len(groups):
        raise InputError(
            f"published {section.name!r}: {len(matrices)} confusion matrices for {len(groups)} bins of magnitude"
        )
    named = zip([*groups, "all"], [*matrices, np.sum(matrices, axis=0)], strict=True) if matrices else ()
    return PublishedScores(
        name=section.name,
        source=section.source,
        completeness=section.completeness,
        accuracy=section.accuracy,
        roc_auc=section.roc_auc,
        groups={name: score_confusion(matrix) for name, matrix in named},
    )


def _cost(workspace: Workspace) -> int | None:
    """Return the multiplications that an object costs, or None for trees, which make none."""
    manifest, _, _ = find_committee(workspace)
    classifier = classifier_from_table(manifest.options["model"])
    one = classifier.multiplications(manifest.features.n_inputs, len(manifest.classes))
    return None if one is None else one * len(manifest.members)


def _training(workspace: Workspace) -> TrainingCost:
    record = required(workspace, TrainFacts)
    return TrainingCost(
        members=record.facts.members,
        rows=record.facts.rows,
        epochs=record.facts.epochs,
        seconds=record.seconds,
        seconds_per_member=record.facts.seconds_per_member,
        fingerprint=record.fingerprint,
        finished=record.content["finished"],
        seed=workspace.job.seed,
        job=workspace.job.name,
    )


def _differences(
    comparison: Comparison, predictions: Mapping[str, Predictions], survey: Survey
) -> dict[str, dict[str, StoredDifference]]:
    """Return how much better each classifier is than the reference, in each bin and in all."""
    base = predictions[comparison.reference]
    groups = [
        np.flatnonzero((base.magnitude > low) & (base.magnitude <= high))
        for low, high in survey.magnitude_bins
    ]
    groups.append(np.arange(len(base)))
    names = [*(bin_label(survey.reference_band, limits) for limits in survey.magnitude_bins), "all"]
    return {
        title: {
            name: _difference(compare(found.take(rows), base.take(rows)))
            for name, rows in zip(names, groups, strict=True)
        }
        for title, found in predictions.items()
        if title != comparison.reference
    }


def _difference(found: PairedDifference) -> StoredDifference:
    return StoredDifference(listed(found.weighted_f1), listed(found.f1), listed(found.fewer_errors))


def _write(result: ComparisonRecord, survey: Survey, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (title, row)
        for name, parts in result.samples.items()
        for title, part in parts.items()
        for row in score_rows(replace(part, name=name))
    ]
    with written_aside(folder / "comparison.parquet") as aside:
        pq.write_table(to_table([row for _, row in rows], [title for title, _ in rows]), aside)
    stored = defined(result)
    text = json.dumps(stored.to_record(), sort_keys=True)
    write_atomically(folder / "comparison.json", text.encode())
    write_atomically(folder / "comparison.md", comparison_markdown(stored).encode())
    publish_page(folder / PAGE, render_comparison(stored, survey))
