"""Staged objects and their records in, an immutable extension of a collection in a store out.

As `jpasbatch.storage.catalogue.publication` on disk: from the records alone, everything verified before anything is
visible, the pointer last. What differs is how. Objects are copied by the server to their names in the version, and each
copy is read once and verified. No lease is needed: versions are named by their contents, so that two who publish the
same put the same, and the pointer is replaced only by those who saw its last value. Only `jpasbatch prune` is kept out
(`jpasbatch.storage.stores.exclusion`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.storage.catalogue.assembly import (
    Assembly,
    count_cells,
    source_path,
    staged_file_missing,
    verify_partition,
    write_metadata,
)
from jpasbatch.storage.catalogue.collection import (
    BUILDING,
    POINTER,
    changed_pointer,
    check_name,
    collection_members,
    open_catalogue,
    read_collection,
)
from jpasbatch.storage.catalogue.mirror import fetch_collection, fetch_version
from jpasbatch.storage.catalogue.partition_facts import Partition, PartitionFacts
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.catalogue.publication import describe_extension, extension_assembly
from jpasbatch.storage.catalogue.validation import check_catalogue
from jpasbatch.storage.stores.exclusion import leave, publishing
from jpasbatch.storage.stores.files import naming, remove_if_empty, write_atomically
from jpasbatch.storage.stores.store import Store, overtaken

AT_ONCE = 4
"""Partitions that are copied and verified at the same time, each in memory once."""

_DATES = (b"hats_creation_date=",)
_END_OF_PARQUET = 8
_MAGIC = b"PAR1"


def publish_stored_extension(
    store: Store,
    mirror: Path,
    name: str,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    provenance: Mapping[str, Any],
    expected_rows: int,
) -> str:
    """Publish partitions as a new version of an extension in a store, and point the collection at it.

    Parameters
    ----------
    store
        The collection: its root holds the pointer. Paths of records are relative to it.
    mirror
        Folder of `jpasbatch.storage.catalogue.mirror.fetch_collection`; kept up to date.
    name, partitions, schema, provenance, expected_rows
        As of `jpasbatch.storage.catalogue.publication.publish_extension`.

    Returns
    -------
    str
        Name of the version: that of the same partitions on disk.

    Raises
    ------
    InputError
        As there. Readers see what they did before then.
    TryAgainError
        When another writer pointed the collection at another primary catalogue meanwhile, or at anything else in the
        moment of the swap, or somebody prunes it.
    """
    check_name(name, "Extension name")
    seen = _pointer_now(store, mirror)
    assembly = extension_assembly(mirror, partitions, schema, provenance, expected_rows)
    version = assembly.version(name)
    current = (read_collection(mirror).all_extensions or {}).values()
    # nobody prunes what is reached, and nothing may be left to write
    reached = f"{version}.properties" in current
    with nullcontext(lambda: None) if reached else publishing(store) as check:
        building = mirror / BUILDING / uuid4().hex / version
        try:
            point_map = copy_partitions(assembly, store, building)
            with naming(building):
                write_metadata(assembly, building, point_map)
            check_catalogue(building, assembly.schema, assembly.rows)
            put_metadata(building, store.within(version))
        finally:
            shutil.rmtree(building.parent, ignore_errors=True)
            remove_if_empty(mirror / BUILDING)
        fetch_version(store, mirror, version)
        file, data, extensions = describe_extension(mirror, name, version)
        _put_if_other(store, file, data)
        write_atomically(mirror / file, data)
        wanted = changed_pointer(mirror, all_extensions=extensions)
        if wanted != seen:
            with suppress(InputError):  # nobody could read what is damaged
                leave(store, collection_members(mirror))
        check()
        _swap_pointer(store, mirror, seen, wanted)
        return version


def _pointer_now(store: Store, mirror: Path) -> bytes:
    """Return the pointer as it is now, and bring the mirror there; its primary catalogue must still be the same."""
    primary = open_catalogue(mirror).name
    if store.read(POINTER) != (mirror / POINTER).read_bytes():
        fetch_collection(store, mirror)
        if open_catalogue(mirror).name != primary:
            raise overtaken(f"{store}/{POINTER}")
    return (mirror / POINTER).read_bytes()


def copy_partitions(assembly: Assembly, store: Store, building: Path) -> np.ndarray:
    """Copy every staged object to its name in the version, verify what came, and count its objects on the sky.

    What a version there has already is verified, and copied again where it is not what its record says. In the folder
    remains of each partition a file of its size with nothing but its footer, from which metadata are made.

    Returns
    -------
    ndarray of int64, shape (12 * 4**map_order,)
        Objects in each nested pixel.
    """
    there = store.keys(building.name)
    point_map = np.zeros(12 * 4**assembly.map_order, dtype=np.int64)

    def place(record: PartitionFacts) -> tuple[np.ndarray, np.ndarray]:
        file = partition_file(*record.healpix)
        target = f"{building.name}/{file.as_posix()}"
        (building / file).parent.mkdir(parents=True, exist_ok=True)
        if there.get(target) == record.bytes:
            try:
                return _verify_copy(store, target, building / file, record, assembly)
            except InputError:
                pass  # damaged there: what was staged repairs it, or is refused
        source = source_path(record, store)
        try:
            store.copy(source, target)
        except FileNotFoundError:
            raise staged_file_missing(f"{store}/{source}") from None
        return _verify_copy(store, target, building / file, record, assembly)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        filled = [record for record in assembly.records if record.rows]
        for cells, counts in threads.map(place, filled):
            point_map[cells] += counts
    return point_map


def _verify_copy(
    store: Store, key: str, file: Path, record: PartitionFacts, assembly: Assembly
) -> tuple[np.ndarray, np.ndarray]:
    """Read a copy, verify it, keep its footer, and count its objects."""
    data = store.read(key)
    if data is None:
        raise InputError(f"{store}/{key} is missing, right after it was copied. Run the same command again.")
    with naming(file):
        file.write_bytes(data)
    del data
    index = verify_partition(file, record, assembly.schema)
    _keep_footer(file)
    return count_cells(index, assembly.map_order)


def _keep_footer(file: Path) -> None:
    """Leave a hole of a Parquet file but for its magic number and its footer: room for any number of partitions."""
    size = file.stat().st_size
    with file.open("r+b") as stream:
        stream.seek(size - _END_OF_PARQUET)
        length = int.from_bytes(stream.read(4), "little") + _END_OF_PARQUET
        stream.seek(size - length)
        footer = stream.read(length)
        os.ftruncate(stream.fileno(), 0)
        stream.seek(0)
        stream.write(_MAGIC)
        stream.seek(size - length)
        stream.write(footer)


def put_metadata(building: Path, version: Store) -> None:
    """Put what makes a version of its partitions a catalogue, unless it is there already.

    Another writer's differs in nothing but its date, and stays; what is damaged is replaced.
    """
    partitions = set(building.rglob("Npix=*.parquet"))
    files = sorted(path for path in building.rglob("*") if path.is_file() and path not in partitions)
    for path in files:
        _put_if_other(version, path.relative_to(building).as_posix(), path.read_bytes())


def _put_if_other(store: Store, key: str, data: bytes) -> None:
    there = store.read(key)
    if there is None or _without_dates(there) != _without_dates(data):
        store.put(key, data)


def _without_dates(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines() if not line.startswith(_DATES)]


def _swap_pointer(store: Store, mirror: Path, seen: bytes, wanted: bytes) -> None:
    """Point the collection in the store at what is wanted, unless it does so, and the mirror with it."""
    if wanted != seen:
        try:
            store.replace(POINTER, wanted, seen)
        except TryAgainError:
            if store.read(POINTER) != wanted:  # another one, or the same by somebody else
                raise
    write_atomically(mirror / POINTER, wanted)
