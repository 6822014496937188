"""Workers that a cluster lost, counted by a named state: for messages, and for the history of runs.

States of jobs are Slurm's own words (``TIMEOUT``, ``NODE_FAIL``, ``PREEMPTED``, ...). A worker that its nanny ended
because of its memory is ``OUT_OF_MEMORY`` as well; one that died of what nobody told is ``WORKER_LOST``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

OUT_OF_MEMORY, WORKER_LOST = "OUT_OF_MEMORY", "WORKER_LOST"

MEMORY_TOPIC = "worker-restart-memory"
"""On which Dask's nannies tell that they end a worker because of its memory."""

ADVICE = {
    OUT_OF_MEMORY: "it took more memory than a worker has: raise memory or memory_limit in the cluster file",
    WORKER_LOST: "a crash in a library, or the system ended it, as it does when memory is short",
}


class Losses:
    """What is known of workers that were lost."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._out_of_memory: set[str] = set()
        self._unexplained: set[str] = set()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take note of what a nanny tells."""
        self._out_of_memory.add(str(message["worker"]))
        self.counts[OUT_OF_MEMORY] += 1

    def blame(self, address: str) -> str:
        """Return the state of a worker that died with a task; one that nobody explained is counted now."""
        if address in self._out_of_memory:
            return OUT_OF_MEMORY
        if address not in self._unexplained:  # several tasks may name the same one
            self._unexplained.add(address)
            self.counts[WORKER_LOST] += 1
        return WORKER_LOST
