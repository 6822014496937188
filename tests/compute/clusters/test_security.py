"""Nobody but the run itself talks to its cluster: no other user, and nobody without its certificate."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from distributed.security import Security

from jpasbatch.compute.clusters.address import AddressCluster, TransportSecurity
from jpasbatch.compute.clusters.executor import borrow_client
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError, TryAgainError
from tests.compute.clusters.test_cluster import free_port, listening, start

NOBODY = 65534

# imports come before the change of user: another user need not be able to read this environment
INTRUDER = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
import cryptography.x509, distributed
from distributed.core import rpc
from distributed.security import Security
uid, *addresses = sys.argv[1:]
if uid != "same":
    os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))

async def ask(address, security):
    how = {"connection_args": security.get_connection_args("client")} if security else {}
    async with rpc(address, **how) as remote:
        return await asyncio.wait_for(remote.identity(), 3)

def attempt(address, security):
    try:
        return f"came in: {asyncio.run(ask(address, security))}"
    except Exception as error:
        return f"kept out: {type(error).__name__}"

for address in addresses:
    place = address.split("://")[1]
    print(attempt(f"tcp://{place}", None))
    print(attempt(f"tls://{place}", Security.temporary()))
"""


def attempts(addresses: list[str], uid: str) -> list[str]:
    """Return what came of it when a process tried to talk to each address, in plain TCP and with keys of its own."""
    command = [sys.executable, "-c", INTRUDER, uid, *addresses]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return found.stdout.splitlines()


def addresses_of(client) -> list[str]:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return [client.scheduler.address, *workers, *(one["nanny"] for one in workers.values())]


@contextmanager
def running_cluster():
    with open_cluster(LocalCluster(workers=1, memory_limit="1 GiB")) as executor:
        assert executor.client is not None
        yield executor


def test_the_intruder_comes_in_where_a_scheduler_lets_everybody_in():
    address = f"tcp://127.0.0.1:{free_port()}"
    process = start("dask_scheduler", "--host", address, "--no-dashboard", "--no-show")
    try:
        options = AddressCluster(address, insecure=True, no_workers_timeout=2)
        with pytest.raises(TryAgainError, match="no worker"), open_cluster(options):
            pass  # it runs
        plain, encrypted = attempts([address], "same")
        assert plain.startswith("came in: {'type': 'Scheduler'")
        assert encrypted.startswith("kept out")
    finally:
        process.terminate()
        process.wait(30)


def test_only_the_run_talks_to_its_cluster():
    before = listening()
    with running_cluster() as executor:
        addresses = addresses_of(executor.client)
        assert len(addresses) == 3
        assert all(address.startswith("tls://127.0.0.1:") for address in addresses)
        found = attempts(addresses, "same")  # of the same user, but without the keys of the run
        assert len(found) == 6
        assert {line.split(":")[0] for line in found} == {"kept out"}
        # what listens beside these serves pages, and none is there
        told = {int(address.rsplit(":", 1)[1]) for address in addresses}
        for host, port in listening() - before:
            if port not in told:
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"http://{host}:{port}/info/main/workers.html", timeout=5)
        outcomes = run_tasks(pow, [Task("n", (7, 2))], executor)
        assert [outcome.result for outcome in outcomes] == [49]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as a second user"
)
def test_another_user_of_the_machine_is_kept_out():
    with running_cluster() as executor:
        found = attempts(addresses_of(executor.client), str(NOBODY))
        assert len(found) == 6
        assert {line.split(":")[0] for line in found} == {"kept out"}


def test_the_keys_of_a_run_are_in_no_file_and_no_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with running_cluster() as executor:
        key = executor.client.security.tls_client_key.splitlines()[1]
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        assert len(processes) > 1
        for process in processes:
            assert key not in str(process.environ()) + str(process.cmdline())
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or key.encode() not in path.read_bytes()


def test_a_library_that_borrows_a_client_opens_no_door():
    before = listening()
    with open_cluster(SerialCluster()) as executor, borrow_client(executor) as client:
        assert client.scheduler.address.startswith("inproc://")
        for host, port in listening() - before:
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://{host}:{port}/info/main/workers.html", timeout=5)


@pytest.fixture
def keys(tmp_path) -> TransportSecurity:
    security = Security.temporary()
    paths = {}
    for name, content in (("cert", security.tls_ca_file), ("key", security.tls_client_key)):
        path = tmp_path / f"{name}.pem"
        path.touch(0o600)
        path.write_text(content, encoding="ascii")
        paths[name] = str(path)
    return TransportSecurity(paths["cert"], paths["cert"], paths["key"])


def test_a_scheduler_with_keys_takes_the_client_that_has_them(keys):
    address = f"tls://127.0.0.1:{free_port()}"
    options = ["--tls-ca-file", keys.ca_file, "--tls-cert", keys.certificate, "--tls-key", keys.key]
    quiet = ["--no-dashboard"]
    processes = [start("dask_scheduler", "--host", address, "--no-show", *quiet, *options)]
    try:
        processes.append(
            start("dask_worker", address, "--nthreads", "1", "--death-timeout", "60", *quiet, *options)
        )
        with open_cluster(AddressCluster(address, tls=keys)) as executor:
            outcomes = list(run_tasks(pow, [Task("n", (7, 2))], executor))
            assert [outcome.result for outcome in outcomes] == [49]
            assert {line.split(":")[0] for line in attempts([address], "same")} == {"kept out"}
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def test_a_key_that_others_can_read_is_refused(keys):
    Path(keys.key).chmod(0o640)
    options = AddressCluster("tls://127.0.0.1:1", tls=keys, no_workers_timeout=0.5)
    with pytest.raises(InputError, match=r"mode 0640.*chmod 600"), open_cluster(options):
        pass


def test_a_scheduler_that_lets_everybody_in_is_told_of(caplog):
    options = AddressCluster(f"tcp://127.0.0.1:{free_port()}", insecure=True, no_workers_timeout=0.5)
    with pytest.raises(Exception, match="no scheduler answers"), open_cluster(options):
        pass
    assert "run code as the users who started" in caplog.text
