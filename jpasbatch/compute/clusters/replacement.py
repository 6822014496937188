"""Jobs of workers that end before the run does: they are seen, told, and asked for again up to a limit.

A job ends for many reasons that no task is to blame for: its wall time, an operator, a node that is drained, another
job that goes before. Dask sees a worker that died, and after a few of them gives the task up that it ran.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from jpasbatch.compute.clusters.slurm_queue import LIVING
from jpasbatch.compute.losses import WORKER_LOST, Losses

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""Between two questions to the queue: few enough for the one who keeps it."""

DOUBT_SECONDS = 20.0
"""Within which it is known whether a worker that died comes back in its job, or the job ended."""

ENDING = "COMPLETING"
"""State of a job that is being ended; why it ends is told after."""

SETTLE_SECONDS = 10.0
"""Within which a job that is being ended mostly has ended."""


class Replacement:
    """Looks after the jobs of a cluster, in a thread of its own.

    Parameters
    ----------
    cluster : distributed.SpecCluster
        Whose workers have a ``job_id``.
    queued_jobs : callable
        Returns the state of each job by its number, or None when that is not known: one of `LIVING` where it waits or
        runs. A job that it does not name is gone.
    limit : int
        How many jobs are asked for beyond the first ones, in the whole run.
    """

    def __init__(self, cluster: Any, queued_jobs: Callable[[], dict[str, str] | None], limit: int) -> None:
        self._cluster, self._queued_jobs, self._limit = cluster, queued_jobs, limit
        self._ended: dict[str, tuple[float, str, str]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self.asked = 0
        """Jobs that were asked for again."""
        self.losses = Losses()

    def __enter__(self) -> Replacement:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def departed(self, worker: str) -> str:
        """Return the state of the job of a worker that died, where that job ended; empty where the job goes on.

        Parameters
        ----------
        worker : str
            Its name.
        """
        job = self._job(worker)
        limit = time.monotonic() + DOUBT_SECONDS
        state = ""
        while time.monotonic() < limit:
            state = self._end_of(job)
            if state not in ("", ENDING):
                return state
            workers = self._cluster.scheduler_info["workers"].values()
            if not state and any(str(one["name"]) == worker for one in workers):
                return ""  # its nanny started it again
            time.sleep(1)
        return state

    def _end_of(self, job: str) -> str:
        """Return the state of a job that ended, not long ago if another one was asked for since; else nothing."""
        when, state, number = self._ended.get(job, (float("-inf"), "", ""))
        if time.monotonic() - when < 2 * DOUBT_SECONDS + LOOK_SECONDS:
            if state != ENDING:
                return state
        elif (holder := self._cluster.workers.get(job)) is not None:
            number = holder.job_id
        else:
            return ""
        queued = self._queued_jobs()
        if queued is None:
            return ""
        now = queued.get(number, WORKER_LOST)
        return "" if now in LIVING else now

    def _job(self, worker: str) -> str:
        """Return the name of the job of a worker: several workers of a job have a number behind it."""
        return worker if worker in self._cluster.worker_spec else worker.rpartition("-")[0]

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception as error:  # the run is worth more than the count of its workers
                log.warning("jobs could not be looked after (%s: %s)", type(error).__name__, error)

    def _look(self) -> None:
        known = dict(
            self._cluster.workers
        )  # before the queue is asked: what is submitted later is not missed
        queued = self._queued_jobs()
        if queued is None or self._over.is_set():
            return
        lost = [name for name, job in known.items() if queued.get(job.job_id) not in LIVING]
        if not lost:
            return
        states = self._ends({name: known[name].job_id for name in lost}, queued)
        self.losses.counts.update(states.values())
        for name in lost:
            self._ended[name] = (time.monotonic(), states[name], known[name].job_id)
        again = lost[: max(self._limit - self.asked, 0)]
        self.asked += len(again)
        numbers = ", ".join(f"{known[name].job_id} ({states[name]})" for name in lost)
        log.warning("jobs that ended: %s; asked for again: %d of %d so far", numbers, self.asked, self._limit)
        if len(again) < len(lost):
            log.warning(
                "no more jobs are asked for (replacements = %d): the run goes on with the workers that are left",
                self._limit,
            )
        self._cluster.sync(self._ask, lost, again)

    def _ends(self, numbers: dict[str, str], queued: dict[str, str]) -> dict[str, str]:
        """Return the states of jobs that ended, by their names; those that are still being ended are waited for."""
        limit = time.monotonic() + SETTLE_SECONDS
        while True:
            states = {name: queued.get(number, WORKER_LOST) for name, number in numbers.items()}
            if ENDING not in states.values() or time.monotonic() > limit or self._over.wait(1.0):
                return states
            queued = self._queued_jobs() or queued

    async def _ask(self, lost: list[str], again: list[str]) -> None:
        for name in lost:
            job = self._cluster.workers.pop(name, None)
            if job is not None:
                await job.close()
            if name not in again:
                self._cluster.worker_spec.pop(name, None)
        await self._cluster._correct_state()  # opens what the specification has and the cluster lacks
