"""A command that runs many tasks until it is stopped: ``python long_run.py CLUSTER FOLDER SECONDS``.

Each task sleeps, and then leaves a file, as a commit does.
"""

import sys
import time
from pathlib import Path

from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.compute.interruption import stop_on_signals
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import TryAgainError

TASKS = 100


def sleep_and_commit(folder: str, number: int, seconds: float) -> None:
    (Path(folder) / f"started-{number}").touch()
    time.sleep(seconds)
    (Path(folder) / f"done-{number}").touch()


def main(cluster: str, folder: str, seconds: str) -> int:
    options = SerialCluster() if cluster == "serial" else LocalCluster(workers=2, memory_limit="1 GiB")
    tasks = (Task(f"task-{number}", (folder, number, float(seconds))) for number in range(TASKS))
    try:
        with stop_on_signals(), open_cluster(options) as executor:
            for _ in run_tasks(sleep_and_commit, tasks, executor):
                pass
    except TryAgainError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted outside of the tasks", file=sys.stderr)
        return TryAgainError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
