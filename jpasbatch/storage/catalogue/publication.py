"""Staged partitions in, an immutable extension of the collection's catalogue out.

Everything is verified before anything is visible: each partition of the catalogue has one record, every file
has the SHA-256 of its record, no row is lost, and the finished catalogue is valid. Then one rename places the
version and one atomic write points the collection at it. A crash leaves the old state or the new; running
again finishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import (
    REQUIRED_COLUMNS,
    Assembly,
    check_rows,
    check_schema,
    describe,
    ensure_version,
    records_by_pixel,
)
from jpasbatch.storage.catalogue.collection import (
    BUILDING,
    WRITER_LEASE,
    Catalogue,
    check_name,
    open_catalogue,
    properties_bytes,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue.partition_facts import Partition, PartitionFacts
from jpasbatch.storage.stores.files import Lease, remove_if_empty, write_atomically


def publish_extension(
    collection_folder: Path,
    name: str,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    provenance: Mapping[str, Any],
    expected_rows: int,
) -> Path:
    """Publish partitions as a new version of an extension, and point the collection at it.

    Parameters
    ----------
    collection_folder
        Collection whose current primary catalogue the partitions were made from.
    name
        Of the extension, e.g. ``predictions``.
    partitions
        One of each partition of the primary catalogue; ``path`` is relative to the collection. A partition
        without output rows has ``rows`` 0 and ``path`` "".
    schema
        Columns and types of every file: ``_healpix_29`` first, and ``object_id``, ``ra``, ``dec``.
    provenance
        JSON-able: what made this. Part of the version's name, so keep times of runs out of it.
    expected_rows
        Input rows: the sum of ``rows`` and ``quarantined`` over all records must be this number.

    Returns
    -------
    Path
        Folder of the version, ``<collection>/<name>-<fp12>``: a HATS catalogue of its own.

    Raises
    ------
    InputError
        When a partition is missing, unknown or twice, a file is missing or has another hash, size, schema or
        number of rows, rows are lost, or nothing is left to publish. Nothing was published then.
    TryAgainError
        When another process writes to the collection.
    """
    check_name(name, "Extension name")
    collection = Path(collection_folder).resolve()
    with Lease(collection / WRITER_LEASE):
        assembly = extension_assembly(collection, partitions, schema, provenance, expected_rows)
        version = ensure_version(collection, name, assembly)
        register_extension(collection, name, version.name)
        remove_if_empty(collection / BUILDING)
    return version


def extension_assembly(
    collection: Path,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    provenance: Mapping[str, Any],
    expected_rows: int,
) -> Assembly:
    """Return what a version of an extension is made of, when its records add up; see `publish_extension`."""
    primary = open_catalogue(collection)
    records = _check_records(primary, partitions, expected_rows)
    check_schema(schema)
    return Assembly(
        records,
        source_folder=collection,
        schema=schema,
        map_order=primary.map_order,
        description=describe(records, schema, provenance, primary=primary.name),
        properties={"jpasbatch_primary": primary.name},
    )


def register_extension(collection: Path, name: str, version: str) -> None:
    """Point the collection at a version of an extension that exists. The caller holds the writer's lease.

    First the description of the version, which nobody reads yet, then the pointer.
    """
    file, data, extensions = describe_extension(collection, name, version)
    write_atomically(collection / file, data)
    swap_collection(collection, all_extensions=extensions)


def describe_extension(collection: Path, name: str, version: str) -> tuple[str, bytes, dict[str, str]]:
    """Return name and bytes of the description of a version, and what the collection then has as extensions."""
    from hats.catalog.dataset.extension_properties import ExtensionProperties

    current = read_collection(collection)
    properties = ExtensionProperties.model_validate(
        {
            "name": version,
            "primary_catalog": current.name,
            "primary_column": "object_id",
            "join_catalog": version,
            "join_column": "object_id",
            "extension_columns": [
                column
                for column in open_catalogue(collection / version).schema.names
                if column not in REQUIRED_COLUMNS
            ],
            "extension_join_style": "left",  # rows in quarantine stay, with missing values
            "shares_primary_coordinates": True,
        }
    )
    file = f"{version}.properties"
    data = properties_bytes(properties.to_properties_file, file)
    return file, data, {**(current.all_extensions or {}), name: file}


def _check_records(
    primary: Catalogue, partitions: Sequence[Partition], expected_rows: int
) -> list[PartitionFacts]:
    """Return the records in the order of the pixels, when they cover the catalogue and lose no row."""
    records = records_by_pixel(partitions)
    absent = [pixel for pixel in primary.pixels if pixel not in records]
    unknown = sorted(set(records) - set(primary.pixels))
    if absent or unknown:
        listed = ", ".join(f"{order}/{pixel}" for order, pixel in (absent or unknown)[:5])
        what = "have no record" if absent else f"are not in {primary.name}"
        raise InputError(
            f"{len(absent or unknown)} partitions {what} ({listed}). Nothing was published: "
            "run the stage again until every partition is done."
        )
    check_rows(list(records.values()), expected_rows)
    return [records[pixel] for pixel in primary.pixels]
