"""The collection: one folder, many immutable versions, and one file that says which of them are meant.

::

    sky/collection.properties              the only pointer; replaced atomically
    sky/photometry-<fp>/                   primary catalogue
    sky/photometry-<fp>_5arcs/             its margin
    sky/predictions-<fp>/                  an extension: a catalogue of its own, same pixels
    sky/predictions-<fp>.properties        how it joins the primary; never changed
    sky/.building/                         what is not finished; readers never look there

A reader that opened one version keeps it, whatever is published meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.partitions import partition_file
from jpasbatch.storage.stores.files import write_atomically

if TYPE_CHECKING:
    from hats.catalog.dataset.collection_properties import CollectionProperties

POINTER = "collection.properties"
BUILDING = ".building"
STAGING = ".staging"
WRITER_LEASE = ".writer.lease"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Catalogue:
    """A HATS catalogue on disk: one immutable version.

    Attributes
    ----------
    path : Path
        Folder of the catalogue, also when it was opened through its collection.
    name : str
    rows : int
    pixels : tuple of (int, int)
        (order, pixel) of the partitions, nested, in HATS order.
    schema : pyarrow.Schema
    map_order : int
        Order of the map of counts, the finest that `coverage` knows.
    """

    path: Path
    name: str
    rows: int
    pixels: tuple[tuple[int, int], ...]
    schema: pa.Schema
    map_order: int

    def partition_path(self, order: int, pixel: int) -> Path:
        """Return the Parquet file of a partition."""
        return self.path / partition_file(order, pixel)

    def coverage(self, order: int | None = None) -> np.ndarray:
        """Return the pixels (nested, int64, ascending) that hold at least one object.

        Parameters
        ----------
        order
            HEALPix order, at most `map_order` (the default): the map knows nothing finer.
        """
        order = self.map_order if order is None else order
        if not 0 <= order <= self.map_order:
            raise InputError(f"{self.path}: coverage of order {order}; allowed is 0 to {self.map_order}.")
        return np.unique(np.flatnonzero(read_point_map(self.path)) >> 2 * (self.map_order - order))

    def counts(self) -> np.ndarray:
        """Return the number of objects in each nested pixel of the map, int64 (12 * 4**map_order,)."""
        return read_point_map(self.path)

    def rows_by_partition(self) -> dict[tuple[int, int], int]:
        """Return the number of rows of each partition, from the map of counts (no partition is read)."""
        counts = read_point_map(self.path)
        widths = {order: 4 ** (self.map_order - order) for order, _ in self.pixels}
        return {
            (order, pixel): int(counts[pixel * widths[order] : (pixel + 1) * widths[order]].sum())
            for order, pixel in self.pixels
        }


def check_name(name: str, what: str) -> None:
    """Refuse a name that cannot be a folder, or that HATS properties could not list."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{what} {name!r}: allowed are at most 100 letters, digits and . _ - (no spaces)")


def read_point_map(folder: Path) -> np.ndarray:
    """Return the number of objects in each nested pixel, int64 (12 * 4**order,)."""
    from hats.io import paths
    from hats.io.file_io.file_io import read_fits_image

    file = paths.get_point_map_file_pointer(folder)
    try:
        return np.asarray(read_fits_image(file))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Cannot read the map of counts {file}: {error}. Make the catalogue again."
        ) from error


def open_catalogue(path: Path) -> Catalogue:
    """Open a catalogue, or the primary catalogue that a collection points at now.

    Raises
    ------
    InputError
        When there is no HATS catalogue at `path`, or it is incomplete.
    """
    from hats.catalog.dataset.table_properties import TableProperties
    from hats.catalog.partition_info import PartitionInfo

    folder = Path(path)
    if (folder / POINTER).is_file():
        folder = folder / read_collection(folder).hats_primary_table_url
    if not (folder / "hats.properties").is_file() and not (folder / "properties").is_file():
        raise InputError(
            f"{path} holds no HATS catalogue: neither {POINTER} nor hats.properties is there. "
            "Name the folder that ingest wrote, or ingest first."
        )
    try:
        properties = TableProperties.read_from_dir(folder)
        pixels = PartitionInfo.read_from_csv(folder / "partition_info.csv").get_healpix_pixels()
        schema = pq.read_schema(folder / "dataset" / "_common_metadata")
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(
            f"The catalogue {folder} is incomplete or damaged: {error}. Ingest it again."
        ) from error
    if properties.npix_suffix != ".parquet":
        raise InputError(
            f"{folder}: partitions end in {properties.npix_suffix!r}; only '.parquet' (one file each) is "
            "supported. Import the catalogue again."
        )
    return Catalogue(
        path=folder,
        name=properties.catalog_name,
        rows=int(properties.total_rows or 0),
        pixels=tuple((int(pixel.order), int(pixel.pixel)) for pixel in pixels),
        schema=schema,
        map_order=int(properties.skymap_order or 0),
    )


def current_extension(collection_folder: Path, name: str) -> Path:
    """Return the folder of the version of an extension (``predictions``) that the collection points at.

    Raises
    ------
    InputError
        When nothing was published under that name.
    """
    folder = Path(collection_folder)
    extensions = read_collection(folder).all_extensions or {}
    if name not in extensions:
        raise InputError(
            f"The collection {folder} has no {name!r} for its current catalogue; "
            f"it has: {', '.join(sorted(extensions)) or 'none'}. Run the stage that makes it."
        )
    version = folder / joined_catalogue(folder, extensions[name])
    if not version.is_dir():
        raise InputError(
            f"{folder / extensions[name]} names {version}, which is missing. Restore it, or publish again."
        )
    return version


def joined_catalogue(folder: Path, file: str) -> str:
    """Return the name of the version that a description of an extension names."""
    from hats.catalog.dataset.extension_properties import ExtensionProperties
    from hats.io.file_io.file_pointer import get_upath

    try:
        return ExtensionProperties.read_from_file(get_upath(folder / file)).join_catalog
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {folder / file}, which {folder / POINTER} names: {error}.") from error


def collection_members(folder: Path) -> set[str]:
    """Return the names of the folders and files that the pointer of a collection reaches now.

    Raises
    ------
    InputError
        When the pointer, or the description of an extension, is missing or damaged.
    """
    current = read_collection(folder)
    files = set((current.all_extensions or {}).values())
    indexes = set((current.all_indexes or {}).values())
    joined = {joined_catalogue(folder, file) for file in files}
    return {current.hats_primary_table_url, *(current.all_margins or ()), *files, *indexes, *joined}


def read_collection(folder: Path) -> CollectionProperties:
    """Read the pointer of a collection.

    Raises
    ------
    InputError
        When it is missing or damaged.
    """
    from hats.catalog.dataset.collection_properties import CollectionProperties

    try:
        return CollectionProperties.read_from_dir(folder)
    except FileNotFoundError:
        raise InputError(
            f"{folder} is no collection: it has no {POINTER}. Ingest a catalogue first."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"The pointer {folder / POINTER} is damaged: {error}. Publish again.") from error


def swap_collection(folder: Path, **changes: Any) -> None:
    """Point the collection at other versions, in one atomic step. The caller holds the writer's lease.

    What it no longer points at is touched first: readers could open it until now, and `jpasbatch prune` counts
    its age from now.

    Parameters
    ----------
    folder
        The collection; its first pointer is written when it has none.
    **changes
        Fields of hats' ``CollectionProperties``; the others keep their values.
    """
    data = changed_pointer(folder, **changes)
    _touch_members(folder)
    write_atomically(folder / POINTER, data)


def changed_pointer(folder: Path, **changes: Any) -> bytes:
    """Return the pointer of a collection with some fields changed; see `swap_collection`."""
    from hats.catalog.dataset.collection_properties import CollectionProperties

    if (folder / POINTER).is_file():
        fields = read_collection(folder).model_dump(by_alias=False, exclude_none=True)
        fields = _as_python(read_collection(folder), fields)
    else:
        fields = {"name": folder.resolve().name}
    fields = {key: value for key, value in (fields | changes).items() if value is not None}
    properties = CollectionProperties.model_validate(fields)
    return properties_bytes(properties.to_properties_file, POINTER)


def _touch_members(folder: Path) -> None:
    """Say that readers could open what the collection points at until now."""
    if not (folder / POINTER).is_file():
        return
    with contextlib.suppress(InputError):  # what is damaged can still be replaced
        for member in collection_members(folder):
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder / member)


def _as_python(properties: CollectionProperties, fields: dict[str, Any]) -> dict[str, Any]:
    """Undo the serialisation of lists and dictionaries to text, which ``model_dump`` applies."""
    return {key: getattr(properties, key, value) for key, value in fields.items()}


def properties_bytes(write: Callable[[Path], None], name: str) -> bytes:
    """Return what a properties object of hats writes into a folder, so that we can write it atomically."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        return (Path(folder) / name).read_bytes()
