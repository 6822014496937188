"""What ``correct`` would do: which partitions are counted, whether the class shares move, and which are written."""

from __future__ import annotations

from typing import Any

from jpasbatch.job.paths import OF_MOCK
from jpasbatch.stages.correct.shares import Search
from jpasbatch.stages.correct.stage import Asked, ask_correct, ask_shares, posterior_identity
from jpasbatch.stages.correct.validation import TASK, TITLE, ValidationSource
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.commits import look_at_commits
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.partition_names import POSTERIORS, PREDICTIONS
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    lacking,
    pixel_work,
    published_outlook,
    task_work,
    will_run,
)
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.stage_facts import CorrectFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partition_facts import partition_facts
from jpasbatch.storage.stores.ledger import fingerprint

COUNTING, PARTITIONS = "correct: counting", "correct: partitions"
SHARES, ERRORS, PRIOR = "correct: class shares", "correct: errors of the shares", "correct: shares and errors"
UNFINISHED = "its posteriors are not the published ones"


def plan_correct(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``correct`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: nothing is published, or the committee has no validation sample.
    """
    of_mock = workspace.job.prior.validation == OF_MOCK
    makers = will_run(before, *(("mock",) if of_mock else ()), "train", "infer")
    sky = before["infer"].outlook if "infer" in makers else None
    if {"mock", "train"} & {*makers} or ("infer" in makers and sky is None):
        named = bool(workspace.job.prior.validation)
        return _plan_anew([f"{maker} makes what it reads" for maker in makers], sky, named)
    asked = ask_correct(workspace)
    if sky is None:
        done, why, sky = _settled(workspace, asked)
        if done is not None:
            return StagePlan("correct", outlook=done)
    else:
        why = reasons(workspace.record("correct"), asked.parts, apart=["predictions"])
        why.append(f"infer makes {len(sky.made):,} of {len(sky.pixels):,} partitions anew")
    sample = _sample_work(workspace, asked)
    if any(
        one.tasks for one in sample
    ):  # strata, and with them all else, depend on the magnitudes of its objects
        return _plan_anew(why, sky, named=True)
    work, left = _work(workspace, asked, sky)
    return StagePlan("correct", tuple(why), (*sample, *work), sky.differs, left)


def _plan_anew(why: list[str], sky: Outlook | None, named: bool) -> StagePlan:
    """Return the plan of a correction of which everything is done again; ``named``: of labelled objects too."""
    titles = (COUNTING, SHARES, ERRORS, PRIOR, PARTITIONS)
    work = [Work(title, None, None) for title in titles]
    sample = [Work(TITLE, (TASK,), 1)] if named else []
    if sky is None:
        return StagePlan("correct", tuple(why), (*sample, *work), exact=False)
    work[0], work[-1] = (pixel_work(title, sky.pixels, sky) for title in (COUNTING, PARTITIONS))
    outlook = _anew(sky, differs=False)
    return StagePlan("correct", tuple(why), (*sample, *work), exact=False, outlook=outlook)


def _sample_work(workspace: Workspace, asked: Asked) -> tuple[Work, ...]:
    """Return what is to do for the labelled objects that a job names; nothing where it names none."""
    if not asked.validation.files:
        return ()
    return (task_work(TITLE, planned_run(workspace, "correct", asked.validation.digest), [TASK]),)


def _source(workspace: Workspace, asked: Asked) -> ValidationSource:
    if not asked.validation.files:
        return ValidationSource(str(asked.committee.version))
    return asked.validation.judged(planned_run(workspace, "correct", asked.validation.digest))


def _anew(sky: Outlook, differs: bool) -> Outlook:
    return Outlook({}, {pixel: sky.rows([pixel]) for pixel in sky.pixels}, differs)


def _settled(workspace: Workspace, asked: Asked) -> tuple[Outlook | None, list[str], Outlook]:
    """Return what is published when it is up to date, or why it is not; and the partitions of the predictions."""
    site = open_site(workspace)
    predictions = open_catalogue(current_extension(site.folder, PREDICTIONS))
    parts: dict[str, Any] = {**asked.parts, "predictions": predictions.name}
    done = standing(workspace, CorrectFacts, fingerprint(**parts))
    sky = published_outlook(predictions)
    if done and site.is_published(POSTERIORS, done.facts.posteriors):
        return published_outlook(open_catalogue(current_extension(site.folder, POSTERIORS))), [], sky
    return None, reasons(workspace.record("correct"), parts) or [UNFINISHED], sky


def _work(workspace: Workspace, asked: Asked, sky: Outlook) -> tuple[tuple[Work, ...], Outlook]:
    job, names = workspace.job, sky.names()
    classes, first = tuple(asked.committee.manifest.classes), workspace.record("correct") is None
    source = _source(workspace, asked)
    shares = ask_shares(workspace, classes, (source, asked.validation.digest))
    counting = planned_run(workspace, "correct", shares.counted)
    uncounted = set(lacking(counting, list(names.values())))
    pixels = {pixel for pixel, name in names.items() if name in uncounted} | {*sky.made}
    counted = pixel_work(COUNTING, pixels, sky)
    run = planned_run(workspace, "correct", shares.found(job, names.values()))
    search = shares.search(run, classes, source, job)
    if sky.made:  # the shares of other partitions are others, and with them every posterior
        found = [Work(title, tuple(keys), len(keys)) for title, keys in _search_keys(search).items()]
        # but for shares that are given, as they were given before
        differs = sky.differs and (first or job.prior.kind != "table")
        return (counted, *found, pixel_work(PARTITIONS, sky.pixels, sky)), _anew(sky, differs)
    found = [task_work(title, run, keys) for title, keys in _search_keys(search).items()]
    written = planned_run(workspace, "correct", posterior_identity(search.prior, asked.committee))
    commits, _ = look_at_commits(written, names.values())
    done = {name: partition_facts(commit) for name, commit in commits.items()}
    kept = {pixel: (done[name].sha256, done[name].rows) for pixel, name in names.items() if name in done}
    left = Outlook(kept, {pixel: sky.rows([pixel]) for pixel in names if pixel not in kept}, differs=first)
    return (counted, *found, pixel_work(PARTITIONS, left.made, sky)), left


def _search_keys(search: Search) -> dict[str, list[str]]:
    return {SHARES: ["shares"], ERRORS: list(search.moves()), PRIOR: ["prior"]}
