"""A collection that was published on disk, published again in a store: all that its pointer reaches, and then it.

Versions never change, and their names are the hashes of what they hold: an object that is there stays, a rerun
uploads what is missing, and two who publish the same version help each other. Readers follow ``collection.properties``,
which is replaced last, in one step, and only by those who saw its last value: they see the old collection or the new.

Extensions that were made there, of the same primary catalogue (`jpasbatch infer --sky`), stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import PROVENANCE
from jpasbatch.storage.catalogue.collection import (
    POINTER,
    WRITER_LEASE,
    changed_pointer,
    collection_members,
    read_collection,
)
from jpasbatch.storage.catalogue.mirror import stored_members
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.stores.exclusion import leave, publishing
from jpasbatch.storage.stores.files import Lease
from jpasbatch.storage.stores.store import Store


@dataclass(frozen=True)
class Replica:
    """What it took to publish a collection in a store."""

    objects: int
    uploaded: int
    bytes_uploaded: int
    pointed: bool


def replicate_collection(
    collection: Path, store: Store, progress: Callable[[int, int], None] = lambda done, total: None
) -> Replica:
    """Publish what the pointer of a collection reaches in a store, and point there last.

    Memory is bounded by the largest file.

    Parameters
    ----------
    collection
        On disk; its writer's lease is held meanwhile, so that versions stay.
    store
        The collection in the store: its root holds the pointer.
    progress
        Told of objects done and in all.

    Raises
    ------
    InputError
        When a file is not what the provenance of its version says, here or in the store.
    TryAgainError
        When another process writes to the collection, replaced the pointer in the store meanwhile, or prunes it.
    """
    folder = Path(collection).resolve()
    with Lease(folder / WRITER_LEASE), publishing(store) as check:
        members = sorted(collection_members(folder))  # refuses what is no collection
        before = store.read(POINTER)
        pointer = _wanted_pointer(folder, before)
        sizes: dict[str, int] = {}
        hashes: dict[str, str] = {}
        for member in members:
            path = folder / member
            files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
            sizes |= {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}
            hashes |= _hashes(path)
        there = {key: size for member in members for key, size in _found(store, folder / member).items()}
        uploaded = moved = 0
        for done, (key, size) in enumerate(sizes.items()):
            progress(done, len(sizes))
            if key not in there:
                data = (folder / key).read_bytes()
                _check(folder / key, data, hashes.get(key))
                if store.create(key, data):
                    uploaded, moved = uploaded + 1, moved + size
                    continue
            # somebody else put it, or an earlier run: partitions must be the same, descriptions may tell another time
            if key in hashes:
                _check(f"{store}/{key}", store.read(key) or b"", hashes[key])
        progress(len(sizes), len(sizes))
        if before != pointer:
            with contextlib.suppress(InputError):  # nobody can read what is damaged, or not there
                leave(store, stored_members(store))
            check()
            store.replace(POINTER, pointer, before)
        return Replica(len(sizes), uploaded, moved, before != pointer)


def _wanted_pointer(folder: Path, before: bytes | None) -> bytes:
    """Return the pointer of the folder, with the extensions that only the store has of the same primary catalogue."""
    here = read_collection(folder)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / POINTER).write_bytes(before or b"")
        try:
            there = read_collection(Path(place)) if before else None
        except InputError:  # damaged: what is here replaces it
            there = None
    if there is None or there.hats_primary_table_url != here.hats_primary_table_url:
        return (folder / POINTER).read_bytes()
    ours, theirs = here.all_extensions or {}, there.all_extensions or {}
    if theirs.keys() <= ours.keys():
        return (folder / POINTER).read_bytes()
    return changed_pointer(folder, all_extensions={**theirs, **ours})


def _found(store: Store, member: Path) -> dict[str, int]:
    if member.is_dir():
        return store.keys(member.name)
    return {} if store.read(member.name) is None else {member.name: member.stat().st_size}


def _hashes(version: Path) -> dict[str, str]:
    """Return the SHA-256 of the partitions of a version, by key; none where it does not say (a margin)."""
    try:
        described = json.loads((version / PROVENANCE).read_bytes())["partitions"]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {
        f"{version.name}/{partition_file(record['order'], record['pixel']).as_posix()}": record["sha256"]
        for record in described
        if record["rows"]
    }


def _check(what: object, data: bytes, sha256: str | None) -> None:
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256:
        raise InputError(
            f"{what} is damaged: {len(data)} bytes with SHA-256 {found[:12]}, published were those with "
            f"{sha256[:12]}. The store points at what it did before. Restore that file, or remove it and publish again."
        )
