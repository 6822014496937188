"""The command line, with pauses where a crash hurts most: a wrapper, so that the package needs no hooks.

Workers import this module by its name; only `main`, in the driver, changes anything.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from jpasbatch import cli
from jpasbatch.stages.run import commits
from jpasbatch.storage.catalogue import assembly as catalogue_assembly
from jpasbatch.storage.catalogue import publication as catalogue_publication
from jpasbatch.storage.catalogue import stored as catalogue_stored
from jpasbatch.storage.stores import files
from jpasbatch.storage.stores.ledger import Ledger

PAUSE = 0.15  # seconds
COMMIT = commits.commit_task


def after_a_pause(function: Callable[..., Any]) -> Callable[..., Any]:
    def paused(*arguments: Any, **options: Any) -> Any:
        time.sleep(PAUSE)
        return function(*arguments, **options)

    return paused


def slow_commit(run: commits.Run, function: Callable[..., Any], key: str, arguments: tuple) -> dict[str, Any]:
    """Run a task; pause before each step of its commit, and after it."""
    with (
        patch.object(files, "fsync_file", after_a_pause(files.fsync_file)),
        patch.object(files, "fsync_folder", after_a_pause(files.fsync_folder)),
        patch.object(Ledger, "commit", after_a_pause(Ledger.commit)),
    ):
        result = COMMIT(run, function, key, arguments)
    time.sleep(PAUSE)
    return result


def main(arguments: Sequence[str]) -> int:
    """Run a command with slow partitions and a slow publication."""
    commits.commit_task = slow_commit
    steps = {
        catalogue_assembly: ("link_partitions", "write_metadata", "place_version"),
        catalogue_publication: ("register_extension", "swap_collection"),
        catalogue_stored: ("write_metadata", "put_metadata", "fetch_version", "_swap_pointer"),
    }
    for module, names in steps.items():
        for name in names:
            setattr(module, name, after_a_pause(getattr(module, name)))
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
