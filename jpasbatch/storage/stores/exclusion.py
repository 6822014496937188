"""Who publishes in a store and who prunes it keep out of each other's way, without a lease that a crash leaves held.

Both sides first say that they are there, and then look whether the other one is. Stores show at once what was created,
so that at least one of the two sees the other, and ends with "try again". What a crash leaves is believed for a day.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from jpasbatch.errors import TryAgainError
from jpasbatch.storage.stores.store import Store

PUBLISHING = ".publishing"
PRUNING = ".pruning"
LEFT = ".left"
"""Folders of a collection in a store: who publishes, who prunes, and when readers could last find a version."""

BELIEVED_SECONDS = 86_400.0
"""What was said so long ago was said by somebody who is gone."""

Check = Callable[[], None]
"""Refuses to go on when others no longer believe that we are here."""


@contextmanager
def publishing(store: Store) -> Iterator[Check]:
    """Keep those who prune out of a collection within the block.

    Raises
    ------
    TryAgainError
        When somebody prunes it.
    """
    key = f"{PUBLISHING}/{uuid4().hex}"
    store.create(key, _who())
    try:
        if said := _believed(store, PRUNING, _now(store, key)):
            raise TryAgainError(f"{store} is being pruned ({said[0]}). Run the same command again.")
        yield _checking(store)
    finally:
        store.remove(key)


@contextmanager
def pruning(store: Store) -> Iterator[tuple[float, Check]]:
    """Keep those who publish, and others who prune, out of a collection within the block; yield the store's time.

    Raises
    ------
    TryAgainError
        When somebody publishes there or prunes it.
    """
    key = f"{PRUNING}/{uuid4().hex}"
    store.create(key, _who())
    try:
        now = _now(store, key)
        others = [*_believed(store, PUBLISHING, now), *_believed(store, PRUNING, now, without=key)]
        if others:
            raise TryAgainError(
                f"{store}: others publish there or prune it ({', '.join(others[:3])}). Run the same command again when "
                "they have finished; of one that was killed this is believed for a day"
            )
        yield now, _checking(store)
    finally:
        store.remove(key)


def leave(store: Store, versions: set[str]) -> None:
    """Note that readers find these versions no longer from now on: `jpasbatch prune` counts their age from here."""
    for version in sorted(versions):
        store.put(f"{LEFT}/{version}", _who())


def _believed(store: Store, folder: str, now: float, without: str = "") -> list[str]:
    """Return who says to be there, apart from those that said so too long ago."""
    young = [
        key for key, said in store.changes(folder).items() if now - said < BELIEVED_SECONDS and key != without
    ]
    return [data.decode(errors="replace") for _, data in store.read_each(young) if data is not None]


def _now(store: Store, key: str) -> float:
    return store.changes(key.partition("/")[0])[key]


def _checking(store: Store) -> Check:
    begun = time.monotonic()

    def check() -> None:
        if time.monotonic() - begun > BELIEVED_SECONDS / 2:
            raise TryAgainError(
                f"{store}: this took longer than others wait for it. Run the same command again."
            )

    return check


def _who() -> bytes:
    told = {
        "host": socket.gethostname(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "id": uuid4().hex,
    }
    return json.dumps(told, sort_keys=True).encode()
