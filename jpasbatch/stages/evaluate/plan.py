"""What ``evaluate`` would do: which samples are classified, and which of them are put under stress."""

from __future__ import annotations

from jpasbatch.stages.evaluate.request import ask_evaluate
from jpasbatch.stages.evaluate.stress import PREPARE, STRESS
from jpasbatch.stages.run.changes import reasons
from jpasbatch.stages.run.committed import planned_run
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, task_work, will_run
from jpasbatch.stages.run.records import standing
from jpasbatch.stages.run.stage_facts import EvaluateFacts
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.ledger import fingerprint

SAMPLES = "evaluate: samples"


def plan_evaluate(workspace: Workspace, before: Plans) -> StagePlan:
    """Return what ``evaluate`` would do.

    Raises
    ------
    InputError
        Where the stage itself would: there is no committee or no test sample, or they do not fit each other.
    """
    makers = will_run(before, "mock", "train")
    if makers:
        why = [f"{maker} makes {'samples' if maker == 'mock' else 'another committee'}" for maker in makers]
        return StagePlan("evaluate", tuple(why), (Work(SAMPLES, None, None),), exact=False)
    asked = ask_evaluate(workspace)
    done = standing(workspace, EvaluateFacts, asked.identity)
    if done and all((workspace.folder / path).is_file() for path in done.facts.files):
        return StagePlan("evaluate")
    run = planned_run(workspace, "evaluate", fingerprint(**asked.parts))
    work = [task_work(SAMPLES, run, list(asked.samples))]
    if asked.stress is not None:
        stressed = planned_run(workspace, "evaluate", asked.stress.identity)
        work.append(task_work(PREPARE, stressed, list(asked.stress.sample_keys().values())))
        work.append(task_work(STRESS, stressed, list(asked.stress.stress_keys().values())))
    why = reasons(workspace.record("evaluate"), asked.parts)
    return StagePlan("evaluate", tuple(why or ["its tables or the stress table are missing"]), tuple(work))
