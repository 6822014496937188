"""What ``inspect`` would do: which partitions are counted again."""

from __future__ import annotations

from jpasbatch.stages.inspect.stage import TITLE, inspect_parts, is_whole
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.plans import (
    Plans,
    StagePlan,
    Work,
    lacking,
    pixel_work,
    published_outlook,
    will_run,
)
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.stage_facts import InspectFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint

UNFINISHED = "its table is missing"


def plan_inspect(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``inspect`` would do.

    Raises
    ------
    InputError
        When there is no catalogue.
    """
    parts, record = inspect_parts(workspace), workspace.record("inspect")
    if will_run(before, "ingest"):
        sky = before["ingest"].outlook
        why = [*reasons(record, parts, ["catalogue"]), "ingest makes what it reads"]
        if sky is None:
            return StagePlan("inspect", tuple(why), (Work(TITLE, None, None),), exact=False)
    else:
        catalogue = open_catalogue(workspace.sky)
        told = {**parts, "catalogue": catalogue.name}
        done = standing(workspace, InspectFacts, fingerprint(**told))
        if done and is_whole(workspace, done.facts):
            return StagePlan("inspect")
        sky, why = published_outlook(catalogue), reasons(record, told) or [UNFINISHED]
    names = sky.names()
    missing = set(lacking(planned_run(workspace, "inspect", fingerprint(**parts)), list(names.values())))
    todo = {pixel for pixel, name in names.items() if name in missing} | set(sky.made)
    return StagePlan("inspect", tuple(why), (pixel_work(TITLE, todo, sky),), sky.differs)
