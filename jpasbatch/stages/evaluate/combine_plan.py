"""What ``combine`` would do: in which partitions predictions are combined anew."""

from __future__ import annotations

from jpasbatch.stages.evaluate.combine import PARTITIONS, ask_combine
from jpasbatch.stages.evaluate.combined_partition import COMBINED
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.partition_names import commit_names
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, task_work, will_run
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.stage_facts import CombineFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import fingerprint


def plan_combine(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``combine`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: the sample has not been evaluated, or something is not published.
    """
    makers = will_run(before, "mock", "ingest", "foreign", "train", "evaluate", "infer")
    if makers:
        why = tuple(f"{maker} makes what it reads" for maker in makers)
        return StagePlan("combine", why, (Work(PARTITIONS, None, None),), exact=False)
    asked = ask_combine(workspace)
    identity = fingerprint(**asked.parts)
    done = standing(workspace, CombineFacts, identity)
    if done and open_site(workspace).is_published(COMBINED, done.facts.combined):
        return StagePlan("combine")
    why = reasons(workspace.record("combine"), asked.parts) or ["what it made is not published"]
    names = list(commit_names(asked.predictions).values())
    work = task_work(PARTITIONS, planned_run(workspace, "combine", identity), names)
    return StagePlan("combine", tuple(why), (work,))
