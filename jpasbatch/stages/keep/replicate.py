"""Verb ``replicate``: publish the collection of an output folder in an object store."""

from __future__ import annotations

import logging
import time

from jpasbatch.stages.run.workspace import Workspace, stopwatch
from jpasbatch.storage.catalogue.replica import replicate_collection
from jpasbatch.storage.stores.objects import ObjectStore

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two lines of progress."""


def replicate_job(workspace: Workspace, location: str) -> int:
    """Publish what the job's collection points at in an object store, and print what it took.

    Returns
    -------
    int
        The exit code 0; anything else is an exception.
    """
    store = ObjectStore(location)
    store.check_conditions()
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            log.info("replicate: %d of %d objects", done, total)

    with stopwatch() as elapsed:
        replica = replicate_collection(workspace.sky, store, progress)
    print(
        f"replicate {elapsed[0]:>8.1f} s  objects {replica.objects:,}, uploaded {replica.uploaded:,} "
        f"({replica.bytes_uploaded:,} bytes), {'pointed' if replica.pointed else 'up to date'} at {store}",
        flush=True,
    )
    return 0
