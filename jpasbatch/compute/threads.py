"""Calls that wait for something outside this machine, a few at a time in threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def call_in_threads(
    call: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    tick: Callable[[], None],
    tick_seconds: float,
) -> Iterator[Result]:
    """Call a function for every item and yield what it returns, in order of completion.

    Items are consumed lazily: no more are alive than there are threads. What a call raises is raised here, and no
    further item is begun; calls that run are waited for, so that they have to see by themselves that they should end
    (`jpasbatch.compute.interruption.stop_requested`).

    Parameters
    ----------
    call : callable
    items : iterable
    threads : int
        How many calls run at the same time.
    tick : callable
        Called about every ``tick_seconds``.
    tick_seconds : float
    """
    remaining = iter(items)
    running: set[Future[Result]] = set()
    exhausted = False
    pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
    try:
        while True:
            while not exhausted and len(running) < threads:
                try:
                    running.add(pool.submit(call, next(remaining)))
                except StopIteration:
                    exhausted = True
            if not running:
                return
            ended, running = wait(running, tick_seconds, FIRST_COMPLETED)
            for future in ended:
                yield future.result()
            tick()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
