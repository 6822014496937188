"""Workers by SSH, from a real sshd on loopback that is two hosts."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jpasbatch.compute.clusters import replacement
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.ssh import SshCluster
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError, TryAgainError
from tests.compute.clusters.test_cluster import free_port
from tests.compute.clusters.test_security import NOBODY, addresses_of, attempts
from tests.compute.events import when

pytest.importorskip("asyncssh", reason="needs asyncssh, of the extra 'ssh'")

SSHD = "/usr/sbin/sshd"
HOSTS = ("127.0.0.1", "127.0.0.2")
CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
ListenAddress 127.0.0.2
HostKey {home}/host
AuthorizedKeysFile {home}/authorized
PidFile {home}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv PYTHONPATH={path}
"""


@pytest.fixture(scope="module")
def keys_and_port(tmp_path_factory) -> Iterator[tuple[Path, int]]:
    """Start sshd, or skip aloud."""
    if not Path(SSHD).exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("needs sshd, `make deploy-test` installs it")
    if os.geteuid() != 0:
        pytest.skip("needs root, who may start sshd")
    home, port = tmp_path_factory.mktemp("sshd"), free_port()
    for name in ("host", "mine", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    shutil.copy(home / "mine.pub", home / "authorized")
    host_key = (home / "host.pub").read_text()
    (home / "known").write_text("".join(f"[{host}]:{port} {host_key}" for host in HOSTS))
    (home / "empty").touch()
    configuration = home / "sshd_config"
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    configuration.write_text(CONFIGURATION.format(home=home, port=port, path=path))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-f", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        yield home, port
    finally:
        process.terminate()
        process.wait(10)


def options(keys_and_port, tmp_path, **others) -> SshCluster:
    home, port = keys_and_port
    given = {
        "hosts": HOSTS,
        "port": port,
        "user": "root",
        "identity": str(home / "mine"),
        "known_hosts": str(home / "known"),
        "memory_limit": "1 GiB",
        "python": sys.executable,
        "shared_folder": str(tmp_path / "shared"),
        "interface": "lo",
    }
    return SshCluster(**{**given, **others})


def pause(path: str, number: int, seconds: float) -> str:
    """Leave a trace, take a while, and tell by which address the host was reached."""
    with Path(path).open("a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return os.environ["SSH_CONNECTION"].split()[2]


def remote_workers(host: str) -> list[psutil.Process]:
    """Return the process that the connection to a host started."""
    found = []
    for process in psutil.Process().parent().children(recursive=True) + list(psutil.process_iter()):
        try:
            if "distributed.cli.dask_spec" in process.cmdline() and (
                process.environ().get("SSH_CONNECTION", "").split()[2:3] == [host]
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hosts": ()}, "hosts: found"),
        ({"hosts": ("a", "b", "a")}, "a is named twice"),
        ({"hosts": ("a; rm",)}, "name or address"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        SshCluster(**given)


def test_what_would_be_started_is_described():
    described = SshCluster(("a", "b"), workers_per_host=3, resources={"GPU": 1}).describe()
    assert described.workers == 6
    assert '"GPU": 1' in described.script


@pytest.mark.slow
def test_tasks_run_on_both_hosts_and_nobody_else_talks_to_them(keys_and_port, tmp_path):
    given = options(keys_and_port, tmp_path, workers_per_host=2)
    with open_cluster(given) as executor:
        executor.client.wait_for_workers(4, timeout=60)
        tasks = [Task(f"n-{n}", (str(tmp_path / "trace"), n, 0.5)) for n in range(8)]
        found = list(run_tasks(pause, tasks, executor))
        assert {outcome.result for outcome in found} == set(HOSTS)
        addresses = addresses_of(executor.client)
        assert all(address.startswith("tls://") for address in addresses)
        for user in ("same", str(NOBODY)):
            assert {line.split(":")[0] for line in attempts(addresses, user)} == {"kept out"}
        assert remote_workers(HOSTS[0])
    assert list((tmp_path / "shared").iterdir()) == []
    deadline = time.monotonic() + 20
    while any(remote_workers(host) for host in HOSTS) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not any(remote_workers(host) for host in HOSTS)


@pytest.mark.slow
def test_a_host_that_is_lost_harms_no_task_and_is_asked_again(keys_and_port, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(replacement, "LOOK_SECONDS", 1.0)
    trace = tmp_path / "trace"
    with open_cluster(options(keys_and_port, tmp_path)) as executor:
        executor.client.wait_for_workers(2, timeout=60)

        def kill() -> None:
            for process in remote_workers(HOSTS[1]):
                process.send_signal(signal.SIGKILL)

        thread = when(trace.exists, kill)
        found = list(run_tasks(pause, [Task(f"n-{n}", (str(trace), n, 2.0)) for n in range(10)], executor))
        thread.join()
        assert {outcome.status for outcome in found} == {"done"}
        assert len(found) == 10
        assert "jobs that ended: 127.0.0.2 (WORKER_LOST); asked for again: 1 of 20" in caplog.text
        executor.client.wait_for_workers(2, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "name", "message"),
    [("identity", "other", "Permission denied"), ("known_hosts", "empty", "Host key is not trusted")],
)
def test_a_host_that_refuses_or_is_not_known_is_told(keys_and_port, tmp_path, key, name, message):
    given = options(keys_and_port, tmp_path, **{key: str(keys_and_port[0] / name)})
    with pytest.raises(InputError, match=message), open_cluster(given):
        pass
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.slow
def test_a_host_that_does_not_answer_asks_to_try_again(keys_and_port, tmp_path):
    given = options(keys_and_port, tmp_path, port=free_port())
    with pytest.raises(TryAgainError, match=r"does not answer: 127\.0\.0\."), open_cluster(given):
        pass
