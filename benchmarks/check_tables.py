"""`jpasbatch check` against plain reading of FITS tables: seconds in turn, and peak memory by size.

Plain reading is what every stage does before it looks at a row: the reader of the package verifies the checksums and
reads all rows of the columns that the survey declares, 100,000 at a time, as the file has them. Beside it stands
astropy's ``Table.read``, all columns at once, without checksums. A tenth of the
objects is faint, lacks a band, or has a flag, so that nothing is decided for a whole table at one glance.

python -m benchmarks.check_tables FOLDER --rows 150000 600000 1340000 --rounds 3

A table is written into the folder, one at a time, and removed when it was measured.
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.table import Table

from benchmarks.fuzz import plain_rows
from jpasbatch.photometry.normalisation import QualityCuts
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.check.stage import check_tables
from jpasbatch.storage.tables.tables import iterate_raw, write_cefca_tile

SURVEY = "jpas60"
WAYS = ("read", "check", "astropy")


def make(path: Path, rows: int) -> None:
    survey = load_survey(SURVEY)
    rng = np.random.default_rng(1)
    written = plain_rows(survey, rows, rng)
    faint, torn, flagged = (np.flatnonzero(rng.random(rows) < share) for share in (0.1, 0.05, 0.02))
    written["flux"][faint] = rng.normal(0.5, 1, (len(faint), len(survey.bands)))
    written["flux"][faint, survey.reference_index] = 3.0
    bands = np.delete(np.arange(len(survey.bands)), survey.reference_index)
    written["flux"][torn, rng.choice(bands, len(torn))] = np.nan
    written["mask_flags"][flagged, rng.choice(bands, len(flagged))] = 4
    write_cefca_tile(path, written, survey)


def once(path: Path, what: str) -> None:
    """Read or check in this process, and print seconds, seconds of processors, and peak memory in MiB."""
    pa.array(
        np.zeros(1)
    )  # arrow imports pandas with its first array; imports are no part of what is measured
    survey, begun, used = load_survey(SURVEY), time.perf_counter(), time.process_time()
    if what == "make":
        make(path, int(path.stem.split("-")[1]))
    elif what == "read":
        for raw in iterate_raw(path, survey):
            assert len(raw)
    elif what == "astropy":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says of units
            table = Table.read(path, hdu=1, memmap=False)
        assert sum(np.asarray(table[name]).nbytes for name in table.colnames) > 0
    else:
        [report] = check_tables([path], survey, QualityCuts())
        assert report.rows > report.usable > 0.97 * report.rows
        assert not report.problems
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
    parser.add_argument("--once", choices=["make", *WAYS], help=argparse.SUPPRESS)
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
    found: dict[str, list[list[float]]] = {what: [] for what in WAYS}
    for _ in range(rounds):
        for what, numbers in found.items():
            numbers.append(measured(path, what))
    medians = {
        what: [statistics.median(column) for column in zip(*numbers, strict=True)]
        for what, numbers in found.items()
    }
    print(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB", flush=True)
    for what, (seconds, used, most) in medians.items():
        print(
            f"  {what:<8} {seconds:6.2f} s, {used:6.2f} s of processors, {most:5.0f} MiB; check has "
            f"{seconds / medians['check'][0]:.2f} of its speed, {used / medians['check'][1]:.2f} by processors",
            flush=True,
        )


def measured(path: Path, what: str) -> list[float]:
    """Return what `once` prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.check_tables", str(path), "--once", what]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(word) for word in text.split()]


if __name__ == "__main__":
    main()
