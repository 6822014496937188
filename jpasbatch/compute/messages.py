"""Small messages from tasks that still run to the driver that waits for them.

They go the way of Dask's own events, within the connections that are there: no port is opened for them. They are for
people who wait. Nothing is decided by them, and one that is lost harms nothing.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jpasbatch.compute.clusters.executor import Executor

log = logging.getLogger(__name__)

Message = dict[str, Any]
Listener = Callable[[Message], None]

_LISTENERS: dict[str, Listener] = {}
"""Who listens within this process, by topic: tasks that run serially need no cluster to be heard."""


def send(topic: str, message: Message) -> None:
    """Send a message from within a task; nothing happens where nobody listens.

    Parameters
    ----------
    topic : str
        On which the driver listens.
    message : dict
        Texts and numbers; under a kilobyte.
    """
    if topic in _LISTENERS:
        _hear(_LISTENERS[topic], message)
        return
    distributed = sys.modules.get("distributed")  # a process that did not import it is no worker
    if distributed is None:
        return
    try:
        distributed.get_worker().log_event(topic, message)
    except Exception as error:  # no task of a worker, or one whose scheduler is lost: the task goes on
        log.debug("a message on %s was not sent: %s", topic, error)


@contextlib.contextmanager
def listening(executor: Executor, topic: str, listener: Listener) -> Iterator[None]:
    """Listen, within the block, to what the tasks of an executor send.

    Parameters
    ----------
    executor : Executor
    topic : str
        That no other run of the cluster has.
    listener : callable
        Called with each message; with a cluster in another thread, so that it must be short and wait for nothing.
    """
    client = executor.client
    if client is None:
        _LISTENERS[topic] = listener
        try:
            yield
        finally:
            _LISTENERS.pop(topic, None)
        return
    client.subscribe_topic(topic, lambda event: _hear(listener, event[1]))
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # a scheduler that is lost has no subscribers either
            client.unsubscribe_topic(topic)


def _hear(listener: Listener, message: Message) -> None:
    try:
        listener(message)
    except Exception as error:  # of another version of this software, perhaps; it is worth no run
        log.debug("a message was not understood: %r (%s)", message, error)
