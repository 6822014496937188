"""What Dask costs above a bare loop over the same tasks in as many processes: wall clock, and processor time.

A task multiplies matrices for about a second in one thread, as a partition does, without disk. Ways in turn: two
processes that loop over their half of the tasks, Dask with its defaults, Dask as `jpasbatch.compute`
starts it. Processor time beside the tasks is that of driver, scheduler and the threads of the workers that run no
task, in percent of the processors that the workers have. Needs a machine with nothing else on it.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported, here and in the processes that inherit it

import numpy as np  # noqa: E402
import psutil  # noqa: E402

from jpasbatch.compute.clusters.executor import Executor  # noqa: E402
from jpasbatch.compute.clusters.local import LocalCluster  # noqa: E402
from jpasbatch.compute.clusters.registry import open_cluster  # noqa: E402
from jpasbatch.compute.runner import Task, run_tasks  # noqa: E402

WORKERS = 2
ROWS, WIDTH, LAYERS = 1024, 200, 64  # a chunk in cache, as in inference


def multiply(repetitions: int) -> float:
    """Do the arithmetic of a partition; return the processor time of this thread."""
    begin = time.thread_time()
    rng = np.random.default_rng(1)
    chunk, weights = (rng.normal(size=size).astype(np.float32) for size in ((ROWS, WIDTH), (WIDTH, WIDTH)))
    out = np.empty_like(chunk)
    for _ in range(repetitions * LAYERS):
        np.matmul(chunk, weights, out=out)
        np.maximum(out, 0, out=out)
    return time.thread_time() - begin


def calibrate(seconds: float) -> int:
    """Return how many repetitions take so many seconds."""
    multiply(2)
    begin = time.monotonic()
    multiply(10)
    return max(1, round(10 * seconds / (time.monotonic() - begin)))


def loop(repetitions: int, tasks: int) -> float:
    return sum(multiply(repetitions) for _ in range(tasks))


def bare(repetitions: int, tasks: int) -> tuple[float, float]:
    """Return the seconds of processes that loop, and 0: there is nothing beside the tasks."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        pool.starmap(loop, [(1, 1)] * WORKERS, chunksize=1)
        begin = time.monotonic()
        pool.starmap(loop, [(repetitions, tasks // WORKERS)] * WORKERS, chunksize=1)
        return time.monotonic() - begin, 0.0


@contextlib.contextmanager
def default_cluster() -> Iterator[Executor]:
    """Yield Dask as it is without any setting."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield Executor(client, {}, 60.0)


def processor_seconds() -> float:
    """Return what this process and all below it used so far."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def dask(
    opening: contextlib.AbstractContextManager[Executor], repetitions: int, tasks: int
) -> tuple[float, float]:
    """Return the seconds of the tasks, and the share of the processors that went elsewhere."""
    with opening as executor:
        list(run_tasks(multiply, [Task(f"warm-{number}", (1,)) for number in range(2 * WORKERS)], executor))
        before, begin = processor_seconds(), time.monotonic()
        given = (Task(f"task-{number}", (repetitions,)) for number in range(tasks))
        used = sum(outcome.result for outcome in run_tasks(multiply, given, executor))
        seconds = time.monotonic() - begin
        return seconds, (processor_seconds() - before - used) / (WORKERS * seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one task")
    options = parser.parse_args()
    repetitions = calibrate(options.seconds)
    ways = {
        "bare loop": lambda: bare(repetitions, options.tasks),
        "Dask, its defaults": lambda: dask(default_cluster(), repetitions, options.tasks),
        "Dask, ours": lambda: dask(open_cluster(LocalCluster(workers=WORKERS)), repetitions, options.tasks),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            found[name].append(way())
    medians = {
        name: [statistics.median(values) for values in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    print("| way | seconds | ratio | processor time beside the tasks, % |\n|---|---|---|---|")
    for name, (seconds, share) in medians.items():
        print(f"| {name} | {seconds:.2f} | {seconds / medians['bare loop'][0]:.3f} | {100 * share:.1f} |")


if __name__ == "__main__":
    main()
