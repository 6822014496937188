"""More memory for a task that had too little: a worker in a larger job, by steps up to a limit.

Only the task that needs it waits for it: the jobs of all others stay as they are.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from jpasbatch.compute.clusters.joining import wait_for_resource

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

MEBI = 2**20


def memory_steps(memory: int, growth: float, limit: int) -> tuple[int, ...]:
    """Return the memory of each further try, in bytes: each so many times the one before, and the limit at last.

    Parameters
    ----------
    memory, limit : int
        Of a worker: what it has at first, and at most. There is no further try where the limit is not above.
    growth : float
        Above 1.
    """
    steps: list[int] = []
    while memory < limit:
        memory = min(math.ceil(memory * growth), limit)
        steps.append(memory)
    return tuple(steps)


def resource_of(memory: int) -> str:
    """Return the name of the resource that workers of so many bytes declare: tasks that need them ask for it."""
    return f"MEMORY-{memory // MEBI}-MiB"


class Larger:
    """Asks for a larger worker when a task needs one; one that was asked for is there for later tasks as well.

    Parameters
    ----------
    client : distributed.Client
    steps : tuple of int
        Memory of each further try, in bytes.
    ask : callable
        Submits a job of one worker with so many bytes, which declares the resource; it raises RuntimeError or OSError
        when that is refused.
    timeout : float
        Seconds that a larger worker may take to come.
    """

    def __init__(
        self, client: Client, steps: tuple[int, ...], ask: Callable[[int, str], None], timeout: float
    ) -> None:
        self._client, self._steps, self._ask, self._timeout = client, steps, ask, timeout
        self._asked: set[int] = set()

    def __call__(self, step: int) -> dict[str, float] | None:
        """Return what a task is to ask for at a further try; None when there is no larger worker to be had.

        Parameters
        ----------
        step : int
            From 0: how often the task was given more memory already.

        Raises
        ------
        TryAgainError
            When the larger worker does not come in time.
        """
        if step >= len(self._steps):
            return None
        memory = self._steps[step]
        resource = resource_of(memory)
        if memory not in self._asked:
            try:
                self._ask(memory, resource)
            except (RuntimeError, OSError) as error:
                log.warning("no worker of %d MiB is to be had: %s", memory // MEBI, str(error).strip())
                return None
            self._asked.add(memory)
        wait_for_resource(
            self._client,
            resource,
            self._timeout,
            f"no worker of {memory // MEBI} MiB came within {self._timeout:g} s, which a task needs that took more "
            "memory than it had; run the same command again, or raise start_timeout",
        )
        return {resource: 1.0}
