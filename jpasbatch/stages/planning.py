"""``--dry-run``: what a command would compute, why, where and for how long, without doing any of it.

Nothing is written below the output folder, no cluster is started, no queue or service is asked. The stages' own
planners find what lacks (`jpasbatch.stages.run.plans`); this module puts them in order, and shows them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from jpasbatch.compute.clusters.executor import Cluster
from jpasbatch.compute.meter import duration
from jpasbatch.errors import InputError
from jpasbatch.stages.pipeline import Request, make_command
from jpasbatch.stages.run.plans import Plans, StagePlan, Work, planned_workspace
from jpasbatch.stages.run.versions import in_workshop
from jpasbatch.stages.run.workspace import Workspace

PLANNERS = {
    "fetch": "jpasbatch.stages.fetch.plan:plan_fetch",
    "mock": "jpasbatch.mocks.stages.plan:plan_mock",
    "ingest": "jpasbatch.stages.ingest.plan:plan_ingest",
    "foreign": "jpasbatch.stages.ingest.foreign.plan:plan_foreign",
    "inspect": "jpasbatch.stages.inspect.plan:plan_inspect",
    "train": "jpasbatch.stages.train.plan:plan_train",
    "evaluate": "jpasbatch.stages.evaluate.plan:plan_evaluate",
    "infer": "jpasbatch.stages.infer.plan:plan_infer",
    "combine": "jpasbatch.stages.evaluate.combine_plan:plan_combine",
    "correct": "jpasbatch.stages.correct.plan:plan_correct",
    "summarise": "jpasbatch.stages.summarise.plan:plan_summarise",
}
"""Module and function of each stage's planner; imported when it is asked."""


@dataclass(frozen=True)
class Estimate:
    """How long tasks would take.

    Attributes
    ----------
    worker_seconds : float or None
        Of one worker; None where no earlier run of this job measured such tasks.
    seconds : float or None
        With the workers that the cluster file asks for; None where their number is not known either.
    """

    worker_seconds: float | None
    seconds: float | None


def plan_stages(stages: tuple[str, ...], workspace: Workspace) -> dict[str, StagePlan]:
    """Return the plan of each stage of a command, in order.

    Raises
    ------
    InputError
        Where a stage would refuse what it finds.
    """
    plans: dict[str, StagePlan] = {}
    for stage in stages:
        planner = _planner(stage)
        plan = planner(planned_workspace(workspace, plans), plans)
        if damaged := len(workspace.faults(stage)):
            plan = replace(plan, reasons=(f"{damaged} published files are damaged", *plan.reasons))
        plans[stage] = plan
    return plans


def _planner(stage: str) -> Callable[[Workspace, Plans], StagePlan]:
    module, _, function = PLANNERS[stage].partition(":")
    return getattr(import_module(module), function)


def estimate(work: Work, measured: Mapping[str, Mapping[str, float]], workers: int | None) -> Estimate:
    """Return how long tasks would take, from what earlier runs measured.

    Parameters
    ----------
    work : Work
    measured : mapping
        What the record of the stage holds by the title of its tasks: ``tasks`` and ``rows`` in ``seconds`` with so many
        ``workers``.
    workers : int or None
        That the cluster would have.
    """
    speed = measured.get(work.title)
    if work.tasks == 0:
        return Estimate(0.0, 0.0)
    if speed is None or work.tasks is None:
        return Estimate(None, None)
    share = work.tasks / speed["tasks"]
    if work.rows is not None and speed["rows"] > 0:
        share = work.rows / speed["rows"]
    total = share * speed["seconds"] * speed["workers"]
    return Estimate(total, None if workers is None else total / min(workers, work.tasks))


def show_plan(request: Request, as_json: bool = False) -> int:
    """Print what a command would do: for people, or as one JSON object.

    Returns
    -------
    int
        The exit code 0; anything else is an exception.
    """
    if request.sky is not None:
        raise InputError(
            f"--dry-run with --sky {request.sky}: a plan asks no object store. Plan with the collection in the output "
            "folder, or run without --dry-run"
        )
    workspace, stages, cluster = make_command(request, request.open_workspace())
    plans = plan_stages(stages, in_workshop(workspace))
    told = plan_content(request.verb, workspace, cluster, plans)
    if as_json:
        print(json.dumps(told, sort_keys=True))
    else:
        _show(told)
    return 0


def plan_content(
    verb: str, workspace: Workspace, cluster: Cluster, plans: Mapping[str, StagePlan]
) -> dict[str, Any]:
    """Return a plan as plain data; what is not known is None."""
    where = cluster.describe()
    stages, unknown, seconds = [], False, 0.0
    for stage, plan in plans.items():
        measured = (in_workshop(workspace).record(stage) or {}).get("measured", {})
        work = []
        for one in plan.work:
            time = estimate(one, measured, where.workers)
            unknown |= time.seconds is None
            seconds += time.seconds or 0.0
            work.append(
                {
                    "title": one.title,
                    "tasks": one.tasks,
                    "total": one.total,
                    "rows": one.rows,
                    "keys": None if one.keys is None else list(one.keys),
                    "worker_seconds": time.worker_seconds,
                    "seconds": time.seconds,
                }
            )
        stages.append(
            {
                "stage": stage,
                "runs": plan.runs,
                "exact": plan.exact,
                "reasons": list(plan.reasons),
                "work": work,
            }
        )
    return {
        "verb": verb,
        "job": workspace.job.name,
        "folder": str(workspace.folder),
        "cluster": {
            "kind": where.kind,
            "workers": where.workers,
            "says": where.says,
            "script": where.script,
        },
        "stages": stages,
        "seconds": seconds,
        "seconds_are_all": not unknown,
    }


def _show(told: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"{told['verb']} of {told['job']} in {told['folder']}: nothing is computed or written"
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for column in ("stage", "tasks", "to do", "of", "rows", "time", "why"):
        numbers = column in ("to do", "of", "rows", "time")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=column != "why")
    for stage in told["stages"]:
        for row in _rows(stage):
            table.add_row(*row)
    console = Console()
    console.print(table)
    cluster = told["cluster"]
    console.print(f"{cluster['kind']}: {cluster['says']}", highlight=False)
    if cluster["script"]:
        console.print(cluster["script"], highlight=False, markup=False, soft_wrap=True)
    console.print(_time(told), highlight=False)


def _time(told: Mapping[str, Any]) -> str:
    """Return the line that says how long all of it takes."""
    if not any(stage["runs"] for stage in told["stages"]):
        return "everything is up to date"
    if told["seconds_are_all"]:
        return f"time of the tasks: {duration(told['seconds'])}, at the speed of earlier runs of this job"
    if told["seconds"] == 0:
        return "time of the tasks: not known, no earlier run of this job has measured them"
    return f"time of the tasks: {duration(told['seconds'])}, and that of tasks with ?, which no earlier run measured"


def _rows(stage: Mapping[str, Any]) -> list[list[str]]:
    if not stage["runs"]:
        return [[stage["stage"], "up to date", "", "", "", "", ""]]
    most = "" if stage["exact"] else "up to "
    cells = [
        [
            one["title"].partition(": ")[2],
            "?" if one["tasks"] is None else f"{most if one['tasks'] else ''}{one['tasks']:,}",
            "?" if one["total"] is None else f"{one['total']:,}",
            "" if one["rows"] is None else f"{one['rows']:,}",
            "?" if one["seconds"] is None else duration(one["seconds"]),
        ]
        for one in stage["work"]
    ] or [["", "", "", "", ""]]
    lines = list(stage["reasons"])
    height = max(len(cells), len(lines))
    cells += [[""] * 5] * (height - len(cells))
    lines += [""] * (height - len(lines))
    names = [stage["stage"], *[""] * (height - 1)]
    return [[name, *row, line] for name, row, line in zip(names, cells, lines, strict=True)]
