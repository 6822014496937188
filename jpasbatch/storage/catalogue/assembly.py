"""Staged partitions and their records in, one verified version aside, then in its place.

What a primary catalogue and an extension have in common: every file has the SHA-256, the size, the columns and
the rows of its record, and its rows lie in its pixel. The finished catalogue is valid before one rename places
it. Nobody reads a version before the collection points at it, which is left to those who publish.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.collection import BUILDING
from jpasbatch.storage.catalogue.partition_facts import (
    KEYS,
    Partition,
    PartitionFacts,
    Pixel,
    partition_facts,
)
from jpasbatch.storage.catalogue.partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    partition_file,
    read_partition,
)
from jpasbatch.storage.catalogue.validation import check_catalogue, check_index
from jpasbatch.storage.stores.files import fsync_folder, fsync_tree, naming, sha256_file
from jpasbatch.storage.stores.ledger import canonical_json, fingerprint, without_undefined
from jpasbatch.storage.stores.links import link_file
from jpasbatch.version import __version__

DESCRIBED_KEYS = tuple(key for key in KEYS if key != "path")
REQUIRED_COLUMNS = (HEALPIX_COLUMN, "object_id", "ra", "dec")
PROVENANCE = "provenance.json"
SHORT = 12
THREADS = 4
"""Files that are verified at once: hashing and decoding leave the interpreter's lock."""

log = logging.getLogger(__name__)

_ATTEMPT = "[0-9a-f]" * 32


@dataclass(frozen=True)
class Assembly:
    """What one version of a catalogue is made of.

    Attributes
    ----------
    records : list of PartitionFacts
        One of each partition, in HATS order.
    source_folder : Path
        Folder that the record paths are relative to.
    schema : pyarrow.Schema
        Columns and types of every file, `REQUIRED_COLUMNS` among them, ``_healpix_29`` first.
    map_order : int
        HEALPix order of the map of counts.
    description : dict
        Becomes ``provenance.json``; what two versions differ in must be in it. See `describe`.
    properties : mapping
        Further entries of ``hats.properties``.
    """

    records: list[PartitionFacts]
    source_folder: Path
    schema: pa.Schema
    map_order: int
    description: dict[str, Any]
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all partitions."""
        return sum(record.rows for record in self.records)

    def version(self, name: str) -> str:
        """Return the name of the version: equal contents have equal names."""
        return f"{name}-{fingerprint(**self.description)[:SHORT]}"


def describe(
    records: Sequence[PartitionFacts], schema: pa.Schema, provenance: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """Return the description of a version, from which its name follows.

    Where files were staged is left out: their names are drawn at random, and equal contents are one version.
    """
    return {
        "provenance": without_undefined(dict(provenance)),
        "columns": [[column.name, str(column.type)] for column in schema],
        "partitions": [{key: getattr(record, key) for key in DESCRIBED_KEYS} for record in records],
        **more,
    }


def records_by_pixel(partitions: Sequence[Partition]) -> dict[Pixel, PartitionFacts]:
    """Return the records of partitions by (order, pixel); commits are taken as the ledger holds them, too.

    Raises
    ------
    InputError
        When a record lacks a key or holds another type, or a partition has two records.
    """
    records: dict[Pixel, PartitionFacts] = {}
    for record in map(partition_facts, partitions):
        if record.healpix in records:
            raise InputError(
                f"Partition {record.order}/{record.pixel} has two records. Nothing was published."
            )
        records[record.healpix] = record
    return records


def check_rows(records: Sequence[PartitionFacts], expected_rows: int | None) -> None:
    """Refuse records that lose or double rows, or that leave none.

    Parameters
    ----------
    records
        Of all partitions.
    expected_rows
        What ``rows`` and ``quarantined`` of all records must add up to; None when that is not known.
    """
    out = sum(record.rows for record in records)
    held = sum(record.quarantined for record in records)
    if expected_rows is not None and out + held != expected_rows:
        raise InputError(
            f"Rows are lost or doubled: {out} rows and {held} in quarantine make {out + held}, expected "
            f"{expected_rows}. Nothing was published."
        )
    if out == 0:
        raise InputError(
            f"No rows to publish: all {held} rows are in quarantine. Look there for the reasons."
        )


def check_schema(schema: pa.Schema) -> None:
    """Refuse columns that cannot be those of a catalogue."""
    missing = [column for column in REQUIRED_COLUMNS if column not in schema.names]
    if missing or schema.names[0] != HEALPIX_COLUMN:
        raise InputError(
            f"The columns must begin with {HEALPIX_COLUMN} and hold {', '.join(REQUIRED_COLUMNS[1:])}; "
            f"found {', '.join(schema.names)}."
        )


def ensure_version(collection: Path, name: str, assembly: Assembly) -> Path:
    """Build a version and place it in the collection, or check the one that is there already.

    The caller holds the writer's lease, and points the collection at the version.

    Returns
    -------
    Path
        Folder of the version, ``<collection>/<name>-<fp12>``.

    Raises
    ------
    InputError
        When a file is not what its record says, or the version was placed before and is damaged.
    """
    version = assembly.version(name)
    target = collection / version
    if target.is_dir():
        try:
            _check_version(target, assembly)
        except InputError as error:
            log.warning("%s It is made again.", error)
            _build_version(assembly, target, replaces=True)
    elif not _build_version(assembly, target):
        _check_version(target, assembly)
    for attempt in (collection / BUILDING).glob(_ATTEMPT):  # this one, and what crashes left
        shutil.rmtree(attempt, ignore_errors=True)
    return target


def _build_version(assembly: Assembly, target: Path, replaces: bool = False) -> bool:
    """Build a version in a folder that nobody else has and place it; return False when another one was faster.

    The lease keeps others out; where a file system's locks do not (two hosts, a network), two versions that are
    built in one folder would mix.
    """
    building = target.parent / BUILDING / uuid4().hex / target.name
    with naming(building):
        point_map = link_partitions(assembly, building)
        write_metadata(assembly, building, point_map)
        check_catalogue(building, assembly.schema, assembly.rows)
        try:
            if replaces:
                replace_version(building, target)
            else:
                place_version(building, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
    return True


def _check_version(version: Path, assembly: Assembly) -> None:
    """Refuse to point at a version that was published before and damaged since."""
    try:
        check_catalogue(version, assembly.schema, assembly.rows)
        for record in assembly.records:
            if record.rows:
                verify_partition(version / partition_file(*record.healpix), record, assembly.schema)
    except (InputError, FileNotFoundError) as error:
        raise InputError(f"{version} was published before, and is damaged: {error}") from error


def link_partitions(assembly: Assembly, building: Path) -> np.ndarray:
    """Place and verify every staged file, and count its objects on the sky; some files at a time.

    Returns
    -------
    ndarray of int64, shape (12 * 4**map_order,)
        Objects in each nested pixel.
    """
    building.mkdir(parents=True)
    point_map = np.zeros(12 * 4**assembly.map_order, dtype=np.int64)

    def place(record: PartitionFacts) -> tuple[np.ndarray, np.ndarray]:
        source = source_path(record, assembly.source_folder)
        target = building / partition_file(*record.healpix)
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(assembly.source_folder / source, target)
        return count_cells(verify_partition(target, record, assembly.schema), assembly.map_order)

    filled = [record for record in assembly.records if record.rows]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="link") as pool:
        for cells, counts in pool.map(place, filled):  # the first error cancels what did not begin
            point_map[cells] += counts
    return point_map


def source_path(record: PartitionFacts, place: object) -> str:
    """Return the path of a record's staged file, when it stays within the place that it is relative to."""
    source = PurePosixPath(record.path)
    if not record.path or source.is_absolute() or ".." in source.parts:
        raise InputError(f"The record's path {record.path!r} must be inside {place}, and relative to it.")
    return source.as_posix()


def count_cells(index: np.ndarray, map_order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of the map (int64, ascending) that an index (int64) falls into, and how often each."""
    cells, counts = np.unique(index >> 2 * (HEALPIX_ORDER - map_order), return_counts=True)
    return cells, counts


def _link(source: Path, target: Path) -> None:
    try:
        link_file(source, target)
    except FileNotFoundError:
        raise staged_file_missing(source) from None


def staged_file_missing(source: object) -> InputError:
    """Return the error to raise when a committed file is gone."""
    return InputError(f"The staged file {source} is missing: run the stage again. Nothing was published.")


def verify_partition(file: Path, record: PartitionFacts, schema: pa.Schema) -> np.ndarray:
    """Return the spatial index (int64) of a file that is what its record says.

    Raises
    ------
    InputError
        When its size, SHA-256, columns or number of rows differ, or a row lies outside of its pixel.
    """
    size, found = file.stat().st_size, sha256_file(file)
    if size != record.bytes or found != record.sha256:
        raise InputError(
            f"The staged file {record.path} changed after it was committed: {size} bytes with SHA-256 "
            f"{found[:12]}, committed were {record.bytes} with {record.sha256[:12]}. Nothing was "
            "published: remove its commit and run the stage again."
        )
    columns = pq.read_schema(file)
    if not columns.equals(schema, check_metadata=False):
        raise InputError(
            f"{record.path} has the columns {columns.names}, expected {schema.names}, or other types."
        )
    index = read_partition(file, [HEALPIX_COLUMN])[HEALPIX_COLUMN].to_numpy()
    if len(index) != record.rows:
        raise InputError(f"{record.path} holds {len(index)} rows; its record says {record.rows}.")
    check_index(index, *record.healpix, source=record.path)
    return index


def write_metadata(assembly: Assembly, building: Path, point_map: np.ndarray) -> None:
    """Write what makes a folder of partitions a HATS catalogue, and the provenance."""
    from hats.catalog.dataset.table_properties import TableProperties
    from hats.catalog.partition_info import PartitionInfo
    from hats.io import paths
    from hats.io.file_io.file_io import write_fits_image
    from hats.io.parquet_metadata import write_parquet_metadata
    from hats.io.skymap import write_skymap
    from hats.pixel_math.healpix_pixel import HealpixPixel

    filled = [record for record in assembly.records if record.rows]
    partition_info = PartitionInfo.from_healpix([HealpixPixel(*record.healpix) for record in filled])
    partition_info.write_to_file(catalog_path=building)
    rows = write_parquet_metadata(building)
    write_fits_image(point_map, paths.get_point_map_file_pointer(building))
    write_skymap(histogram=point_map, catalog_dir=building)
    write_provenance(building, assembly.description)
    properties = TableProperties.model_validate(
        {
            "catalog_name": building.name,
            "catalog_type": "object",
            "total_rows": rows,
            "ra_column": "ra",
            "dec_column": "dec",
            "healpix_column": HEALPIX_COLUMN,
            "healpix_order": HEALPIX_ORDER,
            "skymap_order": assembly.map_order,
            "hats_order": partition_info.get_highest_order(),
            "hats_max_rows": max(record.rows for record in filled),
            "moc_sky_fraction": f"{partition_info.calculate_fractional_coverage():0.5f}",
            **TableProperties.new_provenance_dict(building, builder=f"jpasbatch v{__version__}"),
            **assembly.properties,
        }
    )
    properties.to_properties_file(building)


def write_provenance(folder: Path, description: Mapping[str, Any]) -> None:
    """Write what a version was made of, partition by partition, into its folder."""
    content = json.loads(canonical_json(description))
    (folder / PROVENANCE).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def replace_version(building: Path, target: Path) -> None:
    """Put a finished version in the place of one that is damaged, which gets a hidden name and is removed."""
    fsync_tree(building)
    damaged = building.parent / f"{target.name}-damaged"
    target.rename(damaged)
    building.rename(target)
    fsync_folder(target.parent)
    shutil.rmtree(damaged, ignore_errors=True)


def place_version(building: Path, target: Path) -> None:
    """Flush a finished version to the disk, and give it its final name."""
    fsync_tree(building)
    building.rename(target)
    fsync_folder(target.parent)
