"""What runs tasks, and what a kind of cluster is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol, cast

from annotated_types import Interval

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.security import NO_PAGES
from jpasbatch.compute.losses import Losses
from jpasbatch.compute.meter import Display

if TYPE_CHECKING:
    from distributed import Client

Seconds = Annotated[float, Interval(gt=0, le=86_400)]
"""A time that a cluster may wait: up to a day."""

NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Options of a scheduler without status pages, which take 0.6 s to import, and which every user could read.

A port has to be named: Dask warns where its default one is taken.
"""


def _none_departed(worker: str) -> str:
    return ""


def _none_larger(step: int) -> None:
    return None


@dataclass(frozen=True)
class Executor:
    """What runs tasks: a Dask client, or nothing (then this process does).

    Attributes
    ----------
    client : distributed.Client or None
        None runs every task in this process, in order.
    resources : dict of str to float
        What each worker declares.
    no_workers_timeout : float
        Seconds without any worker after which the run gives up.
    displays : tuple of Display
        Where progress is shown, beside the terminal or the log.
    threads : int
        Without a client: how many tasks this process runs at the same time, for tasks that wait for a service.
    departed : callable
        State of the job of a worker that died, by the worker's name, where that job ended; empty where it goes on. It
        may take some seconds.
    larger : callable
        What a task is to ask of its worker after it was given more memory so many times; None where there is no more.
    losses : Losses
        Workers that were lost, by state.
    """

    client: Client | None
    resources: dict[str, float]
    no_workers_timeout: float
    displays: tuple[Display, ...] = ()
    threads: int = 1
    departed: Callable[[str], str] = _none_departed
    larger: Callable[[int], dict[str, float] | None] = _none_larger
    losses: Losses = field(default_factory=Losses)

    def request(self, resource: str) -> dict[str, float] | None:
        """Return the request for one unit of a resource, or None where no worker declares it."""
        return {resource: 1} if resource in self.resources else None

    def count_workers(self) -> int:
        """Return how many workers there are now; threads in this process, 0 when the scheduler does not answer."""
        if self.client is None:
            return self.threads
        try:
            return len(cast(dict, self.client.nthreads()))
        except Exception:  # a lost scheduler shows in many ways; the runner finds out by itself
            return 0


class Cluster(Protocol):
    """A kind of cluster with its options: a frozen dataclass, which a cluster file (``deploy/*.toml``) fills."""

    @property
    def kind(self) -> str:
        """Name in cluster files."""
        ...

    def describe(self) -> Description:
        """Return what `open` would start; no network and no queue is asked, and nothing is written."""
        ...

    def open(self) -> AbstractContextManager[Executor]:
        """Start or join the cluster, and leave it at the end.

        Raises
        ------
        InputError
            When the options are wrong.
        TryAgainError
            When no scheduler answers, or the cluster has no worker at present.
        """
        ...


@contextmanager
def borrow_client(executor: Executor) -> Iterator[Client]:
    """Yield a client for a library that needs one: the executor's, or one within this process."""
    if executor.client is not None:
        yield executor.client
        return
    import distributed
    from dask import config

    # it speaks within the process: nobody else can connect
    with (
        config.set(NO_PAGES),
        distributed.Client(
            processes=False,
            n_workers=1,
            threads_per_worker=1,
            scheduler_kwargs=NO_DASHBOARD,
            worker_dashboard_address="127.0.0.1:0",  # a worker within a process would listen on every interface
        ) as client,
    ):  # the default one while it is lent: hats-import looks for it there as well
        yield client
