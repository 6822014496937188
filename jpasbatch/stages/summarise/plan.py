"""What ``summarise`` would do: which partitions are tallied again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.products.record import record_ranges
from jpasbatch.products.registry import ProductRequest
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.partition_names import PREDICTIONS, commit_name, tally_digest
from jpasbatch.stages.run.plans import (
    Outlook,
    Plans,
    StagePlan,
    Work,
    changes_catalogue,
    lacking,
    pixel_work,
    published_outlook,
    will_run,
)
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.stage_facts import SummariseFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.summarise.stage import given_versions, open_sky, products_are_whole, tally_parts
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

TITLE = "summarise: partitions"
DECIDED = ("predictions", "photometry", "posteriors", "algorithms")
"""Parts that earlier stages decide, and the algorithms, of which a record tells by itself."""
UNFINISHED = "files that it wrote are missing or changed"


def plan_summarise(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``summarise`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: nothing is published, or it does not fit the job.
    """
    makers = will_run(before, "infer", "correct")
    if changes_catalogue(workspace, before):
        makers.insert(0, "ingest")
    request = _request(workspace, bool(makers))
    parts = None if request is None else tally_parts(workspace, request)
    if makers:
        why = [] if parts is None else reasons(workspace.record("summarise"), parts, DECIDED)
        why += [f"{maker} makes what it reads" for maker in makers[-1:]]
    else:
        assert parts is not None
        why = _unsettled(workspace, parts)
        if not why:
            return StagePlan("summarise")
    stands = _stands(workspace, before)
    if any(one is None for one in stands):
        return StagePlan("summarise", tuple(why), (Work(TITLE, None, None),), exact=False)
    photometry, predictions, *posteriors = [one for one in stands if one is not None]
    names = _names(photometry, predictions, posteriors[0] if posteriors else None)
    todo = predictions.pixels - names.keys()
    if parts is not None:
        run = planned_run(workspace, "summarise", fingerprint(**parts))
        missing = set(lacking(run, list(names.values())))
        todo |= {pixel for pixel, name in names.items() if name in missing}
    exact = all(one.differs for one in stands if one is not None)
    return StagePlan("summarise", tuple(why), (pixel_work(TITLE, todo, predictions),), exact)


def _request(workspace: Workspace, changing: bool) -> ProductRequest | None:
    """Return what products are asked for; None where the ranges of redshift are not known before ``infer`` has run."""
    products = workspace.job.products
    if workspace.job.redshifts is None:
        return replace(products, redshifts=None)
    try:
        schema = open_catalogue(current_extension(workspace.sky, PREDICTIONS)).schema
    except InputError:
        if changing:
            return None
        raise
    return replace(products, redshifts=record_ranges(schema))


def _unsettled(workspace: Workspace, parts: dict[str, Any]) -> list[str]:
    """Return why the products are not up to date; nothing when they are."""
    site = open_site(workspace)
    given = given_versions(site, open_sky(site))
    identity = fingerprint(base=fingerprint(**parts), **given)
    done = standing(workspace, SummariseFacts, identity)
    if done and products_are_whole(workspace.folder, done.facts.files):
        return []
    algorithms = parts["algorithms"] | given["algorithms"]
    told = {**parts, **given, "algorithms": algorithms}
    return reasons(workspace.record("summarise"), told) or [UNFINISHED]


def _stands(workspace: Workspace, before: Plans) -> list[Outlook | None]:
    """Return the partitions that each of the catalogues will have: photometry, predictions and, if any, posteriors."""
    stages = {"ingest": None, "infer": PREDICTIONS}
    if workspace.job.prior.kind != "none":
        stages["correct"] = "posteriors"
    found = []
    for stage, extension in stages.items():
        if stage in before:
            found.append(before[stage].outlook)
        else:
            folder = workspace.sky if extension is None else current_extension(workspace.sky, extension)
            found.append(published_outlook(open_catalogue(folder)))
    return found


def _names(
    photometry: Outlook, predictions: Outlook, posteriors: Outlook | None
) -> dict[tuple[int, int], str]:
    """Return the names of the tallies of partitions all of whose files are known."""
    names = {}
    for pixel, (digest, _) in predictions.kept.items():
        if pixel in photometry.kept and (posteriors is None or pixel in posteriors.kept):
            corrected = None if posteriors is None else posteriors.kept[pixel][0]
            names[pixel] = commit_name(pixel, tally_digest(photometry.kept[pixel][0], digest, corrected))
    return names
