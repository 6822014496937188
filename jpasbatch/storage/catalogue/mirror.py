"""What tells about a collection in a store, fetched into a folder: pointer, descriptions, metadata, no partition.

The folder then opens like a collection on disk (`jpasbatch.storage.catalogue.collection`), so that nothing about HATS
is written twice. Versions never change: what was fetched of one stays.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import PROVENANCE
from jpasbatch.storage.catalogue.collection import (
    POINTER,
    check_name,
    collection_members,
    joined_catalogue,
    read_collection,
)
from jpasbatch.storage.stores.files import temporary_name, write_atomically
from jpasbatch.storage.stores.store import Store, read_object

NEEDED = ("hats.properties", "partition_info.csv", "point_map.fits", "dataset/_common_metadata")
OTHERS = ("properties", PROVENANCE)


def fetch_collection(store: Store, folder: Path) -> None:
    """Bring a folder to what the pointer in a store reaches now: primary catalogue and extensions.

    An extension of which something is missing is left out, and shows when it is opened.

    Raises
    ------
    InputError
        When there is no collection in the store, or its primary catalogue is incomplete.
    """
    pointer = _read_pointer(store)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / POINTER, pointer)
    current = read_collection(folder)
    fetch_version(store, folder, current.hats_primary_table_url)
    for file in (current.all_extensions or {}).values():
        check_name(file, f"{store}/{POINTER}: the extension")
        description = store.read(file)
        if description is None:
            continue
        write_atomically(folder / file, description)
        try:
            fetch_version(store, folder, joined_catalogue(folder, file))
        except InputError:
            continue


def stored_members(store: Store) -> set[str]:
    """Return the names of the folders and objects that the pointer in a store reaches now.

    Raises
    ------
    InputError
        When there is no collection, or its pointer or the description of an extension is missing or damaged.
    """
    pointer = _read_pointer(store)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / POINTER).write_bytes(pointer)
        for file in (read_collection(Path(place)).all_extensions or {}).values():
            check_name(file, f"{store}/{POINTER}: the extension")
            (Path(place) / file).write_bytes(read_object(store, file))
        return collection_members(Path(place))


def _read_pointer(store: Store) -> bytes:
    pointer = store.read(POINTER)
    if pointer is None:
        raise InputError(
            f"{store} holds no collection: there is no {POINTER}, or no such bucket. Put one there with `jpasbatch "
            "replicate JOB.toml s3://BUCKET/PREFIX`."
        )
    return pointer


def fetch_version(store: Store, folder: Path, version: str) -> Path:
    """Fetch the metadata of a version of a catalogue, unless it is there, and return its folder.

    Raises
    ------
    InputError
        When some of it is missing in the store.
    """
    check_name(version, f"{store}/{POINTER}: the catalogue")
    target = folder / version
    if target.is_dir():
        return target
    aside = temporary_name(target)
    try:
        for file, data in store.within(version).read_each((*NEEDED, *OTHERS)):
            if data is None and file in NEEDED:
                raise InputError(
                    f"{store}/{version}/{file} is missing: the catalogue is incomplete. Replicate or publish it again."
                )
            if data is not None:
                (aside / file).parent.mkdir(parents=True, exist_ok=True)
                (aside / file).write_bytes(data)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target
