"""Worker processes on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor, Seconds
from jpasbatch.compute.clusters.security import own_security
from jpasbatch.compute.clusters.watching import Watched
from jpasbatch.compute.clusters.worker_settings import driver_settings
from jpasbatch.compute.interruption import leave_ctrl_c_to_this_thread, stop_postponed, stop_requested
from jpasbatch.errors import TryAgainError
from jpasbatch.options import Matches

if TYPE_CHECKING:
    import distributed
    from distributed import Client

# One thread a worker: a task that kills its worker then takes no innocent neighbour along, and the
# threads of the inference runtime never outnumber the cores.
THREADS_PER_WORKER = 1

MemoryLimit = Annotated[str, Matches(r"auto|\d+(\.\d+)? ?([kMGT]i?B|B)", "'auto', or like '4 GiB'")]


@dataclass(frozen=True)
class LocalCluster(Watched):
    """Worker processes on this machine, reachable from this machine only, and by this run only.

    Attributes
    ----------
    workers : int
        Number of worker processes, of one thread each.
    memory_limit : str
        Memory of one worker at which it is restarted, such as ``"4 GiB"``; ``"auto"`` shares the machine.
    resources : dict of str to float
        What each worker offers, such as ``{GPU = 1}``; training asks for ``GPU`` where it is declared.
    no_workers_timeout : float
        Seconds after which a run gives up (exit code 75) when no worker is left.
    """

    kind: Literal["local"] = "local"
    workers: Annotated[int, Ge(1)] = 2
    memory_limit: MemoryLimit = "auto"
    resources: dict[str, float] = field(default_factory=dict)
    no_workers_timeout: Seconds = 60.0

    def describe(self) -> Description:
        """Return what `open` would start."""
        plural = "" if self.workers == 1 else "es"
        memory = "sharing its memory" if self.memory_limit == "auto" else f"of {self.memory_limit} each"
        return Description(
            self.kind, self.workers, f"{self.workers} worker process{plural} on this machine, {memory}"
        )

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Start the workers, and stop them at the end.

        Raises
        ------
        TryAgainError
            When they do not start.
        """
        with _start_client(self) as client:
            yield Executor(client, dict(self.resources), self.no_workers_timeout)


@contextmanager
def _start_client(options: LocalCluster) -> Iterator[Client]:
    import distributed
    from dask import config

    settings = {**driver_settings(options.no_workers_timeout), **options.page_settings()}
    with config.set(settings), ExitStack() as stack:
        with stop_postponed(), leave_ctrl_c_to_this_thread():  # Dask cannot close what is still starting
            stack.enter_context(cluster := _start_local(options))
            client = stack.enter_context(distributed.Client(cluster))
        try:
            options.tell_dashboard(client)
            yield client
        finally:
            with stop_postponed():
                stack.close()


def _start_local(options: LocalCluster) -> distributed.LocalCluster:
    import distributed

    try:
        return distributed.LocalCluster(
            n_workers=options.workers,
            threads_per_worker=THREADS_PER_WORKER,
            processes=True,
            host="127.0.0.1",
            security=own_security(),
            scheduler_kwargs=options.scheduler_options(),
            memory_limit=options.memory_limit,
            resources=options.resources or None,
        )
    except RuntimeError as error:  # a worker died while it started
        if stop_requested():
            raise
        raise TryAgainError(
            f"the local workers did not start ({error}); see that there is memory for {options.workers}, and run "
            "the same command again",
            "NO_WORKERS",
        ) from error
