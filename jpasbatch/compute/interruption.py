"""An orderly stop: the first SIGINT or SIGTERM interrupts a command, a second one ends it at once.

Nothing needs to be saved when a signal comes: what is committed is whole, and what is not is computed again. So
the first signal is Python's ``KeyboardInterrupt``: no further task is submitted, what is in flight is dropped,
and the cluster is closed, which gives a running task the seconds that Dask allows it. An exception that is raised
in a destructor or in a callback of a library is lost; that a stop was asked for is therefore remembered as well,
and the runner looks at it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jpasbatch.errors import JpasbatchError, TryAgainError
from jpasbatch.log_lines import urgent_line

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# signals belong to the process, and so does what came of them
_received: list[signal.Signals] = []
_postponing: list[bool] = []


def stop_requested() -> bool:
    """Return whether this process was asked to stop."""
    return bool(_received)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Within the block, raise KeyboardInterrupt on the first SIGINT or SIGTERM, and exit on the second.

    What else goes wrong after the first one, as workers may have got the signal too, is the interruption as well.
    Only the main thread may enter the block. The former handlers are put back at its end.
    """
    former = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        with _interruption_of(0):
            yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        _received.clear()


@contextmanager
def stop_postponed() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a signal that comes within the block at its end.

    For seconds at most, in which a library would be left in a state that cannot be closed.
    """
    before = len(_received)
    _postponing.append(True)
    with _interruption_of(before):
        try:
            yield
        finally:
            _postponing.pop()
    if len(_received) > before and not _postponing:
        raise KeyboardInterrupt


@contextmanager
def _interruption_of(signals: int) -> Iterator[None]:
    """Raise KeyboardInterrupt instead of an exception that comes when more than so many signals came."""
    try:
        yield
    except JpasbatchError:
        raise
    except Exception as error:
        if len(_received) > signals:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def leave_ctrl_c_to_this_thread() -> Iterator[None]:
    """Keep SIGINT from threads and processes that are started within the block, and from what these start.

    Ctrl-C in a terminal reaches every process of the command, and only the driver decides what it means: a worker
    that it ended would be started again by its nanny, and its task be blamed. The mask is inherited.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started later, by a thread of Dask, it would lift that thread's mask
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _stop(number: int, frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    if _received:
        # os.write, because a handler may run in the middle of a print; worker processes end with this one
        os.write(2, urgent_line(f"{name} again: stopped at once; run the same command again to go on"))
        os._exit(TryAgainError.exit_code)
    _received.append(signal.Signals(number))
    os.write(2, urgent_line(f"{name}: stopping within seconds; once more stops at once"))
    if not _postponing:
        raise KeyboardInterrupt
