"""Run a stage's function over its tasks, with progress, and sort what came of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from typing import Any, TypeVar

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.messages import Listener, Message, listening
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Outcome, Task, run_tasks
from jpasbatch.compute.steps import Report
from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages.run.installation import call_with_same_code, installation_hash
from jpasbatch.stages.run.progress import Progress, show_progress

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

SECONDS_BETWEEN_COUNTS = 10.0
TROUBLES_TOLD = 5


def map_tasks(
    title: str,
    function: Callable[..., ResultT],
    tasks: Sequence[Task],
    executor: Executor,
    resources: dict[str, float] | None = None,
    earlier: int = 0,
) -> tuple[dict[str, ResultT], list[Outcome]]:
    """Run a function over tasks, show progress, and keep every result.

    Results and tasks are held here: for stages of some thousand tasks. `run_each` holds neither.

    Parameters
    ----------
    title : str
        What the progress bar says: the stage, a colon, and what its tasks are.
    function : callable
        Returns something small; its ``rows`` and ``bytes`` (if any) feed the speed that is shown.
    earlier : int
        How many tasks of this stage an earlier run did; they are shown as done.

    Returns
    -------
    dict, list of Outcome
        Results by key, and the outcomes of tasks that did not succeed.
    """
    results: dict[str, ResultT] = {}
    troubles: list[Outcome] = []
    meter = Meter(title, len(tasks) + earlier, earlier)
    for outcome in run_each(meter, function, tasks, executor, resources):
        if outcome.status == "done":
            results[outcome.key] = outcome.result
        else:
            troubles.append(outcome)
    return results, troubles


def run_each(
    meter: Meter,
    function: Callable[..., Any],
    tasks: Iterable[Task],
    executor: Executor,
    resources: dict[str, float] | None = None,
    topic: str | None = None,
) -> Iterator[Outcome]:
    """Run a function over tasks, show progress, and yield each outcome as it comes.

    Parameters
    ----------
    meter : Meter
        With what is to do; it is kept up to date.
    tasks : iterable of Task
        Consumed lazily, so that no number of partitions fills the driver's memory.
    topic : str, optional
        On which the tasks send each a `Report` of how far they are; one that no other run has.
    """
    if meter.total == meter.earlier:
        return
    installed = installation_hash()
    checked = (Task(task.key, (installed, function, task.arguments)) for task in tasks)
    with show_progress(meter, executor.displays) as progress:
        tick = _ticking(meter, progress, executor)
        heard = nullcontext() if topic is None else listening(executor, topic, _hearing(progress, executor))
        with heard, closing(run_tasks(call_with_same_code, checked, executor, resources, tick)) as outcomes:
            for outcome in outcomes:
                meter.running.end(outcome.key)
                if outcome.status == "done":
                    meter.succeed(outcome.result)
                else:
                    meter.fail(outcome.status)
                    log.warning("%s: %s %s: %s", meter.title, outcome.key, outcome.status, headline(outcome))
                    log.debug("%s", outcome.result)
                yield outcome
                progress.show()


def _ticking(meter: Meter, progress: Progress, executor: Executor) -> Callable[[], None]:
    """Return the function that the runner calls about twice a second: it shows the meter, and counts workers."""
    counted = -math.inf

    def tick() -> None:
        nonlocal counted
        if meter.seconds - counted > SECONDS_BETWEEN_COUNTS:
            counted = meter.seconds
            meter.workers = executor.count_workers()
        progress.show()

    return tick


def _hearing(progress: Progress, executor: Executor) -> Listener:
    """Return the function that takes reports of tasks. It shows them where nothing else would before the task ends."""

    def hear(message: Message) -> None:
        progress.meter.running.hear(Report.from_message(message))
        if executor.client is None:
            progress.show()

    return hear


def headline(outcome: Outcome) -> str:
    """Return the first line of what went wrong; the lines below it are for developers."""
    return str(outcome.result).partition("\n")[0]


def require_all(troubles: Sequence[Outcome], what: str) -> None:
    """Raise the troubles of tasks that must all succeed.

    Raises
    ------
    InputError, GapsError
        See `trouble_error`.
    """
    if troubles:
        refused = any(outcome.status == "refused" for outcome in troubles)
        raise trouble_error(troubles[:TROUBLES_TOLD], len(troubles), refused, what)


def trouble_error(first: Sequence[Outcome], number: int, refused: bool, what: str) -> InputError | GapsError:
    """Return the error to raise when tasks did not succeed.

    Parameters
    ----------
    first : sequence of Outcome
        The first of them.
    number : int
        How many did not succeed.
    refused : bool
        Whether the input of one of them was refused: then the error is an `InputError`. It is a `GapsError` where all
        failed three times, or killed their workers.
    what : str
        What the tasks are of: "input files".
    """
    lines = "\n".join(f"  {outcome.key}: {headline(outcome)}" for outcome in first)
    more = f"\n  ... and {number - len(first)} more" if number > len(first) else ""
    message = f"{number} of the {what} could not be processed:\n{lines}{more}"
    if refused:
        return InputError(message)
    return GapsError(message, next((outcome.state for outcome in first if outcome.state), ""))
