"""Versions of what is published: never overwritten, and a link points to the current one.

A version is a folder named by the hash of what it holds. It is written aside, flushed and renamed; then the link is
replaced by another one. Readers see the old version or the new, and never a mixture. The same contents are the same
version: it stays as it is, unless a file of it was damaged, which is then written again as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.products.publication import Version
from jpasbatch.storage.catalogue.table_catalogue import write_table_catalogue
from jpasbatch.storage.stores.files import (
    fsync_folder,
    fsync_tree,
    sha256_file,
    temporary_name,
    write_atomically,
)
from jpasbatch.storage.stores.links import point_at

RECORD = "version.json"
"""When a version was first published, and the hashes of its files."""

CATALOGUES = "catalogues"
SHORT = 12


def check_links(folder: Path, versions: Iterable[Version], recorded: Mapping[str, str]) -> None:
    """Refuse what stands in the place of a link and is not ours: a link would take its place, and it would be lost.

    A copy of a version that was published here is ours: who copies folders without their links has such files. So is
    what the last run recorded under that name.

    Parameters
    ----------
    folder : Path
        Output folder.
    versions : iterable of Version
    recorded : mapping of str to str
        Hashes of the files of the last run, by their paths in the output folder.

    Raises
    ------
    InputError
        When a folder stands there, or a file that is no copy of a version.
    """
    for version in versions:
        link = folder / version.link
        if link.is_symlink() or not link.exists():
            continue
        ours = {recorded.get(version.link), *_published_hashes(folder, version)}
        if link.is_file() and sha256_file(link) in ours:
            continue
        what = "a file that was not published here" if link.is_file() else "no file"
        raise InputError(
            f"{link}: is {what}, and stands in the place of the link to the current version; move it away, and run the "
            "same command again. Nothing was published"
        )


def _published_hashes(folder: Path, version: Version) -> set[str]:
    """Return the hashes of the linked file in all versions that are there."""
    records = (_recorded(place) for place in (folder / version.folder).glob("*"))
    return {
        record["files"][version.linked] for record in records if record and version.linked in record["files"]
    }


def publish_versions(folder: Path, versions: Iterable[Version], created: str) -> list[Path]:
    """Publish versions, and return all of their files; see `publish_version`."""
    return [path for version in versions for path in publish_version(folder, version, created)]


def publish_version(folder: Path, version: Version, created: str) -> list[Path]:
    """Publish a version below an output folder, and point at it.

    Parameters
    ----------
    folder : Path
    version : Version
    created : str
        ISO date and time, for a version that is new.

    Returns
    -------
    list of Path
        Its files, and the link.
    """
    home = folder / version.folder
    home.mkdir(parents=True, exist_ok=True)
    place = home / version.identity[:SHORT]
    recorded = _recorded(place)
    if (
        recorded is None
        or set(recorded["files"]) != set(version.files)
        or set(recorded.get(CATALOGUES, {})) != set(version.catalogues)
    ):
        _write(place, version, created)
    else:
        _mend(place, version, recorded)
    link = folder / version.link
    point_at(link, os.path.relpath(place / version.linked, link.parent))
    of_catalogues = [path for name in version.catalogues for path in _files_of(place / name)]
    return [*(place / name for name in version.files), *of_catalogues, link]


def _recorded(place: Path) -> dict[str, Any] | None:
    try:
        return json.loads((place / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def _write(place: Path, version: Version, created: str) -> None:
    aside = temporary_name(place)
    aside.mkdir()
    try:
        for name, writer in version.files.items():
            with (aside / name).open("w+b") as file:
                writer(created)(file)
        for name in version.catalogues:
            _write_catalogue(aside / name, version, created)
        (aside / RECORD).write_bytes(_record(aside, version, created))
        fsync_tree(aside)
        if place.is_dir():  # without a record that can be read it is no version
            shutil.rmtree(place)
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_folder(place.parent)


def _record(place: Path, version: Version, created: str) -> bytes:
    """Return what is recorded of a version: when it was first published, and what its files hold."""
    files = {name: sha256_file(place / name) for name in version.files}
    catalogues = {name: _hashes(place / name) for name in version.catalogues}
    content = {"created": created, "files": files} | ({CATALOGUES: catalogues} if catalogues else {})
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _write_catalogue(folder: Path, version: Version, created: str) -> None:
    description = {"list": version.linked, "version": version.identity}
    write_table_catalogue(folder, version.catalogues[folder.name](), description, created)


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a catalogue by its path within it."""
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in _files_of(folder)}


def _mend(place: Path, version: Version, recorded: dict[str, Any]) -> None:
    """Write again what is not as it was recorded."""
    created = recorded["created"]
    for name, digest in recorded["files"].items():
        if not (place / name).is_file() or sha256_file(place / name) != digest:
            content = BytesIO()
            version.files[name](created)(content)
            write_atomically(place / name, content.getvalue())
    damaged = [
        name for name, hashes in recorded.get(CATALOGUES, {}).items() if _hashes(place / name) != hashes
    ]
    for name in damaged:
        aside = temporary_name(place)
        try:
            _write_catalogue(aside / name, version, created)
            fsync_tree(aside)
            shutil.rmtree(place / name, ignore_errors=True)
            (aside / name).rename(place / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    if damaged:  # libraries that write it may be others by now
        write_atomically(place / RECORD, _record(place, version, created))
