"""How a driver joins a scheduler, and waits for the first worker of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jpasbatch.errors import TryAgainError

if TYPE_CHECKING:
    from distributed import Client, Security


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
