"""What ``foreign`` would do: which tables of others are matched, in which partitions."""

from __future__ import annotations

from jpasbatch.stages.ingest.foreign.stage import PARTITIONS, are_published, ask_foreign
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.partition_names import commit_names
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, standing_record, task_work, will_run
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.stores.ledger import fingerprint


def plan_foreign(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``foreign`` would do; tables are hashed, and not read.

    Raises
    ------
    InputError
        Where the stage itself would: there is no catalogue, or a table is missing.
    """
    makers = will_run(before, "fetch", "mock", "ingest")
    if makers:
        why = f"{makers[-1]} makes the catalogue"
        return StagePlan("foreign", (why,), (Work(PARTITIONS, None, None),), exact=False)
    identities, site = ask_foreign(workspace), open_site(workspace)
    standing = standing_record(workspace, "foreign", fingerprint(tables=identities))
    if standing and are_published(site, standing):
        return StagePlan("foreign")
    why = reasons(workspace.record("foreign"), {"tables": identities})
    names = list(commit_names(open_catalogue(site.folder)).values())
    work = [
        task_work(PARTITIONS, planned_run(workspace, "foreign", one), names) for one in identities.values()
    ]
    return StagePlan("foreign", tuple(why or ["what it made is not published"]), tuple(work))
