"""Run a stage's function over its tasks, with progress, and sort what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from jpasbatch.compute.cluster import Executor
from jpasbatch.compute.runner import Outcome, Task, run_tasks
from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages.progress import show_progress
from jpasbatch.storage.ledger import code_fingerprint

log = logging.getLogger(__name__)

ROOMS = ("photometry", "mocks", "learning", "products", "storage", "stages")
"""Rooms whose code runs on workers."""


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
    code = code_fingerprint(*ROOMS)
    checked = [Task(task.key, (code, function, task.arguments)) for task in tasks]
    with show_progress(title, len(tasks)) as progress:
        for outcome in run_tasks(call_with_same_code, checked, executor, resources):
            if outcome.status == "done":
                results[outcome.key] = outcome.result
                progress.advance(1, int(outcome.result.get("rows", 0)))
            else:
                troubles.append(outcome)
                log.warning("%s: %s %s: %s", title, outcome.key, outcome.status, headline(outcome))
                log.debug("%s", outcome.result)
                progress.advance(1)
    return results, troubles


def call_with_same_code(code: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a stage's function on a worker, unless the worker runs other code than the driver.

    Raises
    ------
    InputError
        When it does: its results would be recorded under a fingerprint that is not theirs.
    """
    if code_fingerprint(*ROOMS) != code:
        raise InputError(
            "this worker runs another version of jpasbatch than the driver; install the same on both"
        )
    return function(*arguments)


def headline(outcome: Outcome) -> str:
    """Return the first line of what went wrong; the lines below it are for developers."""
    return str(outcome.result).partition("\n")[0]


def require_all(troubles: list[Outcome], what: str) -> None:
    """Raise the troubles of a stage that can have no gaps.

    Raises
    ------
    InputError
        When an input was refused, naming the first.
    GapsError
        When something else failed three times, or killed its worker.
    """
    if troubles:
        first = "\n".join(f"  {outcome.key}: {headline(outcome)}" for outcome in troubles[:5])
        more = f"\n  ... and {len(troubles) - 5} more" if len(troubles) > 5 else ""
        refused = any(outcome.status == "refused" for outcome in troubles)
        message = f"{len(troubles)} of the {what} could not be processed:\n{first}{more}"
        raise (InputError if refused else GapsError)(message)
