"""What grows with the number of workers, and with that of partitions: ``python -m benchmarks.scaling WHAT``.

``workers`` lets so many workers of one thread join a scheduler in the driver, by TLS as those of Slurm and SSH do, and
gives them tasks that do nothing. They share a few processes, since the subject is the driver: its processor time for
each task and while nothing runs, its memory, its open files. ``committed`` runs partitions that write a file of 100
bytes through the protocol of commits, on two local workers, and once more when all are there. ``weak`` gives one and
two local workers the same number of tasks of a second each. A line of JSON a measurement, each in a process of its own.
Processor time says more than seconds where other work runs beside.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.dask_overhead import (
    calibrate,
    multiply,
)  # which lets a task use one thread, before numpy is there
from jpasbatch.compute.clusters.executor import NO_DASHBOARD, Executor
from jpasbatch.compute.clusters.key_folder import keys_in_folder
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.worker_settings import driver_settings, worker_settings
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.stages.run.commits import Made, Run
from jpasbatch.stages.run.committed import committed

IN_A_PROCESS = 250  # workers
IDLE = 20.0  # seconds in which nothing runs
PATIENCE = 600.0
FILE = "_{}.bin"


def write(folder: str, key: str) -> Made:
    """Write a partition of 100 bytes."""
    path = Path(folder) / FILE.format(key)
    path.write_bytes(b"x" * 100)
    return Made(100, {}, [path])


async def work(address: str, number: int, first: int, files: list[str]) -> None:
    """Be so many workers, until the scheduler is gone."""
    import distributed
    from dask import config

    certificate, key = files
    security = distributed.Security(
        require_encryption=True, tls_ca_file=certificate, tls_worker_cert=certificate, tls_worker_key=key
    )
    with config.set(worker_settings()):
        workers = [
            distributed.Worker(
                address,
                nthreads=1,
                name=f"fake-{first + one}",
                security=security,
                memory_limit=0,
                dashboard=False,
            )
            for one in range(number)
        ]
        for begin in range(0, number, 25):  # those of a cluster come one after another too
            await asyncio.gather(*workers[begin : begin + 25])
        await asyncio.gather(*(worker.finished() for worker in workers))


@contextmanager
def fakes(number: int) -> Iterator[Executor]:
    """Yield an executor on so many workers that share a few processes."""
    import distributed
    from dask import config

    with (
        tempfile.TemporaryDirectory() as place,
        keys_in_folder(Path(place) / "shared") as security,
        config.set(driver_settings(PATIENCE)),
        distributed.LocalCluster(
            n_workers=0, host="127.0.0.1", security=security, scheduler_kwargs=dict(NO_DASHBOARD)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        files = [str(security.tls_ca_file), str(security.tls_client_key)]
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.scaling",
            "fakes",
            cluster.scheduler_address,
        ]
        processes = [
            subprocess.Popen(
                [*command, str(min(IN_A_PROCESS, number - first)), str(first), *files],
                stderr=subprocess.DEVNULL,
            )
            for first in range(0, number, IN_A_PROCESS)
        ]
        try:
            client.wait_for_workers(number, timeout=PATIENCE)
            yield Executor(client, {}, PATIENCE)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)


def spent() -> float:
    """Return the seconds of processors that this process used."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def many_workers(number: int, tasks: int) -> dict[str, float]:
    """Return what so many workers cost the driver."""
    import distributed  # noqa: F401 (its memory is none of workers)

    begun, used = time.monotonic(), spent()
    alone = psutil.Process().memory_info().rss
    with fakes(number) as executor:
        found = {"workers": number, "seconds to come": time.monotonic() - begun}
        found["processor ms a worker that comes"] = 1e3 * (spent() - used) / number
        time.sleep(5)
        used = spent()
        time.sleep(IDLE)
        found["processor % while nothing runs"] = 100 * (spent() - used) / IDLE
        found["driver MiB before tasks"] = psutil.Process().memory_info().rss / 2**20
        used, begun = spent(), time.monotonic()
        done = sum(
            one.status == "done"
            for one in run_tasks(pow, (Task(f"n-{n}", (n, 2)) for n in range(tasks)), executor)
        )
        assert done == tasks
        found["tasks"] = tasks
        found["seconds"] = time.monotonic() - begun
        idle = found["processor % while nothing runs"] / 100 * found["seconds"]
        found["processor ms a task"] = 1e3 * (spent() - used - idle) / tasks
        found["driver MiB"] = psutil.Process().memory_info().rss / 2**20
        found["open files"] = psutil.Process().num_fds()
    return {**found, "driver MiB alone": alone / 2**20}


def commit(partitions: int) -> dict[str, float]:
    """Return partitions a second that are committed, and that are found to be there."""
    found: dict[str, float] = {"partitions": partitions}
    with (
        tempfile.TemporaryDirectory() as place,
        open_cluster(LocalCluster(workers=2, memory_limit="2 GiB")) as executor,
    ):
        executor.client.wait_for_workers(2)  # type: ignore[union-attr]
        run = Run(place, "work/run")
        tasks = {f"8_{number}": (f"8_{number}",) for number in range(partitions)}
        for what in ("to do", "up to date"):
            used, begun = spent(), time.monotonic()
            commits = committed(run, "scaling: partitions", write, tasks, executor, shared=(place,))
            assert commits.computed == (partitions if what == "to do" else 0)
            found[f"{what}: a second"] = partitions / (time.monotonic() - begun)
            found[f"{what}: processor ms each"] = 1e3 * (spent() - used) / partitions
    return found


def weak(tasks: int) -> dict[str, float]:
    """Return the seconds, and processor seconds of a task, of one and of two workers with as many tasks each."""
    repetitions = calibrate(1.0)
    found: dict[str, float] = {"tasks a worker": tasks}
    for workers in (1, 2):
        with open_cluster(LocalCluster(workers=workers, memory_limit="2 GiB")) as executor:
            list(run_tasks(multiply, [Task(f"warm-{one}", (1,)) for one in range(2 * workers)], executor))
            begun = time.monotonic()
            given = [Task(f"n-{one}", (repetitions,)) for one in range(workers * tasks)]
            used = [outcome.result for outcome in run_tasks(multiply, given, executor)]
            found[f"{workers}: seconds"] = time.monotonic() - begun
            found[f"{workers}: processor s a task"] = sum(used) / len(used)
    found["efficiency"] = found["1: seconds"] / found["2: seconds"]
    return found


def main() -> None:
    """Measure, and print a line of JSON a measurement."""
    if sys.argv[1:2] == ["fakes"]:
        address, number, first, *files = sys.argv[2:]
        asyncio.run(work(address, int(number), int(first), files))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("workers", "committed", "weak"))
    parser.add_argument("sizes", type=int, nargs="*", help="workers, partitions, or tasks a worker")
    parser.add_argument("--tasks", type=int, default=5000, help="in all, of `workers`")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one size, in this process
    options = parser.parse_args()
    defaults = {"workers": [10, 100, 1000], "committed": [1000, 10_000], "weak": [20]}
    for size in options.sizes or defaults[options.what]:
        if not options.here:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scaling", options.what, str(size)]
            subprocess.run([*command, "--tasks", str(options.tasks), "--here"], check=True)
            continue
        found = {
            "workers": lambda size=size: many_workers(size, options.tasks),
            "committed": lambda size=size: commit(size),
            "weak": lambda size=size: weak(size),
        }[options.what]()
        print(json.dumps({key: round(value, 3) for key, value in found.items()}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    main()
