"""Run a stage's function over its tasks, with progress, and sort what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Outcome, Task, run_tasks
from jpasbatch.errors import InputError
from jpasbatch.stages.progress import show_progress

log = logging.getLogger(__name__)


def map_tasks(
    title: str,
    function: Callable[..., dict[str, Any]],
    tasks: Sequence[Task],
    executor: Executor,
    resources: dict[str, float] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[Outcome]]:
    """Run a function over tasks and show progress.

    Parameters
    ----------
    title : str
        What the progress bar says.
    function : callable
        Returns a small dict; its ``rows`` (if any) feed the speed that is shown.

    Returns
    -------
    dict of str to dict, list of Outcome
        Results by key, and the outcomes of tasks that did not succeed.
    """
    results: dict[str, dict[str, Any]] = {}
    troubles: list[Outcome] = []
    if not tasks:
        return results, troubles
    with show_progress(title, len(tasks)) as progress:
        for outcome in run_tasks(function, tasks, executor, resources):
            if outcome.status == "done":
                results[outcome.key] = outcome.result
                progress.advance(1, int(outcome.result.get("rows", 0)))
            else:
                troubles.append(outcome)
                log.warning("%s: %s %s: %s", title, outcome.key, outcome.status, outcome.result)
                progress.advance(1)
    return results, troubles


def require_all(troubles: list[Outcome], what: str) -> None:
    """Raise the troubles of a stage that can have no gaps.

    Raises
    ------
    InputError
        Naming the first troubles when there is any.
    """
    if troubles:
        first = "\n".join(f"  {outcome.key}: {outcome.result}" for outcome in troubles[:5])
        more = f"\n  ... and {len(troubles) - 5} more" if len(troubles) > 5 else ""
        raise InputError(f"{len(troubles)} of the {what} could not be processed:\n{first}{more}")
