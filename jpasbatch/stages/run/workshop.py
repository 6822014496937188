"""From the workshop of a job to what is public: a version is kept whole, and one link makes it what everybody reads.

See `jpasbatch.stages.run.versions` for the layout.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jpasbatch.stages.run.history import HISTORY
from jpasbatch.stages.run.seals import BESIDE, SEALS, read_seals
from jpasbatch.stages.run.versions import (
    CURRENT,
    HELD,
    VERSIONS,
    WORKSHOP,
    Version,
    contents_identity,
    current_number,
    note,
    published_records,
    read_versions,
)
from jpasbatch.stages.run.workspace import READS, Workspace
from jpasbatch.storage.catalogue.collection import POINTER, collection_members
from jpasbatch.storage.stores.files import fsync_folder, temporary_name
from jpasbatch.storage.stores.links import become_link, leads_to, link_file, link_tree, place_tree, point_at

SKY, WORK = "sky", "work"
OURS = re.compile(
    r"tables(-[0-9a-f]+)?|mock|sky|committee|evaluation|counts|targets|expected|reliability|report\.html"
    r"|summary\.json|report|provenance\.json|quarantine|duplicates|work"
    r"|zero_points\.(ecsv|parquet)"
)
"""Names in an output folder that stages write; what else lies there is the user's."""

STAYING = ("lease", "history", "logs", "workshop", "mirror")
"""What in ``work/`` belongs to the output folder, whatever version is public."""


def open_workshop(workspace: Workspace) -> Workspace:
    """Return the workshop in which the stages of a job with gates run; make it of the output folder if it is missing.

    What the folder published before it had gates becomes its first version. The caller holds its lease.
    """
    folder = workspace.folder
    place = folder / WORKSHOP
    (folder / HISTORY).mkdir(parents=True, exist_ok=True)
    (folder / VERSIONS).mkdir(exist_ok=True)
    if not place.is_dir():
        _make_workshop(folder, place)
    workshop = replace(workspace, folder=place)
    if workspace.job.gates.zero_point is None:  # what an earlier gate measured is of another catalogue
        for name in (*BESIDE["inspect"], f"{WORK}/inspect.json", f"{SEALS}/inspect.json"):
            (place / name).unlink(missing_ok=True)
    if current_number(folder) is None and not read_versions(folder):
        records = published_records(workspace)  # and not those of the workshop, which no gate has seen
        if records:
            first = keep_version(workspace, workshop, contents_identity(records))
            publish_version(folder, first)
    if current_number(folder) is not None:
        _settle(folder)
    return workshop


def _make_workshop(folder: Path, place: Path) -> None:
    aside = temporary_name(place)
    try:
        (aside / WORK).mkdir(parents=True)
        for entry in sorted(folder.iterdir()):
            if OURS.fullmatch(entry.name) and entry.name != WORK and entry.exists():
                _take(folder, entry.name, aside)
        for entry in sorted((folder / WORK).iterdir()):
            if entry.name not in STAYING and not entry.name.startswith(".") and entry.exists():
                _take(folder, f"{WORK}/{entry.name}", aside)
        if (aside / SKY / POINTER).is_symlink():
            (aside / SKY / POINTER).unlink()
            _take(folder, f"{SKY}/{POINTER}", aside)
        (aside / HISTORY).symlink_to("../../history")
        fsync_folder(aside / WORK)
        fsync_folder(aside)
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_folder(place.parent)


def _take(folder: Path, name: str, target: Path) -> None:
    """Copy a file or folder of an output folder into another folder; links through the current version are followed."""
    path = folder / name
    if leads_to(path) == _through(name):
        path = folder / CURRENT / name
    if path.is_symlink():
        (target / name).symlink_to(path.readlink())
    else:
        link_tree(path, target / name)


def keep_version(workspace: Workspace, workshop: Workspace, identity: str) -> Version:
    """Keep what the workshop holds now as a new version that nobody reads yet, and return it."""
    folder = workspace.folder
    number = 1 + max((one.number for one in read_versions(folder)), default=0)
    place = folder / VERSIONS / str(number)
    if place.exists():  # of a run that was killed before it was registered
        shutil.rmtree(place)
    _place_catalogues(workshop.sky, folder / SKY)
    aside = temporary_name(place)
    try:
        aside.mkdir()
        _fill(workshop, aside)
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_folder(place.parent)
    return note(folder, Version(number, identity, place, ()), "made")


def _place_catalogues(source: Path, target: Path) -> None:
    """Place the catalogues that a collection points at beside those of other versions."""
    if not (source / POINTER).is_file():
        return
    target.mkdir(exist_ok=True)
    for member in sorted(collection_members(source)):
        if not (target / member).exists():
            place_tree(source / member, target / member)


def _fill(workshop: Workspace, aside: Path) -> None:
    for entry in sorted(workshop.folder.iterdir()):
        if entry.name in (SKY, WORK) or entry.name.startswith("."):
            continue
        _take(workshop.folder, entry.name, aside)
    (aside / WORK).mkdir()
    for stage, record in published_records(workshop).items():
        link_file(workshop.folder / WORK / f"{stage}.json", aside / WORK / f"{stage}.json")
        for name in read_seals(workshop.folder, stage, record) or {}:
            if name.startswith(f"{WORK}/") and (workshop.folder / name).is_file():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                link_file(workshop.folder / name, aside / name)
    if (workshop.folder / SEALS).is_dir():
        link_tree(workshop.folder / SEALS, aside / SEALS)
    if (workshop.sky / POINTER).is_file():
        (aside / SKY).mkdir()
        link_file(workshop.sky / POINTER, aside / SKY / POINTER)
        for member in sorted(collection_members(workshop.sky)):
            (aside / SKY / member).symlink_to(f"../../../{SKY}/{member}")
        fsync_folder(aside / SKY)
    for place, _, _ in os.walk(aside):
        fsync_folder(Path(place))


def publish_version(folder: Path, version: Version) -> Version:
    """Make a version public, in one step: whoever reads sees all of the old one, or all of the new one.

    Links to names that are new lead nowhere until then. The caller holds the lease of the output folder.
    """
    _place_links(folder, version.folder)
    if (folder / SKY / POINTER).is_file():
        for member in collection_members(folder / SKY):  # `prune` counts its age from now
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder / SKY / member)
    point_at(folder / CURRENT, str(version.number))
    if leads_to(folder / HELD) == str(version.number):
        (folder / HELD).unlink()
    _settle(folder)
    return note(folder, replace(version, current=True), "published")


def hold_version(folder: Path, version: Version, why: list[str]) -> Version:
    """Let a version wait, and write down why."""
    if version.state != "held" or version.last("held").get("why") != why:
        version = note(folder, version, "held", why=why)
    point_at(folder / HELD, str(version.number))
    return version


def drop_version(folder: Path, version: Version, what: str, **more: Any) -> Version:
    """Let a version wait no longer: it was discarded, or superseded by another one. `prune` removes its files."""
    if leads_to(folder / HELD) == str(version.number):
        (folder / HELD).unlink()
        fsync_folder(folder / VERSIONS)
    return note(folder, version, what, **more)


def _names(version: Path) -> Iterator[str]:
    """Yield the names through which a version is read, relative to the output folder."""
    for entry in version.iterdir():
        if entry.name not in (SKY, WORK):
            yield entry.name
    yield from (f"{WORK}/{entry.name}" for entry in (version / WORK).iterdir())
    if (version / SKY / POINTER).is_file():
        yield f"{SKY}/{POINTER}"


def _through(name: str) -> str:
    return "../" * name.count("/") + f"{CURRENT}/{name}"


def _place_links(folder: Path, version: Path) -> None:
    """Place links through the current version where there is no name yet."""
    for name in _names(version):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_symlink() and not path.exists():
            point_at(path, _through(name))


def _settle(folder: Path) -> None:
    """Make every name a link through the current version, and remove names that this version does not have.

    What was published before there were versions is the same as the first one, name by name.
    """
    wanted = set(_names(folder / CURRENT))
    for name in sorted(wanted):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            become_link(path, _through(name))
        else:
            point_at(path, _through(name))
    for name in _unwanted(folder, wanted):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _unwanted(folder: Path, wanted: set[str]) -> list[str]:
    """Return links through a version that lead nowhere, and what the workshop has taken over."""
    found = []
    for path in (*folder.iterdir(), *(folder / WORK).iterdir(), folder / SKY / POINTER):
        name = path.relative_to(folder).as_posix()
        if leads_to(path) == _through(name) and name not in wanted:
            found.append(name)
    for stage in READS:  # runs of stages go on in the workshop
        path = folder / WORK / stage
        if path.is_dir() and not path.is_symlink() and f"{WORK}/{stage}" not in wanted:
            found.append(f"{WORK}/{stage}")
    for name in (f"{SKY}/.staging", f"{SKY}/.building"):
        if (folder / name).is_dir():
            found.append(name)
    return found
