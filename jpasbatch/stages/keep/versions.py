"""What `prune` removes of the versions of a job with gates: old ones that are neither public nor held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from jpasbatch.stages.run.versions import VERSIONS, WAITING, read_versions
from jpasbatch.stages.run.workshop import SKY, WORK
from jpasbatch.storage.catalogue.collection import POINTER, collection_members
from jpasbatch.storage.catalogue.ownership import owns_catalogue
from jpasbatch.storage.catalogue.pruning import (
    Remnant,
    Retention,
    find_hidden,
    find_versions,
    plan_pruning,
)


def plan_versions(folder: Path, retention: Retention, now: float) -> list[Remnant]:
    """Return what is to be removed of an output folder beside its workshop.

    Catalogues in ``sky/`` stay as long as any version that is there reaches them; the register stays for ever.

    Parameters
    ----------
    folder : Path
        An output folder with versions, whose lease is held.
    retention : Retention
    now : float
        Seconds since 1970.
    """
    versions = [one for one in read_versions(folder) if one.is_there]
    remnants = [
        Remnant("version", (one.folder,), frozenset({one.folder.name}), _changed(one.events[-1]), VERSIONS)
        for one in versions
    ]
    live = {one.folder.name for one in versions if one.current or one.state in WAITING}
    going = plan_pruning(remnants, live, retention, now)
    gone = {path for remnant in going for path in remnant.paths}
    reached: set[str] = set()
    for one in versions:
        if one.folder not in gone and (one.folder / SKY / POINTER).is_file():
            reached |= collection_members(one.folder / SKY)
    catalogues = find_versions(folder / SKY, "version", owns_catalogue) if (folder / SKY).is_dir() else ()
    return [*going, *plan_pruning([*catalogues, *_hidden(folder)], reached, retention, now)]


def _hidden(folder: Path) -> Iterator[Remnant]:
    """Yield temporary files and what a killed prune left, but for those of the workshop."""
    yield from find_hidden(folder, {VERSIONS, SKY})
    yield from find_hidden(folder / WORK, {"history"})


def _changed(event: dict[str, str]) -> float:
    return datetime.fromisoformat(event["when"]).timestamp()
