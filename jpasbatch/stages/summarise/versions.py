"""Versions of what is published: never overwritten, and a link points to the current one.

A version is a folder named by the hash of what it holds. It is written aside, flushed and renamed; then the link is
replaced by another one. Readers see the old version or the new, and never a mixture. The same contents are the same
version: it stays as it is, unless a file of it was damaged, which is then written again as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from jpasbatch.products.publication import Version
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

SHORT = 12


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
    if recorded is None or set(recorded["files"]) != set(version.files):
        _write(place, version, created)
    else:
        for name, digest in recorded["files"].items():
            if not (place / name).is_file() or sha256_file(place / name) != digest:
                _mend(place / name, version, recorded["created"])
    link = folder / version.link
    point_at(link, os.path.relpath(place / version.linked, link.parent))
    return [*(place / name for name in version.files), link]


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
        files = {name: sha256_file(aside / name) for name in version.files}
        text = json.dumps({"created": created, "files": files}, indent=1, sort_keys=True)
        (aside / RECORD).write_text(text + "\n", encoding="utf-8")
        fsync_tree(aside)
        if place.is_dir():  # without a record that can be read it is no version
            shutil.rmtree(place)
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    fsync_folder(place.parent)


def _mend(file: Path, version: Version, created: str) -> None:
    content = BytesIO()
    version.files[file.name](created)(content)
    write_atomically(file, content.getvalue())
