"""What ``jpasbatch prune`` says, of an output folder or of a store."""

from __future__ import annotations

import time
from collections import Counter

from jpasbatch.errors import InputError
from jpasbatch.stages.keep.prune import prune
from jpasbatch.stages.keep.prune_store import prune_store
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.pruning import Retention

DAY = 86_400
LISTED = ("version", "committee", "tables", "run", "staging", "building")
"""Kinds of what goes that are named, and not only counted."""


def prune_job(workspace: Workspace, keep_days: float, keep: int, dry_run: bool) -> int:
    """Prune the output folder of a job, or the store where its collection lies, and print what went.

    Returns
    -------
    int
        The exit code 0; anything else is an exception.
    """
    if not (keep_days >= 0 and keep >= 0):
        raise InputError(f"--keep-days {keep_days:g}, --keep {keep}: allowed are numbers from 0")
    where = prune_store if workspace.location else prune
    done = where(workspace, Retention(keep_days * DAY, keep), dry_run)
    for remnant in done.remnants:
        if remnant.kind in LISTED:
            names = [
                path.relative_to(workspace.folder) if path.is_absolute() else path for path in remnant.paths
            ]
            told = ", ".join(sorted(remnant.names)) if workspace.location else ", ".join(map(str, names))
            objects = f" ({len(names):,} objects)" if workspace.location else ""
            print(f"{remnant.kind:<10} {(time.time() - remnant.changed) / DAY:>6.1f} days  {told}{objects}")
    counts = Counter(remnant.kind.strip(".") for remnant in done.remnants)
    found = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items())) or "nothing"
    print(
        f"{'would remove' if dry_run else 'removed'}: {found}; {done.bytes_before:,} bytes before, "
        f"{done.bytes_after:,} {'would remain' if dry_run else 'after'}",
        flush=True,
    )
    return 0
