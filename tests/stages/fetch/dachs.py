"""A real TAP service on this machine: GAVO DaCHS over PostgreSQL, in a folder of its own, with mock tables.

It needs the Debian packages gavodachs2-server and postgresql-NN-pgsphere; their own configuration and database are not
touched. PostgreSQL refuses to run as root: root starts both as the user ``postgres``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

RESOURCE = Path(__file__).with_name("mock.rd")
START_SECONDS = 120
SETTINGS = """\
[general]
rootDir: {root}
tempDir: {root}/tmp
group: {group}
maintainerAddress: nobody@example.org
[web]
bindAddress: 127.0.0.1
serverPort: {port}
serverURL: http://127.0.0.1:{port}
user: {user}
[async]
maxTAPRunning: 2
"""


def find_server() -> Path:
    """Return the folder of PostgreSQL's programs, or skip and say what is missing."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    with_sphere = [
        one
        for one in folders
        if list(Path("/usr/share/postgresql").glob(f"{one.parent.name}/extension/pg_sphere.control"))
    ]
    if shutil.which("dachs") is None or not with_sphere:
        pytest.skip(
            "needs a real TAP service: install the Debian packages gavodachs2-server and postgresql-15-pgsphere"
        )
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to become another user")
    return with_sphere[-1]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """Runs the programs of PostgreSQL and DaCHS below one folder."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.folder, self.root = find_server(), folder, folder / "root"
        self.as_root = os.geteuid() == 0
        self.user = "postgres" if self.as_root else os.environ.get("USER", str(os.geteuid()))
        self.database_port, self.port = free_port(), free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GAVOSETTINGS": str(folder / "gavo.rc"),
            "GAVOCUSTOM": str(folder / "none"),
            "LC_ALL": "C.UTF-8",
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/tap"

    def command(self, *words: str) -> list[str]:
        return [*(("runuser", "-u", self.user, "--") if self.as_root else ()), *words]

    def run(self, *words: str) -> None:
        log = self.folder / "commands.log"
        with log.open("ab") as output:
            done = subprocess.run(
                self.command(*words), cwd=self.folder, env=self.environment, stdout=output, stderr=output
            )
        assert done.returncode == 0, f"{words}:\n{log.read_text(errors='replace')[-2000:]}"

    def give(self, path: Path) -> None:
        if self.as_root:
            shutil.chown(path, self.user, self.user)

    def prepare(self, rows: Mapping[str, np.ndarray]) -> None:
        """Make the database and load the tables."""
        self.folder.mkdir()
        group = self.user if self.as_root else str(os.getegid())
        settings = SETTINGS.format(root=self.root, group=group, port=self.port, user=self.user)
        (self.folder / "gavo.rc").write_text(settings)
        self.give(self.folder)
        self.run(
            f"{self.programs}/initdb",
            "-D",
            "database",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-U",
            "postgres",
        )
        self.start_database()
        place = ("-h", "127.0.0.1", "-p", str(self.database_port), "-U", "postgres")
        self.run(f"{self.programs}/createdb", *place, "gavo")
        self.run("dachs", "init", "-d", f"host=127.0.0.1 port={self.database_port} user=postgres dbname=gavo")
        inputs = self.root / "inputs" / "mock"
        inputs.mkdir()
        shutil.copy(RESOURCE, inputs / "q.rd")
        np.savez(inputs / "objects.npz", **rows)  # type: ignore[arg-type]
        for path in (inputs, *inputs.iterdir()):
            self.give(path)
        self.run("dachs", "--traceback", "imp", "mock/q")
        self.run("dachs", "imp", "//tap")

    def start_database(self) -> None:
        options = f"-p {self.database_port} -k {self.folder} -h 127.0.0.1 -F"
        self.run(
            f"{self.programs}/pg_ctl", "-w", "-D", "database", "-l", "database.log", "-o", options, "start"
        )

    def stop_database(self) -> None:
        self.run(f"{self.programs}/pg_ctl", "-w", "-D", "database", "-m", "immediate", "stop")

    def start_service(self) -> subprocess.Popen[bytes]:
        with (self.folder / "service.log").open("ab") as log:
            process = subprocess.Popen(
                self.command("dachs", "serve", "debug"),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/capabilities", timeout=5):
                    return process
            except OSError:
                time.sleep(0.5)
        stop_group(process)
        raise AssertionError((self.folder / "service.log").read_text(errors="replace")[-2000:])

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that the service knows."""
        query = "SELECT jobid FROM tap_schema.tapjobs"
        words = (
            f"{self.programs}/psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.database_port),
            "-U",
            "postgres",
            "-Atc",
            query,
            "gavo",
        )
        return subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, check=True
        ).stdout.split()


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, with what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(10)


@contextmanager
def dachs(folder: Path, rows: Mapping[str, np.ndarray]) -> Iterator[Server]:
    """Start a service with mock tables, and stop it at the end."""
    server = Server(folder)
    server.prepare(rows)
    try:
        process = server.start_service()
        try:
            yield server
        finally:
            stop_group(process)
    finally:
        server.stop_database()
