"""Verb ``prune`` with ``--sky``: the same for a collection in an object store, while nobody publishes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jpasbatch.stages.keep.prune import Pruning, live_keys, named_by_records, require_output
from jpasbatch.stages.run.site import open_site
from jpasbatch.stages.run.workspace import READS, Workspace
from jpasbatch.storage.catalogue.mirror import stored_members
from jpasbatch.storage.catalogue.pruning import Remnant, Retention, plan_pruning
from jpasbatch.storage.catalogue.stored_pruning import (
    remove_objects,
    staged_without_commit,
    stored_commits,
    stored_run,
    stored_runs,
    stored_versions,
)
from jpasbatch.storage.stores.exclusion import pruning
from jpasbatch.storage.stores.store import overtaken


def prune_store(workspace: Workspace, retention: Retention, dry_run: bool = False) -> Pruning:
    """Remove what nothing reaches in the store of a workspace, and is old enough.

    Parameters
    ----------
    workspace : Workspace
        With the location of its collection.
    retention : Retention
        What stays although nothing reaches it.
    dry_run : bool
        Only say what would be removed.

    Raises
    ------
    InputError
        When there is no output folder or no collection, or a pointer or record is damaged: then nobody knows what is
        reached.
    TryAgainError
        When somebody publishes there, or prunes it.
    """
    require_output(workspace)
    with workspace.prepare():
        site = open_site(workspace)
        site.check()
        with pruning(site.store) as (now, check):
            sizes, changes, members = site.store.keys(), site.store.changes(), stored_members(site.store)
            reached = members | named_by_records(workspace)
            remnants = plan_pruning(_remnants(workspace, changes), reached, retention, now)
            if stored_members(site.store) != members:  # somebody who does not say that he is there
                raise overtaken(f"{site.store}/collection.properties")
            if not dry_run:
                remove_objects(site.store, remnants, check)
        gone = {path.as_posix() for remnant in remnants for path in remnant.paths}
        before = sum(sizes.values())
        return Pruning(remnants, before, before - sum(sizes.get(key, 0) for key in gone))


def _remnants(workspace: Workspace, changes: Mapping[str, float]) -> Iterator[Remnant]:
    """Yield everything in the store that could be removed, reached or not; what must stay in any case is left out."""
    site = open_site(workspace)
    store, known = site.store, {}
    for stage, runs in stored_runs(changes).items():
        record = workspace.record(stage) if stage in READS else None
        if record is None or "runs" not in record:
            continue  # not finished yet, or a stage of somebody else
        known |= runs
        live = live_keys(workspace, stage, site.folder)
        for name, folder in runs.items():
            if name not in record["runs"]:
                yield from stored_run(store, folder, name, changes)
            elif live is not None:
                yield from stored_commits(store, folder, live, changes)
    yield from staged_without_commit(store, known, changes)
    yield from stored_versions(store, changes)
