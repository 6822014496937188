"""Staged partitions in, an immutable extension of the collection's catalogue out.

Everything is verified before anything is visible: each partition of the catalogue has one record, every file
has the SHA-256 of its record, no row is lost, and the finished catalogue is valid. Then one rename places the
version and one atomic write points the collection at it. A crash leaves the old state or the new; running
again finishes.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import jpasbatch
from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue_collection import (
    BUILDING,
    WRITER_LEASE,
    Catalogue,
    check_name,
    open_catalogue,
    properties_bytes,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue_partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    partition_file,
    read_partition,
)
from jpasbatch.storage.catalogue_validation import check_catalogue, check_index
from jpasbatch.storage.files import (
    Lease,
    fsync_folder,
    fsync_tree,
    remove_if_empty,
    sha256_file,
    write_atomically,
)
from jpasbatch.storage.ledger import canonical_json, fingerprint, without_undefined

RECORD_KEYS = ("order", "pixel", "rows", "bytes", "sha256", "path", "fingerprint", "quarantined")
DESCRIBED_KEYS = tuple(key for key in RECORD_KEYS if key != "path")
PROVENANCE = "provenance.json"
_REQUIRED = (HEALPIX_COLUMN, "object_id", "ra", "dec")


def publish_extension(
    collection_folder: Path,
    name: str,
    partitions: Sequence[Mapping[str, Any]],
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
        One record of the ledger for each partition of the primary catalogue, with the keys `RECORD_KEYS`;
        ``path`` is relative to the collection. A partition without output rows has ``rows`` 0 and ``path``
        "".
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
        primary = open_catalogue(collection)
        records = _check_records(primary, partitions, expected_rows)
        _check_schema(schema)
        description = {
            "provenance": without_undefined(dict(provenance)),
            "primary": primary.name,
            "columns": [[field.name, str(field.type)] for field in schema],
            # not where the files were staged: their names are drawn at random, and equal contents are one version
            "partitions": [{key: record[key] for key in DESCRIBED_KEYS} for record in records],
        }
        version = f"{name}-{fingerprint(**description)[:12]}"
        rows = sum(record["rows"] for record in records)
        if not (collection / version).is_dir():
            building = collection / BUILDING / version
            point_map = _link_partitions(collection, building, records, schema, primary.map_order)
            _describe(building, primary, description, point_map, schema)
            check_catalogue(building, schema, rows)
            _place(building, collection / version)
        else:
            _check_version(collection / version, records, schema)
        register_extension(collection, name, version)
        remove_if_empty(collection / BUILDING)
    return collection / version


def register_extension(collection: Path, name: str, version: str) -> None:
    """Point the collection at a version of an extension that exists. The caller holds the writer's lease.

    First the description of the version, which nobody reads yet, then the pointer.
    """
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
                if column not in _REQUIRED
            ],
            "extension_join_style": "left",  # rows in quarantine stay, with missing values
            "shares_primary_coordinates": True,
        }
    )
    file = f"{version}.properties"
    write_atomically(collection / file, properties_bytes(properties.to_properties_file, file))
    swap_collection(collection, all_extensions={**(current.all_extensions or {}), name: file})


def _check_records(
    primary: Catalogue, partitions: Sequence[Mapping[str, Any]], expected_rows: int
) -> list[dict[str, Any]]:
    """Return the records in the order of the pixels, when they cover the catalogue and lose no row."""
    records: dict[tuple[int, int], dict[str, Any]] = {}
    for given in partitions:
        missing = [key for key in RECORD_KEYS if key not in given]
        if missing:
            raise InputError(
                f"A partition's record lacks {', '.join(missing)}: {dict(given)}. Nothing was published."
            )
        record = {key: given[key] for key in RECORD_KEYS}
        pixel = (int(record["order"]), int(record["pixel"]))
        if pixel in records:
            raise InputError(f"Partition {pixel[0]}/{pixel[1]} has two records. Nothing was published.")
        records[pixel] = record
    absent = [pixel for pixel in primary.pixels if pixel not in records]
    unknown = sorted(set(records) - set(primary.pixels))
    if absent or unknown:
        listed = ", ".join(f"{order}/{pixel}" for order, pixel in (absent or unknown)[:5])
        what = "have no record" if absent else f"are not in {primary.name}"
        raise InputError(
            f"{len(absent or unknown)} partitions {what} ({listed}). Nothing was published: "
            "run the stage again until every partition is done."
        )
    out = sum(record["rows"] for record in records.values())
    held = sum(record["quarantined"] for record in records.values())
    if out + held != expected_rows:
        raise InputError(
            f"Rows are lost or doubled: {out} rows and {held} in quarantine make {out + held}, expected "
            f"{expected_rows}. Nothing was published."
        )
    if out == 0:
        raise InputError(
            f"No rows to publish: all {held} rows are in quarantine. Look there for the reasons."
        )
    return [records[pixel] for pixel in primary.pixels]


def _check_version(version: Path, records: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Refuse to point at a version that was published before and damaged since."""
    try:
        check_catalogue(version, schema, sum(record["rows"] for record in records))
        for record in records:
            if record["rows"]:
                _verify(version / partition_file(record["order"], record["pixel"]), record, schema)
    except (InputError, FileNotFoundError) as error:
        raise InputError(
            f"{version} was published before, and is damaged: {error} Remove that folder and run the same "
            "command again; it is then published anew."
        ) from error


def _check_schema(schema: pa.Schema) -> None:
    missing = [column for column in _REQUIRED if column not in schema.names]
    if missing or schema.names[0] != HEALPIX_COLUMN:
        raise InputError(
            f"The columns must begin with {HEALPIX_COLUMN} and hold {', '.join(_REQUIRED[1:])}; "
            f"found {', '.join(schema.names)}."
        )


def _link_partitions(
    collection: Path, building: Path, records: list[dict[str, Any]], schema: pa.Schema, map_order: int
) -> np.ndarray:
    """Place and verify every staged file, and count its objects on the sky."""
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    point_map = np.zeros(12 * 4**map_order, dtype=np.int64)
    for record in records:
        if record["rows"] == 0:
            continue
        source = PurePosixPath(record["path"])
        if not record["path"] or source.is_absolute() or ".." in source.parts:
            raise InputError(f"The record's path {record['path']!r} must be inside the collection.")
        pixel = (record["order"], record["pixel"])
        target = building / partition_file(*pixel)
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(collection / source, target)
        index = _verify(target, record, schema)
        cells, counts = np.unique(index >> 2 * (HEALPIX_ORDER - map_order), return_counts=True)
        point_map[cells] += counts
    return point_map


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or a copy where the file system knows no links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise InputError(
            f"The staged file {source} is missing: run the stage again. Nothing was published."
        ) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        shutil.copyfile(source, target)


def _verify(file: Path, record: Mapping[str, Any], schema: pa.Schema) -> np.ndarray:
    """Return the spatial index of a file that is what its record says."""
    size, found = file.stat().st_size, sha256_file(file)
    if size != record["bytes"] or found != record["sha256"]:
        raise InputError(
            f"The staged file {record['path']} changed after it was committed: {size} bytes with SHA-256 "
            f"{found[:12]}, committed were {record['bytes']} with {str(record['sha256'])[:12]}. Nothing was "
            "published: remove its commit and run the stage again."
        )
    columns = pq.read_schema(file)
    if not columns.equals(schema, check_metadata=False):
        raise InputError(
            f"{record['path']} has the columns {columns.names}, expected {schema.names}, or other types."
        )
    index = read_partition(file, [HEALPIX_COLUMN])[HEALPIX_COLUMN].to_numpy()
    if len(index) != record["rows"]:
        raise InputError(f"{record['path']} holds {len(index)} rows; its record says {record['rows']}.")
    check_index(index, record["order"], record["pixel"], source=record["path"])
    return index


def _describe(
    building: Path,
    primary: Catalogue,
    description: Mapping[str, Any],
    point_map: np.ndarray,
    schema: pa.Schema,
) -> None:
    """Write what makes a folder of partitions a HATS catalogue, and the provenance."""
    from hats.catalog.dataset.table_properties import TableProperties
    from hats.catalog.partition_info import PartitionInfo
    from hats.io import paths
    from hats.io.file_io.file_io import write_fits_image
    from hats.io.parquet_metadata import write_parquet_metadata
    from hats.io.skymap import write_skymap
    from hats.pixel_math.healpix_pixel import HealpixPixel

    filled = [record for record in description["partitions"] if record["rows"]]
    partition_info = PartitionInfo.from_healpix(
        [HealpixPixel(record["order"], record["pixel"]) for record in filled]
    )
    partition_info.write_to_file(catalog_path=building)
    rows = write_parquet_metadata(building)
    write_fits_image(point_map, paths.get_point_map_file_pointer(building))
    write_skymap(histogram=point_map, catalog_dir=building)
    content = json.loads(canonical_json(description))
    (building / PROVENANCE).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    properties = TableProperties.model_validate(
        {
            "catalog_name": building.name,
            "catalog_type": "object",
            "total_rows": rows,
            "ra_column": "ra",
            "dec_column": "dec",
            "healpix_column": HEALPIX_COLUMN,
            "healpix_order": HEALPIX_ORDER,
            "skymap_order": primary.map_order,
            "hats_order": partition_info.get_highest_order(),
            "hats_max_rows": max(record["rows"] for record in filled),
            "moc_sky_fraction": f"{partition_info.calculate_fractional_coverage():0.5f}",
            "jpasbatch_primary": primary.name,
            **TableProperties.new_provenance_dict(building, builder=f"jpasbatch v{jpasbatch.__version__}"),
        }
    )
    properties.to_properties_file(building)


def _place(building: Path, target: Path) -> None:
    fsync_tree(building)
    building.rename(target)
    fsync_folder(target.parent)
