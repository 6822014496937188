"""Mends a public version: its damaged files come back from the workshop, or from another version.

A damaged file has one name or several: where it was written over in place, the workshop has lost it too, and made it
again. What is made again may hold another date, so that its bytes are new; it is a new version of the same contents
then, and takes the place of the damaged one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jpasbatch.stages.run.seals import read_seals
from jpasbatch.stages.run.versions import (
    WORKSHOP,
    Version,
    contents_identity,
    current_version,
    published_records,
    read_versions,
)
from jpasbatch.stages.run.workshop import SKY, keep_version, publish_version
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import POINTER, collection_members
from jpasbatch.storage.stores.files import fsync_folder, sha256_file, temporary_name
from jpasbatch.storage.stores.links import link_file
from jpasbatch.storage.stores.seals import Fault

Faults = dict[str, list[Fault]]


def version_faults(workspace: Workspace, version: Version, thorough: bool = True) -> Faults:
    """Return the damaged files of a version, by the stage that wrote them."""
    there = replace(workspace, folder=version.folder)
    found = {stage: there.faults(stage, thorough) for stage in published_records(there)}
    return {stage: faults for stage, faults in found.items() if faults}


def mend_public(workspace: Workspace, workshop: Workspace, thorough: bool = True) -> tuple[Faults, Faults]:
    """Find the damaged files of the public version, and replace them by whole copies from elsewhere.

    Parameters
    ----------
    workspace : Workspace
        The output folder; its lease is held.
    workshop : Workspace
        With nothing damaged in it.
    thorough : bool
        Whether every byte is hashed, or only looked at.

    Returns
    -------
    (dict, dict)
        What was damaged, and what still is.
    """
    version = current_version(workspace.folder)
    before = {} if version is None else version_faults(workspace, version, thorough)
    if version is None or not before:
        return {}, {}
    there = replace(workspace, folder=version.folder)
    for stage, faults in before.items():
        seals = read_seals(version.folder, stage, there.record(stage) or {}) or {}
        for fault in faults:
            if fault.path in seals:
                _bring_back(workspace, version, fault.path, seals[fault.path].sha256)
    left = version_faults(workspace, version, thorough)
    records = published_records(workshop)
    if left and contents_identity(records) == version.identity:
        _bring_catalogues_back(workshop.sky, workspace.folder / SKY)
        version = publish_version(workspace.folder, keep_version(workspace, workshop, version.identity))
        left = version_faults(workspace, version, thorough)
    return before, left


def _bring_back(workspace: Workspace, version: Version, name: str, sha256: str) -> None:
    """Replace a damaged file by a whole copy, if there is one."""
    others = [one.folder for one in read_versions(workspace.folder) if one.is_there]
    for source in (one / name for one in (workspace.folder / WORKSHOP, *others)):
        if source.is_file() and sha256_file(source) == sha256:
            in_sky = name.startswith(f"{SKY}/") and name != f"{SKY}/{POINTER}"
            _replace((workspace.folder if in_sky else version.folder) / name, source)
            return


def _replace(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = temporary_name(target)
    try:
        link_file(source.resolve(), aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    fsync_folder(target.parent)


def _bring_catalogues_back(source: Path, target: Path) -> None:
    """Let the catalogues that a collection points at be the same elsewhere, file by file."""
    for member in sorted(collection_members(source)) if (source / POINTER).is_file() else ():
        for file in _files(source / member):
            other = target / file.relative_to(source)
            if not other.is_file() or sha256_file(other) != sha256_file(file):
                _replace(other, file)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (one for one in sorted(path.rglob("*")) if one.is_file())
