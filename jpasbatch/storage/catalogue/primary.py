"""Staged partitions in, an immutable primary catalogue of a collection out.

For rows that were made partition by partition, as a mock sky is: nothing is sorted or divided again, and no byte
is rewritten. What was imported from tables comes by `jpasbatch.storage.catalogue.hats_import` instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from annotated_types import Ge, Interval

from jpasbatch.errors import InputError
from jpasbatch.facts import problem
from jpasbatch.options import Options
from jpasbatch.storage.catalogue.assembly import (
    PROVENANCE,
    Assembly,
    check_rows,
    check_schema,
    describe,
    ensure_version,
    records_by_pixel,
)
from jpasbatch.storage.catalogue.collection import (
    BUILDING,
    POINTER,
    WRITER_LEASE,
    Catalogue,
    check_name,
    read_collection,
    swap_collection,
)
from jpasbatch.storage.catalogue.margin import ensure_margin
from jpasbatch.storage.catalogue.partition_facts import Partition, PartitionFacts, Pixel
from jpasbatch.storage.catalogue.partitions import HEALPIX_ORDER, partition_file
from jpasbatch.storage.catalogue.validation import pixel_range
from jpasbatch.storage.stores.files import Lease, remove_if_empty, sha256_file
from jpasbatch.version import __version__

_FINEST_MAP = 12


@dataclass(frozen=True)
class PrimaryOptions(Options):
    """Where the partitions of a primary catalogue come from, and what is known of them.

    Attributes
    ----------
    map_order : int
        HEALPix order of the map of counts, at least that of the finest partition, 12 at most (the map holds
        12 * 4**order numbers).
    source_folder : Path, optional
        Folder that the record paths are relative to; the collection when absent. On the file system of the
        collection its files are linked, and copied from another.
    expected_rows : int, optional
        What ``rows`` and ``quarantined`` of all records must add up to, where that is known from elsewhere.
    margin_arcsec : float
        Width of the margin; 0 makes none.
    client : object, optional
        Dask client that makes the margin; needed where there is one.
    """

    map_order: Annotated[int, Interval(ge=0, le=_FINEST_MAP)] = 8
    source_folder: Path | None = None
    expected_rows: Annotated[int, Ge(0)] | None = None
    margin_arcsec: float = 0.0
    client: Any = None


def publish_primary(
    collection_folder: Path,
    name: str,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    provenance: Mapping[str, Any],
    options: PrimaryOptions = PrimaryOptions(),
) -> Path:
    """Publish partitions as a new primary catalogue, and point the collection at it.

    Extensions and margins of an earlier primary catalogue stay on disk, but the
    collection no longer points at them: they describe other rows. The same partitions again are the same
    version, and a collection that points at it is left as it is, with its extensions.

    Parameters
    ----------
    collection_folder
        Created when absent. Must be on a POSIX file system.
    name
        Begins the version's name, e.g. ``photometry``.
    partitions
        One of each partition. A partition without rows has ``rows`` 0 and ``path`` "", and no file.
    schema
        Columns and types of every file, also whether they may be null: ``_healpix_29`` first, and
        ``object_id``, ``ra``, ``dec``.
    provenance
        JSON-able: what made this. Part of the version's name, so keep times of runs out of it.
    options
        Where the files are, how fine the map of counts is, and how wide the margin.

    Returns
    -------
    Path
        Folder of the version, ``<collection>/<name>-<fp12>``.

    Raises
    ------
    InputError
        When a partition has two records or lies within another, a file is missing or has another hash, size,
        schema or number of rows, a row lies outside of its pixel, rows are lost, or there are none. The
        collection points at what it did before then.
    TryAgainError
        When another process writes to the collection.
    """
    check_name(name, "Catalogue name")
    check_schema(schema)
    records = _in_order(records_by_pixel(partitions), options.map_order)
    check_rows(records, options.expected_rows)
    collection = Path(collection_folder).resolve()
    assembly = Assembly(
        records,
        source_folder=Path(options.source_folder or collection).resolve(),
        schema=schema,
        map_order=options.map_order,
        description=describe(records, schema, provenance, map_order=options.map_order),
    )
    with Lease(collection / WRITER_LEASE):
        version = ensure_version(collection, name, assembly)
        building = collection / BUILDING / f"{version.name}-margin"
        margin = ensure_margin(options.client, version, options.margin_arcsec, building)
        point_at_primary(collection, version.name, margin)
        remove_if_empty(collection / BUILDING)
    return version


def point_at_primary(collection: Path, version: str, margin: str | None = None) -> None:
    """Point the collection at a version and its margin, unless it does so already.

    The caller holds the writer's lease.
    """
    margins = [margin] if margin else []
    if (collection / POINTER).is_file():
        current = read_collection(collection)
        if current.hats_primary_table_url == version and (current.all_margins or []) == margins:
            return
    swap_collection(
        collection,
        hats_primary_table_url=version,
        all_margins=margins or None,
        default_margin=margin,
        all_extensions=None,
        hats_builder=f"jpasbatch v{__version__}, hats v{version_of('hats')}",
        hats_version="v1.0",
    )


def published_partitions(catalogue: Catalogue) -> list[PartitionFacts]:
    """Return the records from which a catalogue was published, with the paths of its own files.

    `publish_primary` takes them, with the folder of the catalogue as source, to publish the same rows in another
    collection.

    Raises
    ------
    InputError
        When the catalogue was not published from records, or its provenance is damaged.
    """
    file = catalogue.path / PROVENANCE
    try:
        described = json.loads(file.read_bytes())["partitions"]
        return [PartitionFacts.from_record({**entry, "path": _path(entry)}) for entry in described]
    except FileNotFoundError:
        raise InputError(
            f"{catalogue.path} has no {PROVENANCE}: it was not published from staged partitions. Name a catalogue "
            "that was, or ingest its tables."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = problem(error) if isinstance(error, ValueError) else repr(error)
        raise InputError(f"{file} is damaged ({found}): make the catalogue again.") from error


def _path(entry: Mapping[str, Any]) -> str:
    return partition_file(entry["order"], entry["pixel"]).as_posix() if entry["rows"] else ""


def grown_from(catalogue: Catalogue) -> str | None:
    """Return the name of the version that a catalogue was made of by rows that came and went; None where it was not."""
    try:
        found = json.loads((catalogue.path / PROVENANCE).read_bytes())["provenance"]["from"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def catalogue_identity(catalogue: Catalogue) -> list[str]:
    """Return what tells the contents of a catalogue without reading its rows: its name, and one SHA-256.

    The hash is that of its provenance, which holds the hash of every partition, or of its properties where it has
    none.
    """
    provenance = catalogue.path / PROVENANCE
    file = provenance if provenance.is_file() else catalogue.path / "hats.properties"
    return [catalogue.name, sha256_file(file)]


def _in_order(records: Mapping[Pixel, PartitionFacts], map_order: int) -> list[PartitionFacts]:
    """Return the records in HATS order, when their partitions are disjoint and the map resolves them."""
    for order, pixel in records:
        if not (0 <= order <= HEALPIX_ORDER and 0 <= pixel < 12 * 4**order):
            raise InputError(
                f"Partition {order}/{pixel} does not exist: allowed are order 0 to {HEALPIX_ORDER} and pixel 0 to "
                "12 * 4**order - 1. Nothing was published."
            )
        if order > map_order:
            raise InputError(
                f"Partition {order}/{pixel} is finer than the map of counts (map_order {map_order}): choose "
                f"map_order {order} or more. Nothing was published."
            )
    pixels = sorted(records, key=lambda pixel: pixel_range(*pixel))
    for one, other in pairwise(pixels):
        if pixel_range(*other)[0] < pixel_range(*one)[1]:
            raise InputError(
                f"Partitions {one[0]}/{one[1]} and {other[0]}/{other[1]} overlap: each part of the sky has one "
                "partition. Nothing was published."
            )
    return [records[pixel] for pixel in pixels]
