"""Cluster options, and a scheduler and workers that run already."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from jpasbatch.compute.clusters.address import AddressCluster
from jpasbatch.compute.clusters.executor import borrow_client
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster as Serial
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import TryAgainError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", "distributed.cli." + arguments[0], *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    address = f"tcp://127.0.0.1:{free_port()}"
    process = start("dask_scheduler", "--host", address, "--no-dashboard", "--no-show")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(address.rsplit(":", 1)[1]))) == 0:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def square(number: int) -> int:
    return number * number


def test_a_scheduler_without_workers_asks_to_try_again(scheduler):
    with (
        pytest.raises(TryAgainError, match="no worker after 1 s"),
        open_cluster(AddressCluster(scheduler, insecure=True, no_workers_timeout=1)),
    ):
        pass


def test_tasks_run_on_workers_of_an_existing_scheduler(scheduler):
    worker = start(
        "dask_worker",
        scheduler,
        "--nthreads",
        "1",
        "--no-dashboard",
        "--resources",
        "GPU=1",
        "--death-timeout",
        "60",
    )
    try:
        options = AddressCluster(scheduler, insecure=True, no_workers_timeout=60, resources={"GPU": 1})
        with open_cluster(options) as executor:
            tasks = [Task(f"n-{n}", (n,)) for n in range(5)]
            found = run_tasks(
                pow, [Task(t.key, (*t.arguments, 2)) for t in tasks], executor, executor.request("GPU")
            )
            assert sorted(outcome.result for outcome in found) == [0, 1, 4, 9, 16]
    finally:
        worker.terminate()
        worker.wait(30)


def test_an_address_that_nobody_answers_is_an_input_error():
    options = AddressCluster(f"tcp://127.0.0.1:{free_port()}", insecure=True, no_workers_timeout=0.5)
    with pytest.raises(TryAgainError, match="no scheduler answers"), open_cluster(options):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://scheduler.example.org:8786", "not encrypted"),
        ("tls://scheduler.example.org:8786", r"needs a \[tls\] table"),
        ("tcp://127.0.0.1:8786", "every user of this machine .* insecure = true"),
        ("http://127.0.0.1:8786", "tls://HOST:PORT"),
        ("scheduler:8786", "tls://HOST:PORT"),
    ],
)
def test_addresses_off_loopback_need_encryption(address, message):
    with pytest.raises(ValueError, match=message):
        AddressCluster(address)


def test_a_local_cluster_has_workers():
    with pytest.raises(ValueError, match="workers: found 0"):
        LocalCluster(workers=0)


def test_a_library_may_borrow_a_client_from_a_serial_run():
    with open_cluster(Serial()) as executor, borrow_client(executor) as client:
        assert client.submit(square, 7).result() == 49


def test_nothing_listens_off_this_machine():
    before = listening()  # the scheduler of the tests above
    with open_cluster(Serial()) as executor, borrow_client(executor):
        assert {address for address, _ in listening() - before} == {"127.0.0.1"}
    with open_cluster(LocalCluster(workers=1, memory_limit="1 GiB")):
        assert {address for address, _ in listening() - before} == {"127.0.0.1"}


def listening() -> set[tuple[str, int]]:
    here = psutil.Process()
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
