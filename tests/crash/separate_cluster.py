"""A scheduler and workers with their nannies, each a process of its own that can be killed, frozen and replaced."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORKERS = 2
TIME_TO_LIVE = 5.0  # seconds; Dask takes no less, with a heartbeat every half second
FROZEN = 2 * TIME_TO_LIVE + 1.0  # the scheduler looks once in a time to live
PATIENCE = 60.0
SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{TIME_TO_LIVE:g}s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_LOGGING__DISTRIBUTED": "critical",
}


@dataclass
class SeparateCluster:
    """Processes on this machine, as a site runs them.

    Attributes
    ----------
    port : int
        Of the scheduler, also of the one that replaces it.
    """

    port: int
    scheduler: subprocess.Popen[bytes] | None = None
    nannies: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def heal(self) -> None:
        """Start what is dead, as a batch system does; workers of a dead scheduler go with it."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            for nanny in self.nannies:
                _kill_tree(nanny)
            self.scheduler = _start(
                "dask_scheduler", "--host", f"tcp://127.0.0.1:{self.port}", "--no-dashboard", "--no-show"
            )
            _wait_for(self.port)
        self.nannies = [nanny for nanny in self.nannies if nanny.poll() is None]
        while len(self.nannies) < WORKERS:
            address = f"tcp://127.0.0.1:{self.port}"
            self.nannies.append(
                _start("dask_worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")
            )

    def victims(self) -> dict[str, list[psutil.Process]]:
        """Return the processes that live, by what they are."""
        nannies = [psutil.Process(nanny.pid) for nanny in self.nannies if nanny.poll() is None]
        found: dict[str, list[psutil.Process]] = {"nanny": nannies, "worker": [], "scheduler": []}
        for nanny in nannies:
            found["worker"] += workers_of(nanny)
        if self.scheduler is not None and self.scheduler.poll() is None:
            found["scheduler"] = [psutil.Process(self.scheduler.pid)]
        return {kind: processes for kind, processes in found.items() if processes}

    def kill_all(self) -> None:
        """SIGKILL every process."""
        for process in (*self.nannies, self.scheduler):
            if process is not None:
                _kill_tree(process)


@contextmanager
def separate_cluster() -> Iterator[SeparateCluster]:
    """Yield a cluster that is started by its first `heal`; nothing of it is left at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        cluster = SeparateCluster(probe.getsockname()[1])
    try:
        yield cluster
    finally:
        cluster.kill_all()


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the worker processes that nannies in this process have started, oldest first."""
    with suppress(psutil.NoSuchProcess):
        return sorted(
            (child for child in process.children(recursive=True) if _is_worker(child)),
            key=lambda one: one.pid,
        )
    return []


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("spawn_main" in argument for argument in process.cmdline())
    except psutil.Error:
        return False


def kill(process: psutil.Process) -> bool:
    """SIGKILL a process; return False when it was dead already."""
    if not _lives(process):
        return False
    process.kill()
    return True


def freeze(processes: list[psutil.Process], seconds: float = FROZEN) -> bool:
    """SIGSTOP processes for so many seconds; return False when they were dead already."""
    frozen = [process for process in processes if _lives(process)]
    for process in frozen:
        process.suspend()
    time.sleep(seconds if frozen else 0)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    return bool(frozen)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(HERE)])}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{program}", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the scheduler does not listen")
