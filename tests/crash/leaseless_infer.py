"""The slow command, on a file system whose locks keep nobody out: two hosts, or a network file system without flock."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import hats.io.validation  # noqa: F401 (what takes long before all of them begin)

from jpasbatch.storage.stores.files import Lease
from tests.crash import slow_infer

DRIVERS = 3
PATIENCE = 60.0


def main(arguments: Sequence[str]) -> int:
    """Run a command that takes every lease to be free, as soon as the other drivers are there."""
    Lease.__enter__ = lambda lease: lease  # type: ignore[method-assign]
    Lease.__exit__ = lambda *_: None  # type: ignore[method-assign]
    folder = Path(arguments[arguments.index("--output") + 1])
    (folder / f"arrived-{os.getpid()}").touch()
    deadline = time.monotonic() + PATIENCE
    while len(list(folder.glob("arrived-*"))) < DRIVERS:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return slow_infer.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
