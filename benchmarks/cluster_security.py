"""Measure what TLS costs a local cluster: its start, and small tasks, with the keys of the run and without, in turn.

Run: ``python benchmarks/cluster_security.py [--rounds 5] [--tasks 2000]``
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jpasbatch.compute.clusters import local
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.security import own_security
from jpasbatch.compute.runner import Task, run_tasks


def measure(secure: bool, tasks: int) -> tuple[float, float]:
    """Return the seconds of a start and the microseconds of a task."""
    local.own_security = own_security if secure else lambda: None  # type: ignore[assignment]
    begun = time.perf_counter()
    with open_cluster(LocalCluster(workers=2, memory_limit="1 GiB")) as executor:
        started = time.perf_counter()
        done = sum(1 for _ in run_tasks(pow, (Task(f"n-{n}", (n, 2)) for n in range(tasks)), executor))
        ended = time.perf_counter()
    assert done == tasks
    return started - begun, 1e6 * (ended - started) / tasks


def main() -> None:
    """Measure both in turn and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=2000)
    options = parser.parse_args()
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for number in range(options.rounds + 1):
        for secure in (False, True):
            one = measure(secure, options.tasks)
            if number:  # the first round reads modules from the disk
                found[secure].append(one)
    for secure, values in found.items():
        start, task = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{'TLS' if secure else 'plain TCP'}: start {start:.2f} s, a task {task:.0f} us")


if __name__ == "__main__":
    main()
