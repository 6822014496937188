"""`jpasbatch check` against plain reading of one big FITS table: seconds in turn, and peak memory by size.

python -m benchmarks.check_tables FOLDER --rows 400000 --rounds 3
"""

import argparse
import resource
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
    """Read or check in this process, and print seconds and peak memory in MiB."""
    survey, begun = load_survey(SURVEY), time.perf_counter()
    if what == "read":
        for raw in iterate_raw(path, survey):
            assert len(raw)
    else:
        [report] = check_tables([path], survey, QualityCuts())
        assert report.usable == report.rows
    print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", choices=["read", "check"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.folder, options.once)
        return
    for rows in (options.rows // 4, options.rows):
        path = options.folder / f"table-{rows}.fits"
        if not path.exists():
            make(path, rows)
        found: dict[str, list[list[float]]] = {"read": [], "check": []}
        for _ in range(options.rounds):
            for what, numbers in found.items():
                command = [sys.executable, "-m", "benchmarks.check_tables", str(path), "--once", what]
                text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                numbers.append([float(word) for word in text.split()])
        seconds = {what: statistics.median(one[0] for one in numbers) for what, numbers in found.items()}
        memory = {what: max(one[1] for one in numbers) for what, numbers in found.items()}
        print(
            f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB: reading {seconds['read']:.2f} s, checking "
            f"{seconds['check']:.2f} s ({seconds['read'] / seconds['check']:.2f} of the speed), "
            f"{memory['check']:.0f} MiB at most"
        )


if __name__ == "__main__":
    main()
