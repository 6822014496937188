"""What ``infer`` would do: which partitions have no commit under what the job asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jpasbatch.algorithms import raised
from jpasbatch.stages.infer.stage import ask_infer
from jpasbatch.stages.run.changes import FIRST, reasons
from jpasbatch.stages.run.commits import Run, look_at_commits
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.partition_names import PREDICTIONS, Pixel, commit_names, partition_of, pixel_key
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    changes_catalogue,
    pixel_work,
    published_outlook,
    will_run,
)
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.stage_facts import InferFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

TITLE = "infer: partitions"
UNFINISHED = "its predictions are not the published ones, or have gaps"


def plan_infer(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``infer`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: there is no catalogue or no committee, or they do not fit each other.
    """
    ingests = bool(will_run(before, "ingest"))
    grows = changes_catalogue(workspace, before)
    if will_run(before, "train"):
        return _plan_anew(workspace, before)
    asked = ask_infer(workspace)
    if not ingests and workspace.record("ingest") is not None:
        workspace.require("ingest")
    record, base = workspace.record("infer"), fingerprint(**asked.parts)
    if not grows:
        done, why = _settled(workspace, record, asked.parts)
        if done is not None:
            return StagePlan("infer", outlook=done)
        sky = published_outlook(open_catalogue(workspace.sky))
    else:
        found, why = before["ingest"].outlook, reasons(record, asked.parts, apart=["catalogue"])
        if found is None:
            if record is not None:
                why.append(
                    "ingest makes the whole catalogue: partitions with the same bytes keep what they have"
                )
            return StagePlan("infer", tuple(why), (Work(TITLE, None, None),), False)
        sky = found
        why.append(f"ingest makes {len(sky.made):,} of {len(sky.pixels):,} partitions anew")
    names, run = sky.names(), planned_run(workspace, "infer", base)
    commits, _ = look_at_commits(run, names.values())
    todo = {pixel: None for pixel, name in names.items() if name not in commits}
    made = todo | dict.fromkeys(sky.made)
    done_before = {
        pixel: (commits[name]["sha256"], commits[name]["rows"])
        for pixel, name in names.items()
        if name in commits and commits[name]["rows"]
    }
    surely = sky.differs and not _were_classified(workspace, run, sky.made)
    # who classifies the same rows once more may find the same
    differs = surely and (record is None or not todo)
    left = Outlook(done_before, {pixel: sky.rows([pixel]) for pixel in made}, differs)
    return StagePlan("infer", tuple(why), (pixel_work(TITLE, made, sky),), surely, left)


def _were_classified(workspace: Workspace, run: Run, made: Collection[Pixel]) -> bool:
    """Return whether a partition to be made may get bytes that it had before: a file came and went, or comes again."""
    if not made:
        return False
    now = set(commit_names(open_catalogue(workspace.sky)).values())
    pixels = {pixel_key(pixel) for pixel in made}
    former = set(run.ledger.keys()) - now
    return any(partition_of(name) in pixels for name in former)


def _plan_anew(workspace: Workspace, before: Plans) -> StagePlan:
    """Return the plan where another committee is trained first: nothing that is classified is known to stay."""
    record = workspace.record("infer")
    why = [FIRST] if record is None else raised(record.get("algorithms", {}))
    why.append("train makes another committee")
    if will_run(before, "ingest"):
        sky = before["ingest"].outlook
        why.append("ingest makes partitions anew")
    else:
        sky = published_outlook(open_catalogue(workspace.sky))
    if sky is None:
        return StagePlan("infer", tuple(why), (Work(TITLE, None, None),), False)
    left = Outlook({}, {pixel: sky.rows([pixel]) for pixel in sky.pixels}, differs=False)
    return StagePlan("infer", tuple(why), (pixel_work(TITLE, sky.pixels, sky),), False, left)


def _settled(
    workspace: Workspace, record: dict[str, Any] | None, parts: dict[str, Any]
) -> tuple[Outlook | None, list[str]]:
    """Return what is published when it is up to date, or why it is not."""
    site = open_site(workspace)
    catalogue = open_catalogue(site.folder)
    given = {"catalogue": catalogue.name}
    identity = fingerprint(**parts, **given, partitions=sorted(commit_names(catalogue).values()))
    done = standing(workspace, InferFacts, identity)
    if done and not done.facts.gaps and site.is_published(PREDICTIONS, done.facts.predictions):
        return published_outlook(open_catalogue(current_extension(site.folder, PREDICTIONS))), []
    return None, reasons(record, {**parts, **given}) or [UNFINISHED]
