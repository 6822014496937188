"""A real Slurm of two virtual nodes on this machine, in a folder of its own, for the tests that are about it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "munged")

CONFIGURATION = """
ClusterName=jpas
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/munge.socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool.%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=1
ReturnToService=2
KillWait=2
MinJobAge=300
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Gres=gpu:2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000
PartitionName=main Nodes=ALL Default=YES MaxTime=60 OverSubscribe=FORCE:4
"""


def why_not() -> str:
    """Return why no Slurm can be started here; nothing where one can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"needs Slurm, `make deploy-test` installs it; missing: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "needs root, as which Slurm's daemons run"


@contextmanager
def slurm(home: Path) -> Iterator[Path]:
    """Start Slurm, and end it and all its jobs; yield the file that ``SLURM_CONF`` names.

    Parameters
    ----------
    home : Path
        A new folder, which other users may enter: munge is one.
    """
    processes: list[subprocess.Popen[bytes]] = []
    configuration = _configure(home)
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    commands = [
        _munge(home),
        ["slurmctld", "-D", "-f", str(configuration)],
        *(["slurmd", "-D", "-N", node, "-f", str(configuration)] for node in ("n1", "n2")),
    ]
    try:
        for number, command in enumerate(commands):
            user = pwd.getpwnam("munge") if number == 0 else None
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}),
                )
            )
            if number == 0:
                _wait(lambda: (home / "munge/munge.socket").exists(), "munged")
        _wait(lambda: _idle(environment) == 2, "two idle nodes")
        yield configuration
        subprocess.run(["scancel", "--signal=KILL", "--user=root"], env=environment, check=False)
        _wait(lambda: not _asked(["squeue", "--noheader"], environment), "an empty queue")
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configure(home: Path) -> Path:
    (home / "state").mkdir(parents=True)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    configuration = home / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=socket.gethostname(), home=home, ports=ports))
    (home / "gres.conf").write_text(
        "NodeName=n1 Name=gpu File=/dev/null\nNodeName=n1 Name=gpu File=/dev/zero\n"
    )
    return configuration


def _munge(home: Path) -> list[str]:
    folder, user = home / "munge", pwd.getpwnam("munge")
    folder.mkdir(mode=0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    for path in (key, folder):
        os.chown(path, user.pw_uid, user.pw_gid)
    files = {name: folder / name for name in ("munge.socket", "munge.key", "pid", "log", "seed")}
    options = zip(("socket", "key-file", "pid-file", "log-file", "seed-file"), files.values(), strict=True)
    return ["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in options)]


def _asked(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    ).stdout.strip()


def _idle(environment: dict[str, str]) -> int:
    found = _asked(["sinfo", "--noheader", "--Node", "--format=%N %T"], environment)
    return sum(line.endswith(" idle") for line in found.splitlines())


def _wait(until, what: str) -> None:
    deadline = time.monotonic() + 30
    while not until():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no {what} after 30 s")
        time.sleep(0.2)
