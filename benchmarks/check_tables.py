"""`jpasbatch check` against plain reading of FITS tables: seconds in turn, and peak memory by size.

python -m benchmarks.check_tables FOLDER --rows 150000 600000 1340000 --rounds 3

A table is written into the folder, one at a time, and removed when it was measured.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.fuzz import plain_rows
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.check.stage import check_tables
from jpasbatch.storage.tables.tables import iterate_raw, write_cefca_tile

SURVEY = "jpas60"


def make(path: Path, rows: int) -> None:
    survey = load_survey(SURVEY)
    write_cefca_tile(path, plain_rows(survey, rows, np.random.default_rng(1)), survey)


def once(path: Path, what: str) -> None:
    """Read or check in this process, and print seconds, seconds of processors, and peak memory in MiB."""
    survey, begun, used = load_survey(SURVEY), time.perf_counter(), time.process_time()
    if what == "make":
        make(path, int(path.stem.split("-")[1]))
    elif what == "read":
        for raw in iterate_raw(path, survey):
            assert len(raw)
    else:
        [report] = check_tables([path], survey, QualityCuts())
        assert report.usable == report.rows
    print(time.perf_counter() - begun, time.process_time() - used, peak())


def peak() -> float:
    """Return the most memory in MiB that this process had; ``getrusage`` would tell that of its parent too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[150_000, 600_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", choices=["make", "read", "check"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.folder, options.once)
        return
    for rows in options.rows:
        path = options.folder / f"table-{rows}.fits"
        measured(path, "make")
        try:
            compare(path, rows, options.rounds)
        finally:
            path.unlink()


def compare(path: Path, rows: int, rounds: int) -> None:
    """Read and check a table in turn, each time in a process of its own, and print what it took."""
    found: dict[str, list[list[float]]] = {"read": [], "check": []}
    for _ in range(rounds):
        for what, numbers in found.items():
            numbers.append(measured(path, what))
    (read, read_used, read_peak), (check, check_used, check_peak) = (
        [statistics.median(column) for column in zip(*numbers, strict=True)] for numbers in found.values()
    )
    print(
        f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB: reading {read:.2f} s ({read_used:.2f} s of processors, "
        f"{read_peak:.0f} MiB), checking {check:.2f} s ({check_used:.2f}, {check_peak:.0f}): "
        f"{read / check:.2f} of the speed",
        flush=True,
    )


def measured(path: Path, what: str) -> list[float]:
    """Return what `once` prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.check_tables", str(path), "--once", what]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(word) for word in text.split()]


if __name__ == "__main__":
    main()
