"""What nothing reaches any more: found by name and age in a pure plan, and removed so that no half is ever seen.

A remnant goes when no pointer and no record names it, it has not changed for some days, and it is not among the
newest of its family that are kept anyway. The folder of a version is touched when the collection stops pointing at
it (`jpasbatch.storage.catalogue.collection.swap_collection`), so that its age is the time since a reader could last
have opened it, and not since it was made.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jpasbatch.storage.catalogue.ownership import VERSION, owns_margin
from jpasbatch.storage.stores.files import TEMPORARY_NAME, fsync_folder, temporary_name

LEFTOVER = ".pruned"
_LEFTOVER_NAME = re.compile(rf"{TEMPORARY_NAME.pattern.removesuffix('tmp')}{LEFTOVER[1:]}")


@dataclass(frozen=True)
class Retention:
    """What stays although nothing reaches it.

    Attributes
    ----------
    seconds : float
        What changed less than so long ago.
    newest : int
        As many of the newest unreached versions of each family.
    """

    seconds: float
    newest: int = 0


@dataclass(frozen=True)
class Remnant:
    """What is removed together or not at all.

    Attributes
    ----------
    kind : str
        What people call it, e.g. ``version``.
    paths : tuple of Path
        Files and folders, in the order in which they go.
    names : frozenset of str
        It is reached when a pointer or a record names one of them.
    changed : float
        When it last changed, seconds since 1970.
    family : str
        Group of remnants whose newest are kept; empty where age alone decides.
    """

    kind: str
    paths: tuple[Path, ...]
    names: frozenset[str]
    changed: float
    family: str = ""

    @property
    def is_leftover(self) -> bool:
        """Whether an earlier prune was killed while it removed this."""
        return self.kind == LEFTOVER


def plan_pruning(
    remnants: Iterable[Remnant], reached: Collection[str], retention: Retention, now: float
) -> list[Remnant]:
    """Return what is to be removed, sorted by path: unreached, old enough, and not kept as one of the newest.

    Parameters
    ----------
    remnants
        All that could be removed.
    reached
        Names that pointers and records name.
    retention
        What stays although nothing reaches it.
    now
        Seconds since 1970.
    """
    families: dict[str, list[Remnant]] = defaultdict(list)
    removed = []
    for remnant in remnants:
        if remnant.is_leftover:
            removed.append(remnant)
        elif remnant.names.isdisjoint(reached):
            if remnant.family:
                families[remnant.family].append(remnant)
            elif _is_old(remnant, retention, now):
                removed.append(remnant)
    for members in families.values():
        members.sort(key=lambda remnant: (remnant.changed, remnant.paths), reverse=True)
        removed += [one for one in members[retention.newest :] if _is_old(one, retention, now)]
    return sorted(removed, key=lambda remnant: remnant.paths)


def _is_old(remnant: Remnant, retention: Retention, now: float) -> bool:
    return now - remnant.changed > retention.seconds


def find_versions(folder: Path, kind: str, owns: Callable[[Path], bool]) -> Iterator[Remnant]:
    """Yield the versions in a folder: each with its margins, and with the file that describes it to readers.

    Parameters
    ----------
    folder
        Collection, or folder of committees.
    kind
        See `Remnant`.
    owns
        Whether a folder with the name of a version was made here; others are somebody else's, and so is what
        belongs to them.
    """
    for path in sorted(folder.iterdir()):
        found = VERSION.fullmatch(path.name)
        if not found or found["version"] != path.name or not path.is_dir() or not owns(path):
            continue
        described = folder / f"{path.name}.properties"
        margins = [one for one in sorted(folder.glob(f"{path.name}_*arcs")) if owns_margin(one, path.name)]
        # what describes a version to readers goes first, and last what proves that the rest is ours
        paths = (*([described] if described.is_file() else []), *margins, path)
        # the folder's own time: its files may be older versions' files under another name
        changed = max(one.lstat().st_mtime for one in paths)
        names = frozenset(one.name for one in paths)
        yield Remnant(kind, paths, names, changed, f"{folder}/{found['family']}")


def find_folders(folder: Path, kind: str, own: re.Pattern[str]) -> Iterator[Remnant]:
    """Yield the folders in a folder that have a name of ours, each with the time of the last change within it."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if own.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield Remnant(kind, (path,), frozenset({path.name}), last_change(path))


def find_hidden(folder: Path, rooms: Collection[str]) -> Iterator[Remnant]:
    """Yield temporary files and folders of crashed runs, and what a killed prune left, by the form of their names.

    Versions of catalogues are passed over: they were placed whole, and never change.

    Parameters
    ----------
    folder
        An output folder.
    rooms
        Names of the folders in it that we write to; into others nobody looks.
    """
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root) / name
            if _LEFTOVER_NAME.fullmatch(name):
                yield Remnant(LEFTOVER, (path,), frozenset(), 0.0)
            elif TEMPORARY_NAME.fullmatch(name):
                yield Remnant("temporary", (path,), frozenset({name}), last_change(path))
        folders[:] = [
            name
            for name in folders
            if (Path(root) != folder or name in rooms)
            and not any(form.fullmatch(name) for form in (VERSION, _LEFTOVER_NAME, TEMPORARY_NAME))
        ]


def last_change(path: Path) -> float:
    """Return when a file, or anything in a folder, last changed (seconds since 1970); 0 when it is gone."""
    newest = 0.0
    for found in (path, *path.rglob("*")) if path.is_dir() else (path,):
        try:
            newest = max(newest, found.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return newest


def occupied_bytes(folder: Path, without: Collection[Path] = ()) -> int:
    """Return the bytes of the files below a folder, each counted once however many names it has.

    Parameters
    ----------
    folder
    without
        Files and folders that are not counted.
    """
    left_out = set(without)
    seen: set[tuple[int, int]] = set()
    total = 0
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(root) / name not in left_out]
        for name in files:
            if Path(root) / name in left_out:
                continue
            try:
                facts = (Path(root) / name).lstat()
            except FileNotFoundError:
                continue
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                total += facts.st_size
    return total


def remove_remnants(remnants: Iterable[Remnant]) -> None:
    """Remove remnants; killed at any point, what remains of one has a hidden name and goes the next time.

    The caller holds the leases of those who write there.
    """
    for remnant in remnants:
        hidden = []
        for path in remnant.paths:
            if not path.is_dir():
                path.unlink(missing_ok=True)
            elif remnant.is_leftover:
                hidden.append(path)
            else:
                hidden.append(path.rename(temporary_name(path).with_suffix(LEFTOVER)))
        for folder in {path.parent for path in remnant.paths}:
            if folder.is_dir():
                fsync_folder(folder)
        for path in hidden:
            shutil.rmtree(path)
