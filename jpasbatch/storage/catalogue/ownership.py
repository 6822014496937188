"""What is ours to remove: told by its name, and by what was written into it when it was made.

A name alone proves nothing: people keep ``gaia-0123456789ab`` beside our catalogues, and ``notes/.draft.tmp`` in an
output folder. What is not proven to be ours stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from jpasbatch.storage.stores.artefacts import FORMAT, MANIFEST

VERSION = re.compile(r"(?P<version>(?P<family>[A-Za-z0-9][A-Za-z0-9._-]*)-[0-9a-f]{12})(_[0-9a-z]+arcs)?")
"""Names of versions and of their margins."""

RUN = re.compile(r"[0-9a-f]{12}")
"""Names of folders of runs, and of what they staged."""

BUILDING_NAME = re.compile(rf"[0-9a-f]{{32}}|{VERSION.pattern}-([0-9a-f]{{12}}|margin)")
"""Names of folders in which versions are made."""

STAGED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]*-[0-9a-f]{32}\.parquet")
"""Names of staged partitions (`jpasbatch.storage.catalogue.partitions.write_partition`)."""

SOURCE = re.compile(r"[0-9a-f]{12}-[A-Za-z0-9_-]+\.parquet")
"""Names of the tables that tell which rows came from which input file."""

_OUR_BUILDER = "jpasbatch"


def owns_catalogue(version: Path) -> bool:
    """Return whether a folder is a version of a catalogue that was published here, under the name that it has now.

    A copy under another name is somebody else's.
    """
    return describes_ours(_properties(version), version.name)


def owns_margin(margin: Path, version: str) -> bool:
    """Return whether a folder is a margin of a version, by the name of the version."""
    return describes_margin(_properties(margin), margin.name, version)


def describes_ours(said: Mapping[str, str], name: str) -> bool:
    """Return whether the properties of a catalogue say that it was published here, under this name."""
    made = "jpasbatch_fingerprint" in said or said.get("hats_builder", "").startswith(_OUR_BUILDER)
    return made and said.get("obs_collection") == name


def describes_margin(said: Mapping[str, str], name: str, version: str) -> bool:
    """Return whether the properties of a catalogue say that it is a margin of a version, under this name."""
    return (
        said.get("obs_collection") == name
        and said.get("dataproduct_type") == "margin"
        and said.get("hats_primary_table_url") == version
    )


def owns_committee(version: Path) -> bool:
    """Return whether a folder is a committee that was saved here, under the name that it has now."""
    try:
        manifest = json.loads((version / MANIFEST).read_bytes())
        return manifest["format"] == FORMAT and version.name.endswith(f"-{manifest['sha256'][:12]}")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def owns_tables(version: Path) -> bool:
    """Return whether a folder is a version of fetched tables: it holds links to Parquet files, and nothing else."""
    if not VERSION.fullmatch(version.name) or version.is_symlink() or not version.is_dir():
        return False
    return all(
        path.name.endswith(".parquet") and path.is_file() and not path.is_symlink()
        for path in version.iterdir()
    )


def _properties(folder: Path) -> dict[str, str]:
    try:
        return read_properties((folder / "hats.properties").read_bytes())
    except OSError:
        return {}


def read_properties(data: bytes | None) -> dict[str, str]:
    """Return what ``hats.properties`` says; nothing where it cannot be read: then it proves nothing."""
    try:
        lines = (data or b"").decode().splitlines()
    except UnicodeDecodeError:
        return {}
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}
