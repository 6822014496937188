"""A table of moderate length as a HATS catalogue of its own, a partition for each of the twelve base pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.assembly import Assembly, check_schema, count_cells, write_metadata
from jpasbatch.storage.catalogue.partitions import (
    HEALPIX_COLUMN,
    HEALPIX_ORDER,
    StagedPartition,
    partition_file,
)
from jpasbatch.storage.catalogue.validation import check_catalogue

BASE_ORDER = 0
MAP_ORDER = 5
"""Its pixels have 3.4 deg2."""


def write_table_catalogue(
    folder: Path, chunks: Iterable[pa.Table], description: Mapping[str, Any], created: str
) -> None:
    """Write rows as a HATS catalogue, chunk by chunk, and validate it.

    Parameters
    ----------
    folder : Path
        Of the catalogue; does not exist. Its name is that of the catalogue.
    chunks : iterable of pyarrow.Table
        Rows ascending by ``_healpix_29``, which is the first column; ``object_id``, ``ra`` and ``dec`` are needed.
    description : mapping
        Becomes ``provenance.json``.
    created : str
        ISO date and time with its offset from UTC: an argument, so that files can be made again byte by byte.

    Raises
    ------
    InputError
        When there are no rows, columns are missing, or rows are out of order.
    """
    records: dict[int, int] = {}
    point_map = np.zeros(12 * 4**MAP_ORDER, dtype=np.int64)
    last, schema = -1, None
    with ExitStack() as writers:
        writer = None
        for chunk in chunks:
            schema = schema or _checked(chunk.schema)
            index = chunk[HEALPIX_COLUMN].to_numpy()
            if len(index) and (index[0] < last or (np.diff(index) < 0).any()):
                raise InputError(f"{folder.name}: rows are not ascending by {HEALPIX_COLUMN}")
            last = int(index[-1]) if len(index) else last
            base = index >> 2 * (HEALPIX_ORDER - BASE_ORDER)
            for pixel in np.unique(base).tolist():
                if pixel not in records:
                    writers.close()
                    path = folder / partition_file(BASE_ORDER, pixel)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writer = writers.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
                    records[pixel] = 0
                rows = chunk.filter(pa.array(base == pixel)).cast(schema)
                assert writer is not None  # or no pixel is new
                writer.write_table(rows)
                records[pixel] += rows.num_rows
            cells, counts = count_cells(index, MAP_ORDER)
            point_map[cells] += counts
    if schema is None or not records:
        raise InputError(f"{folder.name}: a catalogue needs a row or more")
    # nothing is verified against them: what was written is what is described
    partitions = [
        StagedPartition("", "", rows, 0).facts((BASE_ORDER, pixel), "", "") for pixel, rows in records.items()
    ]
    when = datetime.fromisoformat(created).strftime("%Y-%m-%dT%H:%M%Z")
    properties = {"catalog_name": folder.name, "hats_creation_date": when}
    assembly = Assembly(partitions, folder, schema, MAP_ORDER, dict(description), properties)
    write_metadata(assembly, folder, point_map)
    check_catalogue(folder, schema, assembly.rows)


def _checked(schema: pa.Schema) -> pa.Schema:
    check_schema(schema)
    return schema.remove_metadata()
