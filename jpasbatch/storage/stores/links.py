"""Further names of what is on disk: trees of hard links, and symbolic links that are replaced in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from jpasbatch.storage.stores.files import TEMPORARY_NAME, fsync_folder, temporary_name

NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP, errno.EMLINK)
"""What a file system says that knows no hard links, or has given a file as many names as it may have."""


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, or a copy where the file system knows no links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def link_tree(source: Path, target: Path) -> None:
    """Give every file below a folder (or one file) a second name below a name that is not taken.

    Files that are replaced and never written to can be kept so at no cost. Temporary files and leases are left out,
    symbolic links stay what they are. Folders keep their times, and their names are flushed to the disk.

    Parameters
    ----------
    source : Path
        A symbolic link itself is followed.
    target : Path
    """
    source = source.resolve()
    if not source.is_dir():
        link_file(source, target)
        return
    target.mkdir()
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        if TEMPORARY_NAME.fullmatch(entry.name) or entry.name == "lease" or entry.name.endswith(".lease"):
            continue
        if entry.is_symlink():
            (target / entry.name).symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            link_tree(Path(entry.path), target / entry.name)
        else:
            link_file(Path(entry.path), target / entry.name)
    shutil.copystat(source, target)
    fsync_folder(target)


def place_tree(source: Path, target: Path) -> None:
    """Place a tree of links under a name that is not taken: a reader sees nothing or the whole of it."""
    aside = temporary_name(target)
    try:
        link_tree(source, aside)
        aside.rename(target)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)
    fsync_folder(target.parent)


def point_at(link: Path, wanted: str) -> None:
    """Replace a symbolic link (or a file) by one to a target, in one step; one that points there is left alone."""
    if leads_to(link) == wanted:
        return
    aside = temporary_name(link)
    aside.symlink_to(wanted)
    try:
        aside.replace(link)
    finally:
        aside.unlink(missing_ok=True)
    fsync_folder(link.parent)


def become_link(folder: Path, wanted: str) -> None:
    """Put a symbolic link in the place of a folder, whose contents go.

    The names are exchanged in one step where the system can (Linux, but for NFS); elsewhere the name is missing between
    two steps.
    """
    aside = temporary_name(folder)
    aside.symlink_to(wanted)
    if not _exchange(aside, folder):
        second = temporary_name(folder)
        folder.rename(second)
        aside.rename(folder)
        aside = second
    fsync_folder(folder.parent)
    shutil.rmtree(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, and return whether the system could."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def leads_to(path: Path) -> str | None:
    """Return what a symbolic link holds; None for anything else, and where there is nothing."""
    return str(path.readlink()) if path.is_symlink() else None
