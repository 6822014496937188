"""Run one function over many partitions: bounded window, retries, quarantine; and its serial twin.

The loop trusts nothing that a cluster remembers: a task is done when its outcome has arrived here, and the
caller decides from storage what is still to do. Facts behind the choices: a task's exception is returned
as a value (a Rust panic hangs ``Future.result``), results are released at once, and futures are held in a
window only, so that the death of a worker reruns a handful of tasks and not thousands.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import uuid4

from jpasbatch.compute.guarding import guard, stop_run
from jpasbatch.compute.interruption import stop_requested
from jpasbatch.compute.losses import ADVICE, MEMORY_TOPIC, OUT_OF_MEMORY
from jpasbatch.compute.messages import listening
from jpasbatch.compute.threads import call_in_threads
from jpasbatch.errors import INTERRUPTED, TryAgainError

if TYPE_CHECKING:
    from distributed import Future

    from jpasbatch.compute.clusters.executor import Executor

log = logging.getLogger(__name__)

MINIMUM_WINDOW = 64
ATTEMPTS = 3
TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Task:
    """One call: a key that is unique in its run, and the arguments of the function."""

    key: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    key : str
    status : {"done", "refused", "failed", "killed"}
        ``refused``: its input is wrong (`InputError`), tried once. ``failed``: another exception, three
        times. ``killed``: it ended its worker, also when it ran alone.
    result : object
        What the function returned when done; the message otherwise.
    state : str
        Of one that was killed, a word for programs: see `jpasbatch.compute.losses`.
    """

    key: str
    status: Literal["done", "refused", "failed", "killed"]
    result: Any
    state: str = ""


def run_tasks(
    function: Callable[..., Any],
    tasks: Iterable[Task],
    executor: Executor,
    resources: dict[str, float] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> Generator[Outcome]:
    """Run ``function(*task.arguments)`` for every task and yield each outcome as it comes.

    Parameters
    ----------
    function : callable
        Importable by the workers; it returns something small (under a kilobyte).
    tasks : iterable of Task
        Consumed lazily: at most one window of them is alive.
    executor : Executor
    resources : dict, optional
        What a task needs of its worker, such as ``{"GPU": 1}``.
    on_tick : callable, optional
        Called about twice a second, for progress; when serial, after every attempt.

    Yields
    ------
    Outcome
        In order of completion; in order of the tasks when serial and in one thread.

    Raises
    ------
    TryAgainError
        When the scheduler or all workers are lost, a disk is full, or the run is interrupted.
    """

    def tick() -> None:
        if stop_requested():  # and the exception that said so was lost in some callback
            raise KeyboardInterrupt
        if on_tick is not None:
            on_tick()

    try:
        if executor.client is None:
            if executor.threads > 1:
                yield from _run_in_threads(function, tasks, executor.threads, tick)
            else:
                yield from _run_serially(function, tasks, tick)
            return
        window = _Window(function, executor, resources)
        with listening(executor, MEMORY_TOPIC, executor.losses.hear):
            try:
                yield from _run_in_window(window, iter(tasks), tick)
            finally:
                window.cancel()
    except KeyboardInterrupt as error:
        raise TryAgainError(
            "interrupted; what is committed is kept: run the same command again to go on", INTERRUPTED
        ) from error


def _run_serially(
    function: Callable[..., Any], tasks: Iterable[Task], tick: Callable[[], None]
) -> Iterator[Outcome]:
    for task in tasks:
        yield _attempt(function, task, tick)


def _run_in_threads(
    function: Callable[..., Any], tasks: Iterable[Task], threads: int, tick: Callable[[], None]
) -> Iterator[Outcome]:
    # the tick is for the main thread alone: it shows the progress
    return call_in_threads(
        lambda task: _attempt(function, task, lambda: None), tasks, threads, tick, TICK_SECONDS
    )


def _attempt(function: Callable[..., Any], task: Task, tick: Callable[[], None]) -> Outcome:
    """Run a task in this process, three times at most."""
    status, result = "failed", None
    for _ in range(ATTEMPTS):
        status, result = guard(function, task.arguments)
        tick()
        stop_run(status, result)
        if status != "failed":
            break
    return Outcome(task.key, status, result)  # type: ignore[arg-type]


class _Window:
    """Futures in flight, with what is needed to submit a task again."""

    def __init__(
        self, function: Callable[..., Any], executor: Executor, resources: dict[str, float] | None
    ) -> None:
        self.function, self.executor, self.resources = function, executor, resources
        assert executor.client is not None
        self.client = executor.client
        self.tasks: dict[Future, Task] = {}
        self.failures: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self.larger: dict[str, dict[str, float]] = {}
        self.given: Counter[str] = Counter()
        self.submitted = 0
        self.run = uuid4().int % 10**12
        self.idle_since: float | None = None

    def submit(self, task: Task) -> None:
        """Submit a task under a key that no earlier run or attempt had; after some, to a worker with more memory.

        All keys of a run make one group of one kind for Dask, which goes by what stands before the last hyphen and
        before the first number: it then keeps waiting tasks in the scheduler, where no worker's death is blamed on
        them, and remembers one kind of task instead of as many as there are partitions.
        """
        self.submitted += 1
        try:
            future = self.client.submit(
                guard,
                self.function,
                task.arguments,
                key=f"task-{self.run}-{self.submitted}_{task.key.replace('-', '_')}",
                resources={**(self.resources or {}), **self.larger.get(task.key, {})} or None,
                retries=0,
                pure=False,
            )
        except Exception as error:
            raise _lost(error) from error
        self.tasks[future] = task

    def submit_again(self, task: Task) -> bool:
        """Submit a task that failed, unless it used up its attempts."""
        self.failures[task.key] = self.failures.get(task.key, 0) + 1
        if self.failures[task.key] >= ATTEMPTS:
            return False
        self.submit(task)
        return True

    def capacity(self) -> int:
        """Return how many tasks may be in flight: twice the slots, at least 64."""
        return max(MINIMUM_WINDOW, 2 * len(cast(dict, self.client.nthreads())))

    def finished(self) -> list[Future]:
        """Wait up to one tick and return the futures that ended."""
        from distributed import wait

        try:
            ended = cast(Any, wait(list(self.tasks), timeout=TICK_SECONDS, return_when="FIRST_COMPLETED"))
            self.idle_since = None  # there was a worker, also where none was seen between two deaths
            return list(ended.done)
        except TimeoutError:
            self._check_workers()
            return []
        except Exception as error:  # cancelled futures and a closed client raise different types
            raise _lost(error) from error

    def _check_workers(self) -> None:
        if self.client.status != "running":
            raise _lost(None)
        if self.client.nthreads():
            self.idle_since = None
            return
        self.idle_since = self.idle_since or time.monotonic()
        if time.monotonic() - self.idle_since > self.executor.no_workers_timeout:
            raise TryAgainError(
                f"no worker for {self.executor.no_workers_timeout:g} s; start workers and run the same command again",
                "NO_WORKERS",
            )

    def cancel(self) -> None:
        """Drop what is still in flight; what a worker finishes unseen is found in storage next time."""
        futures, self.tasks = list(self.tasks), {}
        if futures and self.client.status == "running":
            self.client.cancel(futures, force=True)


def _lost(error: BaseException | None) -> TryAgainError:
    reason = f" ({type(error).__name__})" if error else ""
    return TryAgainError(
        f"the connection to the scheduler was lost{reason}; run the same command again to go on",
        "SCHEDULER_LOST",
    )


def _run_in_window(window: _Window, tasks: Iterator[Task], tick: Callable[[], None]) -> Iterator[Outcome]:
    suspects: list[Task] = []
    exhausted = False
    capacity = window.capacity()
    while True:
        while not exhausted and len(window.tasks) < capacity:
            task = next(tasks, None)
            if task is None:
                exhausted = True
            else:
                window.submit(task)
        if not window.tasks:
            break
        for future in window.finished():
            outcome = _settle(window, future, suspects)
            if outcome is not None:
                yield outcome
        tick()
    for task in suspects:
        yield _run_alone(window, task, tick)


def _settle(window: _Window, future: Future, suspects: list[Task]) -> Outcome | None:
    """Read one ended future: an outcome, or None when the task goes round again."""
    task = window.tasks.pop(future)
    if future.status == "cancelled" or window.client.status != "running":
        raise _lost(None)
    if future.status == "error":
        return _settle_error(window, future, task, suspects)
    try:
        status, result = future.result()
    except Exception as error:  # the worker that held the result died meanwhile; the type varies
        if future.status == "error":  # and so did those that computed it again
            return _settle_error(window, future, task, suspects)
        log.warning(
            "the result of %s was lost with its worker (%s); it runs again", task.key, type(error).__name__
        )
        future.release()
        window.submit(task)
        return None
    future.release()
    stop_run(status, result)
    if status == "failed" and window.submit_again(task):
        return None
    return Outcome(task.key, status, result)


def _settle_error(window: _Window, future: Future, task: Task, suspects: list[Task]) -> Outcome | None:
    from distributed import KilledWorker
    from distributed.scheduler import NoValidWorkerError, NoWorkerError

    error = future.exception()
    future.release()
    if isinstance(error, KilledWorker):
        state = window.executor.departed(str(error.last_worker.name))
        if state not in ("", OUT_OF_MEMORY):
            log.warning("%s runs again: its worker left (%s), which is no fault of a task", task.key, state)
            window.submit(task)
            return None
        window.states[task.key] = state = state or window.executor.losses.blame(
            str(error.last_worker.address)
        )
        log.warning("%s: %s: its workers died; it runs again alone", task.key, state)
        suspects.append(task)
        return None
    if isinstance(error, NoValidWorkerError | NoWorkerError):
        raise TryAgainError(
            f"no worker can run {task.key}: {error}; start workers (with the resources that the cluster file "
            "declares) and run the same command again",
            "NO_WORKERS",
        )
    if window.submit_again(task):
        return None
    return Outcome(task.key, "failed", f"{type(error).__name__}: {error}")


def _run_alone(window: _Window, task: Task, tick: Callable[[], None]) -> Outcome:
    """Rerun a suspect with nothing beside it: only its own deaths can be blamed on it then.

    One that had too little memory gets more at each try, as long as the cluster has more.
    """
    _give_more_memory(window, task)
    while (outcome := _try_alone(window, task, tick)) is None:
        if not _give_more_memory(window, task):
            break
    else:
        return outcome
    state, larger = window.states[task.key], ", ".join(window.larger.get(task.key, ()))
    tried = f"ran alone{f' on a worker of {larger}' if larger else ''}"
    message = f"{state}: its worker died each time, also when it {tried} ({ADVICE[state]})"
    return Outcome(task.key, "killed", message, state)


def _try_alone(window: _Window, task: Task, tick: Callable[[], None]) -> Outcome | None:
    """Return what became of a task with nothing beside it; None when its workers died."""
    window.submit(task)
    while window.tasks:
        for future in window.finished():
            outcome = _settle(window, future, [])
            if outcome is not None:
                return outcome
        tick()
    return None


def _give_more_memory(window: _Window, task: Task) -> bool:
    """Let a task that had too little memory ask for more at its next try; return whether there is more."""
    if window.states[task.key] != OUT_OF_MEMORY:
        return False
    larger = window.executor.larger(window.given[task.key])
    if larger is None:
        return False
    window.given[task.key] += 1
    window.larger[task.key] = larger
    log.warning("%s runs with more memory: %s", task.key, ", ".join(larger))
    return True
