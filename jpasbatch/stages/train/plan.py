"""What ``train`` would do: which samples are prepared and which members are trained."""

from __future__ import annotations

from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, task_work, will_run
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.stage_facts import TrainFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.stages.train.prepared import sample_parts
from jpasbatch.stages.train.stage import PREPARED, ask_train, member_name

MEMBERS = "train: members"


def plan_train(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``train`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: the job has no classes, or a sample is missing.
    """
    job = workspace.job
    members = [member_name(index) for index in range(job.committee.members * (job.samples.folds or 1))]
    keys = {f"train: {part} sample": [f"{part}-{PREPARED}"] for part in sample_parts(job)} | {
        MEMBERS: members
    }
    if will_run(before, "mock") and any(getattr(job.samples, part) is None for part in sample_parts(job)):
        work = tuple(Work(title, tuple(listed), len(listed)) for title, listed in keys.items())
        return StagePlan("train", ("mock makes its samples",), work, exact=False)
    asked = ask_train(workspace)
    record = workspace.record("train")
    done = standing(workspace, TrainFacts, asked.identity)
    if done and (workspace.folder / done.facts.committee).is_dir():
        return StagePlan("train")
    run = planned_run(workspace, "train", asked.members)
    why = reasons(record, asked.told) or ["the committee that it made is gone"]
    work = tuple(task_work(title, run, listed) for title, listed in keys.items())
    # a committee that grows stops when another member does not help
    return StagePlan("train", tuple(why), work, exact=not job.committee.grow)
