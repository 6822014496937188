"""Measure how fluxes are best stored: one list column, or one column a band.

Both layouts hold the same rows; reading ends with the two arrays (rows, bands) that the classifier needs. The layouts
take turns, so that a busy machine disturbs both alike, and medians are printed.

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

from jpasbatch.storage.catalogue_partitions import COMPRESSION, ROW_GROUP_ROWS, _encodings

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
    """Return one fixed-size list column a quantity."""
    return pa.table(
        {
            name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), BANDS)
            for name, values in arrays.items()
        }
    )


def as_columns(arrays: Arrays) -> pa.Table:
    """Return one column a band and quantity."""
    return pa.table(
        {
            f"{name}_{band}": np.ascontiguousarray(values[:, band])
            for name, values in arrays.items()
            for band in range(BANDS)
        }
    )


def read_lists(path: Path) -> Arrays:
    """Read the list columns into (rows, bands)."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    return {
        name: np.concatenate([chunk.flatten().to_numpy() for chunk in table[name].chunks]).reshape(-1, BANDS)
        for name in QUANTITIES
    }


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
    pq.write_table(table, path, row_group_size=ROW_GROUP_ROWS, **COMPRESSION, **_encodings(table.schema))


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    arrays = make_arrays(options.rows)
    times: dict[str, dict[str, list[float]]] = {name: {"write": [], "read": []} for name in LAYOUTS}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: make(arrays) for name, (make, _) in LAYOUTS.items()}
        for _ in range(options.rounds):
            for number, (name, (_, read)) in enumerate(LAYOUTS.items()):
                path = Path(folder) / f"{number}.parquet"
                times[name]["write"].append(seconds(lambda n=name, p=path: write(tables[n], p)))
                times[name]["read"].append(seconds(lambda r=read, p=path: r(p)))
                sizes[name] = path.stat().st_size
        for number, (_, read) in enumerate(LAYOUTS.values()):
            found = read(Path(folder) / f"{number}.parquet")
            for name in QUANTITIES:
                np.testing.assert_array_equal(found[name], arrays[name])
    print(
        f"{options.rows:,} rows, {BANDS} bands, flux and error, 1 thread, medians of {options.rounds} rounds"
    )
    print(f"{'layout':<15}{'read [ns/row]':>15}{'write [ns/row]':>16}{'size [B/row]':>14}")
    for name in LAYOUTS:
        read, written = (
            1e9 * statistics.median(times[name][what]) / options.rows for what in ("read", "write")
        )
        print(f"{name:<15}{read:>15,.0f}{written:>16,.0f}{sizes[name] / options.rows:>14.1f}")


if __name__ == "__main__":
    main()
