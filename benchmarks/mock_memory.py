"""Peak memory and speed of the mock stage with few and with many rows: memory must not grow.

    python benchmarks/mock_memory.py --data FOLDER [--rows 1_000_000 20_000_000]

Each size is one `jpasbatch mock` of a survey from the library, with two workers; the resident memory of the driver
(which holds the scheduler) and of every worker is read four times a second. The output is deleted.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

JOB = """
name   = "mock-memory"
survey = "jpas60"

[mock]
kind           = "templates"
templates      = "{data}"
ra             = 180.0
dec            = 40.0
partition_rows = 100_000

[mock.samples]
training   = 0
validation = 0
test       = 0

[mock.field]
star   = 0
galaxy = 0
qso    = 0

[mock.survey]
area_deg2 = {area}
library   = 20_000
"""
ROWS_PER_DEG2 = 9015


def watched(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return its seconds, and the highest resident memory of it and of one of its children, in MiB."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    peaks[one.pid] = max(peaks.get(one.pid, 0), one.memory_info().rss)
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    elapsed, driver = time.monotonic() - start, peaks.pop(process.pid, 0)
    return elapsed, driver / 2**20, max(peaks.values(), default=0) / 2**20


def measure(data: Path, rows: int) -> dict[str, float]:
    """Run the stage and return rows, seconds, and the highest memory of driver and workers in MiB."""
    folder = Path(tempfile.mkdtemp(prefix="mock-memory-"))
    try:
        job = folder / "job.toml"
        job.write_text(JOB.format(data=data.resolve(), area=rows / ROWS_PER_DEG2))
        command = [sys.executable, "-m", "jpasbatch", "mock", str(job), "--output", str(folder / "output")]
        elapsed, driver, worker = watched(command)
        partitions = list((folder / "output" / "mock" / "survey").glob("survey-*/dataset/*/*/*.parquet"))
        import pyarrow.parquet as pq

        return {
            "rows": sum(pq.ParquetFile(path).metadata.num_rows for path in partitions),
            "seconds": elapsed,
            "driver": driver,
            "worker": worker,
            "bytes": sum(path.stat().st_size for path in partitions),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the template pack")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 20_000_000])
    options = parser.parse_args()
    print(
        "| rows | seconds | rows/s | driver, MiB | largest worker, MiB | bytes a row |\n|---|---|---|---|---|---|"
    )
    for rows in options.rows:
        found = measure(options.data, rows)
        print(
            f"| {found['rows']:,} | {found['seconds']:.0f} | {found['rows'] / found['seconds']:,.0f} | "
            f"{found['driver']:.0f} | {found['worker']:.0f} | {found['bytes'] / found['rows']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
