"""Stage ``evaluate``: the committee on labelled test samples; scores as tables, and a report.

A worker reads one sample and writes what the committee says of it; the scores follow from that alone. Nothing is
chosen here: thresholds, calibration and the number of members come from the validation sample, in ``train``.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.errors import InputError
from jpasbatch.facts import Facts
from jpasbatch.job.job import Job
from jpasbatch.learning.machine import machine_line
from jpasbatch.learning.manifest import Manifest
from jpasbatch.learning.novelty.file import ordinary_from_bytes
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.learning.samples import UNLABELLED
from jpasbatch.pages.style import bin_label
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey, load_survey
from jpasbatch.scoring.calibration_scores import sample_scores
from jpasbatch.scoring.card import CardFacts, committee_card
from jpasbatch.scoring.evaluation import Predictions, evaluate
from jpasbatch.scoring.evaluation_record import EvaluatedSample, ExampleObject, score_parts
from jpasbatch.scoring.evaluation_report import PageFacts, render_evaluation
from jpasbatch.scoring.evaluation_tables import score_rows, to_markdown, to_table
from jpasbatch.scoring.stress_findings import worst_stress
from jpasbatch.stages.evaluate.cross_validation import FOLDS, TESTED, VALIDATED, predict_folds
from jpasbatch.stages.evaluate.examples import confusion_examples, to_spectrum
from jpasbatch.stages.evaluate.predictions import predictions_table, read_predictions, signal_to_noise
from jpasbatch.stages.evaluate.request import VALIDATION, ask_evaluate
from jpasbatch.stages.evaluate.stress import run_stress, write_stress
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import Commit, committed, run_on_disk
from jpasbatch.stages.run.committees import (
    few_bands_warning,
    open_committee,
    origin_warning,
)
from jpasbatch.stages.run.curves import read_curves
from jpasbatch.stages.run.pages import publish_page
from jpasbatch.stages.run.records import StageRecord, finish, unchanged
from jpasbatch.stages.run.samples import labels_of, read_sample, sample_photometry
from jpasbatch.stages.run.stage_facts import EvaluateFacts, Stressed
from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.stores.artefacts import load_ordinary
from jpasbatch.storage.stores.files import sha256_file, write_atomically, written_aside
from jpasbatch.storage.stores.ledger import fingerprint, without_undefined
from jpasbatch.version import __version__

log = logging.getLogger(__name__)

FOLDER = "evaluation"
REPORT = f"{FOLDER}/evaluation.html"
EVALUATION = "evaluation.json"
CARD = "card.md"

TOLD = ("job", "survey", "committee", "version", "date")
"""Facts that the metadata of tables repeat."""


@dataclass(frozen=True)
class JudgedSample(Facts):
    """What the commit of a sample tells; its rows are those that have a class and features.

    Attributes
    ----------
    rejected : dict of str to int
        Rows by the reason why they were refused.
    few_bands : int or None
        Rows with fewer bands than the committee was validated with; None where that is not known.
    examples : tuple of ExampleObject
        Of the commonest confusions.
    """

    rejected: dict[str, int]
    few_bands: int | None
    examples: tuple[ExampleObject, ...]


def run_evaluate(workspace: Workspace, executor: Executor) -> StageRecord[EvaluateFacts]:
    """Score the job's committee on its test samples; return the stage's record.

    Raises
    ------
    InputError
        When there is no committee or no test sample, or they do not fit each other.
    """
    job = workspace.job
    (manifest, _, version), samples, parts, plan, identity = ask_evaluate(workspace)
    base = fingerprint(**parts)
    done = unchanged(workspace, EvaluateFacts, identity, parts)
    if done and all((workspace.folder / path).is_file() for path in done.facts.files):
        return done
    run = run_on_disk(workspace, "evaluate", base)
    with stopwatch() as elapsed:
        tasks = {name: (name, [str(path) for path in files]) for name, files in samples.items()}
        shared = (str(version), job, run)
        commits = committed(run, "evaluate: samples", predict_sample, tasks, executor, shared=shared)
        records = commits.whole_of(JudgedSample, "test samples")
        content = {
            name: _score(name, records[name], workspace, run.path) for name in samples if name != VALIDATION
        }
        stressed = {} if plan is None else run_stress(plan, version, workspace, executor)
        for name, one in stressed.items():
            content[name] = replace(content[name], stress=one)
        files = _write(content, samples, workspace, run.path, manifest, version)
    for text in _few_bands(content):
        log.warning("evaluate: %s", text)
    facts = EvaluateFacts(
        committee=version.name,
        rows={name: part.rows for name, part in content.items()},
        weighted_f1={name: part.weighted_f1 for name, part in content.items()},
        roc_auc={name: part.rankings[-1].pooled[0] for name, part in content.items()},
        few_bands={name: part.few_bands for name, part in content.items()},
        warnings=tuple(_warnings(content, manifest)),
        stress=None if plan is None else Stressed(plan.identity, tuple(plan.files)),
        worst_stress={name: worst_stress(one) for name, one in stressed.items()} or None,
        files=files,
        samples=parts["samples"],
    )
    return finish(workspace, facts, identity, elapsed[0], parts, algorithm_numbers("evaluate"))


def _warnings(content: Mapping[str, EvaluatedSample], manifest: Manifest) -> list[str]:
    """Return what page and record warn of."""
    return [*origin_warning(manifest.origin), *_few_bands(content)]


def _few_bands(content: Mapping[str, EvaluatedSample]) -> Iterator[str]:
    """Yield what to say of samples of which many objects have few bands."""
    for name, part in content.items():
        yield from (f"{name}: {text}" for text in few_bands_warning(part.few_bands, part.rows))


def predict_sample(committee_folder: str, job: Job, run: Run, name: str, files: list[str]) -> Made:
    """Classify one labelled sample and write what came of it.

    With folds, what is tested or validates in them is classified by the members that did not learn from it. The commit
    holds `JudgedSample`.
    """
    survey = load_survey(job.survey, job.catalogue.aperture)
    if job.samples.folds is not None and name in (FOLDS, VALIDATION):
        parts, photometry, redshift, rejected, novelty = predict_folds(committee_folder, files, job)
        predictions = parts[TESTED if name == FOLDS else VALIDATED]
        examples = name == FOLDS
    else:
        found = _predict_all(name, files, committee_folder, job, survey)
        predictions, photometry, redshift, rejected, novelty = found
        examples = True
    target = run.path / f"{name}.parquet"
    with written_aside(target) as aside:
        pq.write_table(predictions_table(predictions, tuple(job.classes)), aside)
    classes = tuple(job.classes)
    shown = confusion_examples(predictions, photometry, redshift, classes, survey) if examples else []
    facts = JudgedSample(
        rejected={reason: count for reason, count in sorted(rejected.items()) if count},
        few_bands=None if novelty is None else novelty.count_few_bands(),
        examples=tuple(shown),
    )
    return Made(len(predictions), facts, [target])


def _predict_all(
    name: str, files: list[str], committee_folder: str, job: Job, survey: Survey
) -> tuple[Predictions, Photometry, np.ndarray, Counter[str], Novelty | None]:
    """Return what the whole committee says of a sample, its photometry and redshifts, rejected rows, and novelty."""
    accepted, rejected = read_sample([Path(path) for path in files], survey, job)
    labels = labels_of(accepted, job)
    usable = labels != UNLABELLED
    judgement = open_committee(committee_folder, survey, job.inference).judge(
        sample_photometry(accepted, survey, job).select(usable)
    )
    usable[usable] = judgement.usable
    rejected["no class of the job, or no features"] = int((~usable).sum())
    if not usable.any():
        raise InputError(
            f"the sample {name!r} ({', '.join(files[:3])}) holds no object of a class of the job"
        )
    photometry, judgement = (
        sample_photometry(accepted, survey, job).select(usable),
        judgement.take(judgement.usable),
    )
    labels, redshift = labels[usable], accepted["true_redshift"].to_numpy()[usable]
    predictions = Predictions(
        labels,
        judgement.probabilities,
        ab_magnitude(photometry.flux[:, survey.reference_index]),
        signal_to_noise(photometry),
        decided=judgement.decided,
        object_id=accepted["object_id"].filter(pa.array(usable)).to_numpy(zero_copy_only=False).astype(str),
    )
    return predictions, photometry, redshift, rejected, judgement.novelty


def _score(name: str, judged: Commit[JudgedSample], workspace: Workspace, folder: Path) -> EvaluatedSample:
    """Return all that is said of one sample."""
    survey, classes = workspace.survey, tuple(workspace.job.classes)
    predictions = read_predictions(folder / f"{name}.parquet", classes)
    found = evaluate(predictions, survey.magnitude_bins, seed=workspace.job.seed)
    bins = {bin_label(survey.reference_band, limits): limits for limits in survey.magnitude_bins}
    return EvaluatedSample(
        name=name,
        rows=judged.rows,
        rejected=judged.facts.rejected,
        few_bands=judged.facts.few_bands,
        examples=judged.facts.examples,
        calibration=tuple(sample_scores(predictions, bins, classes, workspace.job.seed)),
        **score_parts(found, survey, classes),
    )


def _write(
    content: Mapping[str, EvaluatedSample],
    samples: dict[str, list[Path]],
    workspace: Workspace,
    folder: Path,
    manifest: Manifest,
    committee: Path,
) -> dict[str, str]:
    """Write tables, numbers, predictions and the report; return their paths with their hashes."""
    job, target = workspace.job, workspace.folder / FOLDER
    curves = read_curves(committee)
    target.mkdir(parents=True, exist_ok=True)
    rows = [row for part in content.values() for row in score_rows(part)]
    facts = PageFacts(
        job=job.name,
        title=job.title or job.name,
        survey=workspace.survey.name,
        committee=committee.name,
        model=manifest.options["model"],
        features=manifest.features.kind,
        members=len(manifest.members),
        calibration=manifest.calibration.kind,
        warnings=tuple(_warnings(content, manifest)),
        machines=tuple(machine_line(one) for one in curves.machines) if curves else (),
        version=__version__,
        date=datetime.now(UTC).date().isoformat(),
    )
    examples = {name: tuple(to_spectrum(one) for one in part.examples) for name, part in content.items()}
    members = curves.members if curves else ()
    page = render_evaluation(content, examples, facts, workspace.survey, members)
    with written_aside(target / "scores.parquet") as aside:
        pq.write_table(to_table(rows), aside)
    write_atomically(target / "scores.md", to_markdown(rows).encode())
    stored = without_undefined({name: part.to_record() for name, part in content.items()})
    write_atomically(target / EVALUATION, json.dumps(stored, sort_keys=True).encode())
    for name in samples:
        with written_aside(target / f"predictions-{name}.parquet") as aside:
            pq.write_table(pq.read_table(folder / f"{name}.parquet"), aside)
    numbers = publish_page(workspace.folder / REPORT, page)
    write_atomically(target / CARD, _card(content, facts, workspace, manifest, committee).encode())
    stressed = {name: part.stress for name, part in content.items() if part.stress is not None}
    names = ["scores.parquet", "scores.md", EVALUATION, "evaluation.html", CARD]
    names += write_stress(
        target, stressed, tuple(job.classes), {key: str(getattr(facts, key)) for key in TOLD}
    )
    names += [f"predictions-{name}.parquet" for name in samples]
    names += [path.relative_to(target).as_posix() for path in numbers]
    return {f"{FOLDER}/{name}": sha256_file(target / name) for name in names}


def _card(
    content: Mapping[str, EvaluatedSample],
    facts: PageFacts,
    workspace: Workspace,
    manifest: Manifest,
    committee: Path,
) -> str:
    """Return the card of the committee."""
    survey, data = workspace.survey, load_ordinary(committee)
    ordinary = None if data is None else ordinary_from_bytes(data, len(manifest.classes), len(survey.bands))
    made = f"jpasbatch {facts.version}, {facts.date}"
    told = CardFacts(committee.name, manifest, ordinary, survey.reference_band, facts.warnings, made)
    return committee_card(told, content)
