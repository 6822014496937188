"""How a driver joins a scheduler, and waits for the first worker of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jpasbatch.compute.interruption import stop_requested
from jpasbatch.errors import TryAgainError

if TYPE_CHECKING:
    from distributed import Client, Security

LOOK_SECONDS = 0.5


@contextmanager
def joined_scheduler(
    address: str, security: Security | None, timeout: float, unanswered: str, workerless: str
) -> Iterator[Client]:
    """Join a scheduler that has a worker, and leave it at the end.

    Parameters
    ----------
    address : str
    security : distributed.Security, optional
    timeout : float
        Seconds, for the scheduler and for the first worker each.
    unanswered : str
        What to do when no scheduler answers: the end of the message.
    workerless : str
        The message when no worker comes.

    Raises
    ------
    TryAgainError
        When either does not happen in time.
    """
    import distributed

    try:
        client = distributed.Client(address, security=security, timeout=timeout)
    except (OSError, TimeoutError) as error:
        raise TryAgainError(  # it may have been killed, and be started again
            f"no scheduler answers at {address} within {timeout:g} s ({type(error).__name__}): {unanswered}",
            "SCHEDULER_LOST",
        ) from error
    with client:
        wait_for_first_worker(client, timeout, workerless)
        yield client


def wait_for_first_worker(client: Client, timeout: float, message: str) -> None:
    """Wait until a scheduler has a worker.

    Raises
    ------
    TryAgainError
        With the message, when none comes within so many seconds.
    """
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError as error:
        raise TryAgainError(message, "NO_WORKERS") from error


def wait_for_resource(client: Client, resource: str, timeout: float, message: str) -> None:
    """Wait until a worker declares a resource.

    Raises
    ------
    TryAgainError
        With the message, when none does within so many seconds.
    KeyboardInterrupt
        When the run is told to stop meanwhile.
    """
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(resource in worker.get("resources", {}) for worker in workers):
            return
        if stop_requested():
            raise KeyboardInterrupt
        time.sleep(LOOK_SECONDS)
    raise TryAgainError(message, "NO_WORKERS")
