"""Run ``infer`` in a process of its own, kill parts of it, and compare what is left with an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.crash.separate_cluster import kill, workers_of

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PATIENCE = 60.0  # seconds until a command must have got somewhere
CLUSTER = 'kind = "local"\nworkers = 2\nmemory_limit = "2 GiB"\n'


@dataclass
class Harness:
    """One output folder and the command that is run on it again and again.

    Attributes
    ----------
    folder : Path
        With a catalogue and a committee.
    module : str
        A module of this folder with a ``main``.
    kills : list of str
        What was killed so far.
    cluster : str
        Contents of the cluster file.
    codes : tuple of int
        Exit codes that the command may have, when it ends by itself.
    log : str
        Name of the file in the folder that holds what the command prints.
    """

    folder: Path
    module: str
    kills: list[str] = field(default_factory=list)
    cluster: str = CLUSTER
    codes: tuple[int, ...] = (0, 3, 75)
    log: str = "output.txt"

    def __post_init__(self) -> None:
        (self.folder / "cluster.toml").write_text(self.cluster)

    @contextmanager
    def start(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command in a session of its own; nothing of it is left at the end."""
        command = [
            sys.executable,
            "-c",
            f"import sys, {self.module}; sys.exit({self.module}.main(sys.argv[1:]))",
        ]
        command += ["infer", str(self.folder / "tiny.toml"), "--output", str(self.folder)]
        command += options or ["--cluster", str(self.folder / "cluster.toml")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(HERE)])}
        with (self.folder / self.log).open("w") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, text=True, start_new_session=True
            )
            try:
                yield process
            finally:
                self._kill_session(process.pid)
                process.wait(PATIENCE)

    @property
    def output(self) -> str:
        """What the last command printed."""
        return (self.folder / self.log).read_text()

    def finish(self, *options: str, attempts: int = 4) -> list[int]:
        """Run the command until it exits with 0, and return the exit codes; on the cluster by default."""
        codes: list[int] = []
        while not codes or codes[-1] != 0:
            assert len(codes) < attempts, f"exit codes {codes}: {self.output}"
            with self.start(*options) as process:
                codes.append(process.wait(PATIENCE))
            assert codes[-1] in self.codes, f"exit code {codes[-1]}: {self.output}"
        return codes

    def wait_for(self, process: subprocess.Popen[str], reached: Callable[[], bool]) -> bool:
        """Wait until something is reached; return False when the command ended before."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None:
            if reached():
                return True
            assert time.monotonic() < deadline, f"nothing happens: {self.output}"
            time.sleep(0.005)
        return False

    @staticmethod
    def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
        """Return the worker processes of a local cluster."""
        try:
            return workers_of(psutil.Process(process.pid))
        except psutil.NoSuchProcess:
            return []

    def kill_worker(self, process: subprocess.Popen[str], chance: random.Random) -> None:
        """SIGKILL one worker process."""
        workers = self.workers(process)
        if workers and kill(chance.choice(workers)):
            self.kills.append("worker")

    def kill_driver(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL the driver, with the scheduler and the nannies that live in it; its workers are orphans."""
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
            self.kills.append("driver")

    def kill_all(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL everything at once, as a loss of power does."""
        if process.poll() is None:
            self._kill_session(process.pid)
            process.wait(PATIENCE)
            self.kills.append("all")

    @staticmethod
    def _kill_session(leader: int) -> None:
        try:
            os.killpg(leader, signal.SIGKILL)
        except ProcessLookupError:
            return
