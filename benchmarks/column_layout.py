"""Measure how fluxes are best stored: one list column, or one column a band.

Both layouts hold the same rows, in partitions of one row group as the catalogue has them; reading ends with the
two arrays (rows, bands) that the classifier needs. The layouts take turns, and medians of the CPU time of
one thread are printed, so that a busy machine disturbs both alike.

Run: ``python benchmarks/column_layout.py [--rows 200000] [--rounds 7]``
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jpasbatch.photometry.table import required_elements
from jpasbatch.storage.catalogue.partitions import (
    COMPRESSION,
    ROW_GROUP_ROWS,
    encodings,
)

BANDS = 60
QUANTITIES = ("flux", "flux_err")

Arrays = dict[str, np.ndarray]


def make_arrays(rows: int, seed: int = 1) -> Arrays:
    """Return fluxes like those of a survey: a log-normal spread, 3 % noise at least, 2 % not observed."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(1.0, 1.0, size=(rows, 1))
    truth = level * rng.lognormal(0.0, 0.2, size=(rows, BANDS))
    error = np.hypot(0.03 * truth, 0.5).astype(np.float32)
    flux = (truth + error * rng.standard_normal((rows, BANDS))).astype(np.float32)
    missing = rng.random((rows, BANDS)) < 0.02
    flux[missing] = error[missing] = np.nan
    return {"flux": flux, "flux_err": error}


def as_lists(arrays: Arrays) -> pa.Table:
    """Return one fixed-size list column a quantity, without nulls."""
    vector = pa.list_(pa.float32(), BANDS)
    schema = required_elements(pa.schema([pa.field(name, vector, nullable=False) for name in arrays]))
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(arrays[field.name].ravel()), type=field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def as_columns(arrays: Arrays) -> pa.Table:
    """Return one column a band and quantity, without nulls."""
    bands = [(name, band) for name in arrays for band in range(BANDS)]
    schema = pa.schema([pa.field(f"{name}_{band}", pa.float32(), nullable=False) for name, band in bands])
    columns = [pa.array(np.ascontiguousarray(arrays[name][:, band])) for name, band in bands]
    return pa.Table.from_arrays(columns, schema=schema)


def read_lists(path: Path) -> Arrays:
    """Read the list columns into (rows, bands)."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    return {name: table[name].combine_chunks().flatten().to_numpy().reshape(-1, BANDS) for name in QUANTITIES}


def read_columns(path: Path) -> Arrays:
    """Read the columns of the bands into (rows, bands)."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    arrays = {name: np.empty((table.num_rows, BANDS), np.float32) for name in QUANTITIES}
    for name, values in arrays.items():
        for band in range(BANDS):
            values[:, band] = table[f"{name}_{band}"].to_numpy()
    return arrays


LAYOUTS: dict[str, tuple[Callable[[Arrays], pa.Table], Callable[[Path], Arrays]]] = {
    "list column": (as_lists, read_lists),
    "column a band": (as_columns, read_columns),
}


def write(table: pa.Table, path: Path) -> None:
    """Write a table with the options of the catalogue."""
    pq.write_table(table, path, row_group_size=ROW_GROUP_ROWS, **COMPRESSION, **encodings(table.schema))


def seconds(action: Callable[[], object]) -> float:
    """Return the CPU time that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def measure(arrays: Arrays, rounds: int, folder: Path) -> dict[str, tuple[float, float, int]]:
    """Return CPU seconds to read, CPU seconds to write, and bytes of one partition, by layout."""
    tables = {name: make(arrays) for name, (make, _) in LAYOUTS.items()}
    paths = {name: folder / f"{number}.parquet" for number, name in enumerate(LAYOUTS)}
    read: dict[str, list[float]] = {name: [] for name in LAYOUTS}
    written: dict[str, list[float]] = {name: [] for name in LAYOUTS}
    for _ in range(rounds):
        for name, (_, read_back) in LAYOUTS.items():
            written[name].append(seconds(lambda n=name: write(tables[n], paths[n])))
            read[name].append(seconds(lambda n=name, r=read_back: r(paths[n])))
    for name, (_, read_back) in LAYOUTS.items():
        for quantity, found in read_back(paths[name]).items():
            np.testing.assert_array_equal(found, arrays[quantity])
    return {
        name: (statistics.median(read[name]), statistics.median(written[name]), paths[name].stat().st_size)
        for name in LAYOUTS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROW_GROUP_ROWS, help="of a partition")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(make_arrays(options.rows), options.rounds, Path(folder))
    print(
        f"{options.rows:,} rows, {BANDS} bands, flux and error, 1 thread, medians of {options.rounds} rounds"
    )
    print(f"{'layout':<15}{'read [ns/row]':>15}{'write [ns/row]':>16}{'size [B/row]':>14}")
    for name, (read, written, size) in results.items():
        nanoseconds = [1e9 * value / options.rows for value in (read, written)]
        print(f"{name:<15}{nanoseconds[0]:>15,.0f}{nanoseconds[1]:>16,.0f}{size / options.rows:>14.1f}")


if __name__ == "__main__":
    main()
