"""Bytes that ``summarise`` reads of a published catalogue, and how many of them are fluxes.

    python benchmarks/summarise_reading.py RUN JOB

RUN is the output folder of a finished job, JOB its job file. Counted are the column chunks that pyarrow is asked
for, by their compressed sizes, while ``summarise`` runs serially in a copy of RUN that forgot its tallies.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq

from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.stages.pipeline import open_workspace, run_stage

FLUXES = ("flux", "flux_err")


def column_bytes(file: pq.ParquetFile, columns: Iterable[str] | None, groups: Iterable[int]) -> Counter[str]:
    """Return the compressed bytes of some columns in some row groups, by column."""
    found: Counter[str] = Counter()
    for group in groups:
        chunks = file.metadata.row_group(group)
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            name = chunk.path_in_schema.partition(".")[0]
            if columns is None or name in columns:
                found[name] += chunk.total_compressed_size
    return found


def count_reading(run: Path, job: Path) -> tuple[Counter[str], float]:
    """Run ``summarise`` and return the bytes that it read of the catalogue, by column, and its seconds."""
    found: Counter[str] = Counter()
    read, read_group = pq.ParquetFile.read, pq.ParquetFile.read_row_group

    def counted(file: pq.ParquetFile, columns: Any = None, **options: Any) -> Any:
        found.update(column_bytes(file, columns, range(file.num_row_groups)))
        return read(file, columns=columns, **options)

    def counted_group(file: pq.ParquetFile, group: int, columns: Any = None, **options: Any) -> Any:
        found.update(column_bytes(file, columns, [group]))
        return read_group(file, group, columns=columns, **options)

    (run / "work" / "summarise.json").unlink(missing_ok=True)
    shutil.rmtree(run / "work" / "summarise", ignore_errors=True)
    start = time.monotonic()
    with (
        mock.patch.object(pq.ParquetFile, "read", counted),
        mock.patch.object(pq.ParquetFile, "read_row_group", counted_group),
        open_cluster(SerialCluster()) as executor,
    ):
        run_stage("summarise", open_workspace(job, run, None), executor)
    return found, time.monotonic() - start


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("job", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(shutil.copytree(options.run, Path(folder) / "run"))
        found, seconds = count_reading(run, options.job)
    total, fluxes = sum(found.values()), sum(found[name] for name in FLUXES)
    print("| bytes read | of these fluxes | seconds |\n|---|---|---|")
    print(f"| {total:,} | {fluxes:,} | {seconds:.1f} |")
    for name, size in found.most_common():
        print(f"{name:<24} {size:>14,}")


if __name__ == "__main__":
    main()
