"""Seconds from the start of a worker process until its committee has classified a first chunk, imports included.

A task waits in the scheduler that imports what inference needs, loads a committee of the paper's shape and classifies
1,024 rows; ``dask worker`` is started, and the clock stops when the task has ended. Beside it the time from opening a
local cluster of two workers until both have done so.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from forward_pass import INPUTS, make_members

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.learning.graph import committee_graph

WORKERS = 2


def become_ready(graph: str) -> float:
    """Import what the first partition needs and classify a chunk; return the time (Unix) at which that was done."""
    import numpy as np
    import pyarrow.parquet  # noqa: F401

    from jpasbatch.compute.runner import guard  # noqa: F401
    from jpasbatch.learning.inference import InferenceEngine
    from jpasbatch.stages.infer.partition import classify_partition  # noqa: F401
    from jpasbatch.stages.run.installation import call_with_same_code  # noqa: F401

    engine = InferenceEngine(Path(graph).read_bytes())
    engine.members(np.zeros((1024, engine.n_inputs), np.float32))
    return time.time()


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def worker_alone(graph: str) -> float:
    """Return the seconds of one worker that joins a scheduler."""
    import distributed

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    scheduler = start("distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show")
    try:
        with distributed.Client(address, timeout=60) as client:
            future = client.submit(become_ready, graph, pure=False)
            time.sleep(0.5)
            begin = time.time()
            worker = start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard")
            try:
                return future.result(60) - begin
            finally:
                worker.terminate()
                worker.wait(30)
    finally:
        scheduler.terminate()
        scheduler.wait(30)


def local_cluster(graph: str) -> float:
    """Return the seconds until all workers of a local cluster are ready."""
    begin = time.time()
    with open_cluster(LocalCluster(workers=WORKERS)) as executor:
        assert executor.client is not None
        return max(executor.client.run(become_ready, graph).values()) - begin


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| what | seconds, median | fastest | slowest |\n|---|---|---|---|")
    for name, measure in (
        ("one worker, `dask worker`", worker_alone),
        ("a local cluster of two", local_cluster),
    ):
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / "committee.onnx"
            graph.write_bytes(committee_graph(make_members(), INPUTS))
            found = [measure(str(graph)) for _ in range(rounds)]
        print(
            f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} | {max(found):.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
