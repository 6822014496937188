"""The folder of fetched tables: a version that appears whole, and a link that names the current one.

tables -> tables-<fp>        what ``ingest`` and people read
tables-<fp>/<tile>.parquet   hard links to the files of the commits
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.ownership import owns_tables
from jpasbatch.storage.stores.files import fsync_folder, temporary_name

LINK = "tables"


def publish_tables(files: Mapping[str, Path], folder: Path, version: str) -> Path:
    """Publish files as one version of the folder ``tables``, and remove the versions of ours that it replaces.

    Parameters
    ----------
    files : mapping of str to Path
        Committed files by the name that each gets.
    folder : Path
        Output folder.
    version : str
        Of what they are; a version that is there already is left as it is.

    Returns
    -------
    Path
        The folder of the version.
    """
    link, target = folder / LINK, folder / f"{LINK}-{version}"
    if link.exists() and not link.is_symlink():
        raise InputError(f"{link}: is no link to fetched tables; move it away, or choose another --output")
    if not is_whole(files, target):
        shutil.rmtree(target, ignore_errors=True)
        building = temporary_name(target)
        building.mkdir()
        for name, path in files.items():
            os.link(path, building / name)
        fsync_folder(building)
        building.rename(target)
    if not link.is_symlink() or link.readlink() != Path(target.name):
        pointer = temporary_name(link)
        pointer.symlink_to(target.name)
        pointer.replace(link)
    fsync_folder(folder)
    for other in folder.glob(f"{LINK}-*"):
        if other != target and owns_tables(other):
            shutil.rmtree(other)
    return target


def is_whole(files: Mapping[str, Path], target: Path) -> bool:
    """Return whether a version holds these files, and no others."""
    if not target.is_dir() or {path.name for path in target.iterdir()} != set(files):
        return False
    return all((target / name).samefile(path) for name, path in files.items())
