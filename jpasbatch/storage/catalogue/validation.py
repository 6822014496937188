"""Is a finished catalogue what it should be? hats' strict validation, and what that does not look at.

Strict validation compares lists of partitions and files. It accepts a catalogue without ra and dec, one
without its spatial index, and one whose rows lie in another partition; so this module also compares columns,
counts, the range of ``_healpix_29`` in each partition and the map of counts.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.collection import Catalogue, open_catalogue, read_point_map
from jpasbatch.storage.catalogue.partitions import HEALPIX_COLUMN, HEALPIX_ORDER, partition_file


class _Messages(logging.Handler):
    """Collects what hats logs, and keeps its calls from installing a handler on standard error."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())


def strict_problems(folder: Path) -> list[str]:
    """Return what hats' strict validation finds wrong with a catalogue or a margin."""
    from hats.io.validation import is_valid_catalog

    messages = _Messages()
    root = logging.getLogger()
    root.addHandler(messages)
    try:
        valid = is_valid_catalog(folder, strict=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        return [f"{type(error).__name__}: {error}"]
    finally:
        root.removeHandler(messages)
    return [] if valid else messages.found or ["hats finds it invalid"]


def check_catalogue(folder: Path, columns: pa.Schema, rows: int) -> Catalogue:
    """Check a finished catalogue and return it.

    Parameters
    ----------
    folder
        The catalogue.
    columns
        Names and types that it must have, in this order.
    rows
        Number of rows that it must have.

    Raises
    ------
    InputError
        With everything that was found wrong.
    """
    problems = strict_problems(folder)
    if not problems:
        catalogue = open_catalogue(folder)
        problems = [
            *_column_problems(catalogue.schema, columns),
            *_partition_problems(catalogue, rows),
        ]
        if not problems:
            return catalogue
    listed = "; ".join(problems[:5])
    raise InputError(f"The new catalogue {folder} is not valid, and was not published: {listed}.")


def _column_problems(found: pa.Schema, expected: pa.Schema) -> list[str]:
    wanted = {field.name: field.type for field in expected}
    if found.names != expected.names:
        return [f"columns {found.names}, expected {expected.names}"]
    if found.names[0] != HEALPIX_COLUMN or found.types[0] != pa.int64():
        return [f"the first column is {found.names[0]} ({found.types[0]}), expected {HEALPIX_COLUMN} (int64)"]
    return [
        f"column {field.name} is {field.type}, expected {wanted[field.name]}"
        for field in found
        if field.type != wanted[field.name]
    ]


def _partition_problems(catalogue: Catalogue, rows: int) -> list[str]:
    counts, problems = _counts_by_file(catalogue)
    if sum(counts.values()) != rows or catalogue.rows != rows:
        found = sum(counts.values())
        problems.append(f"{found} rows in files and {catalogue.rows} in the properties, expected {rows}")
    point_map = read_point_map(catalogue.path)
    order = catalogue.map_order
    if len(point_map) != 12 * 4**order or int(point_map.sum()) != rows:
        return [*problems, f"the map of counts holds {int(point_map.sum())} rows, expected {rows}"]
    for partition_order, pixel in catalogue.pixels:
        count = counts.get((partition_order, pixel), 0)
        depth = order - partition_order
        mapped = int(point_map[pixel << 2 * depth : (pixel + 1) << 2 * depth].sum()) if depth >= 0 else count
        if mapped != count:
            problems.append(f"partition {partition_order}/{pixel}: {count} rows, but {mapped} on the map")
    return problems


def _counts_by_file(catalogue: Catalogue) -> tuple[dict[tuple[int, int], int], list[str]]:
    """Return rows by partition from the collected footers, and the partitions whose index lies outside."""
    metadata = pq.read_metadata(catalogue.path / "dataset" / "_metadata")
    pixels = {partition_file(*pixel).relative_to("dataset").as_posix(): pixel for pixel in catalogue.pixels}
    counts: dict[tuple[int, int], int] = {}
    problems = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunk = group.column(0)
        pixel = pixels.get(chunk.file_path)
        if pixel is None:
            problems.append(f"_metadata lists {chunk.file_path}, which is no partition")
            continue
        counts[pixel] = counts.get(pixel, 0) + group.num_rows
        statistics = chunk.statistics
        first, last = pixel_range(*pixel)
        if statistics is None or not first <= statistics.min <= statistics.max < last:
            problems.append(f"partition {pixel[0]}/{pixel[1]}: {HEALPIX_COLUMN} lies outside its pixel")
    return counts, problems


def pixel_range(order: int, pixel: int) -> tuple[int, int]:
    """Return the first index of order 29 in a nested pixel, and the first after it."""
    shift = 2 * (HEALPIX_ORDER - order)
    return pixel << shift, (pixel + 1) << shift


def check_index(index: np.ndarray, order: int, pixel: int, source: str) -> None:
    """Refuse an index (int64) that is not ascending, or not in the pixel of its partition."""
    first, last = pixel_range(order, pixel)
    if not (np.all(index[1:] >= index[:-1]) and first <= index[0] and index[-1] < last):
        raise InputError(f"{source}: {HEALPIX_COLUMN} is not ascending, or leaves the pixel {order}/{pixel}.")
