"""Seconds and peak memory of driver, scheduler and workers for many partitions that do nothing, in the real runner.

Scheduler and workers are processes of their own, as on a cluster; each number of partitions has new ones. A line a
size: ``python benchmarks/rehearsal.py --partitions 1000 10000 100000``. With ``--ledger`` it is the ledger and the
publication instead: seconds per thousand commits, of planning from them, and of publishing partitions of ten rows.
"""

import argparse
import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from jpasbatch.compute.clusters.address import AddressCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.meter import Meter
from jpasbatch.compute.runner import Task
from jpasbatch.stages.run.mapping import run_each

WORKERS = 2
ROWS = 40_000
BETWEEN = 0.2  # seconds between looks at the memory


def nothing(*_: object) -> dict[str, int]:
    """Do what a partition does not."""
    return {"rows": ROWS, "quarantined": 0}


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def cluster() -> Iterator[tuple[str, psutil.Process, psutil.Process]]:
    """Yield the address of a scheduler, its process, and the process that starts its workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    scheduler = start("distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show")
    workers = start(
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--nworkers",
        str(WORKERS),
        "--no-dashboard",
    )
    try:
        yield address, psutil.Process(scheduler.pid), psutil.Process(workers.pid)
    finally:
        for process in (workers, scheduler):
            process.terminate()
            process.wait(30)


class Peaks:
    """The highest resident memory of processes, in MiB."""

    def __init__(self, scheduler: psutil.Process, nanny: psutil.Process) -> None:
        self.watched = {"driver": psutil.Process(), "scheduler": scheduler}
        self.nanny = nanny
        self.found: dict[str, float] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peaks":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.over.wait(BETWEEN):
            workers = [("worker", child) for child in self.nanny.children(recursive=True)]
            for name, process in (*self.watched.items(), *workers):
                memory = process.memory_info().rss / 2**20
                self.found[name] = max(self.found.get(name, 0.0), memory)


def rehearse(partitions: int) -> dict[str, float]:
    """Run so many partitions and return seconds and memory; in a process of its own."""
    with (
        cluster() as (address, scheduler, nanny),
        open_cluster(AddressCluster(address, insecure=True)) as executor,
        Peaks(scheduler, nanny) as peaks,
    ):
        executor.client.wait_for_workers(WORKERS)  # type: ignore[union-attr]
        begin = time.monotonic()
        meter = Meter("rehearsal: partitions", partitions)
        tasks = (Task(f"8_{number}", (number,)) for number in range(partitions))
        done = sum(outcome.status == "done" for outcome in run_each(meter, nothing, tasks, executor))
        seconds = time.monotonic() - begin
    assert done == partitions
    return {"partitions": partitions, "seconds": seconds, **peaks.found}


def rehearse_ledger(partitions: int) -> dict[str, float]:
    """Commit, plan and publish so many partitions of ten rows."""
    import numpy as np
    import pyarrow as pa

    from jpasbatch.stages.run.commits import Run, whole_commits
    from jpasbatch.storage.catalogue.partitions import write_partition
    from jpasbatch.storage.catalogue.primary import PrimaryOptions, publish_primary
    from jpasbatch.storage.stores.opening import open_store

    order, found = 10, {"partitions": float(partitions)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run, sky = Run(str(folder), "run"), folder / "sky"
        ledger = run.ledger
        begin = time.monotonic()
        for pixel in range(partitions):
            index = (pixel << 38) + np.arange(10)
            table = pa.table(
                {"_healpix_29": index, "object_id": index, "ra": np.zeros(10), "dec": np.zeros(10)}
            )
            staged = write_partition(table, open_store(folder), "sky/.staging", f"{order}_{pixel}")
            record = staged.facts((order, pixel), "sky", "0" * 64).to_record()
            record["files"] = {staged.key: staged.sha256}
            ledger.commit(f"{order}_{pixel}", record)
        found["committing"] = time.monotonic() - begin
        begin = time.monotonic()
        whole = whole_commits(run, ledger.keys())
        found["planning"] = time.monotonic() - begin
        found["driver after planning"] = psutil.Process().memory_info().rss / 2**20
        commits = ledger.records(sorted(whole))
        begin = time.monotonic()
        publish_primary(
            sky, "photometry", list(commits.values()), table.schema, {}, PrimaryOptions(map_order=order)
        )
        found["publishing"] = time.monotonic() - begin
        found["driver, peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return found


def main() -> None:
    """Print a line of JSON for each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--partitions", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--ledger", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one size, in this process
    options = parser.parse_args()
    for size in options.partitions:
        if options.here:
            found = (rehearse_ledger if options.ledger else rehearse)(size)
            print(json.dumps({key: round(value, 2) for key, value in found.items()}), flush=True)
        else:
            more = ["--ledger"] if options.ledger else []
            subprocess.run([sys.executable, __file__, "--here", *more, "--partitions", str(size)], check=True)


if __name__ == "__main__":
    main()
