"""Stages through a real sshd that is two hosts, one of which is killed: the same bytes as in one process."""

import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest

from jpasbatch.compute.clusters.key_folder import PREFIX
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.storage.stores.artefacts import committee_fingerprint
from tests.compute.clusters.test_ssh import HOSTS, keys_and_port, remote_workers
from tests.compute.events import when
from tests.crash.harness import Harness
from tests.crash.judgement import data_files
from tests.stages.test_on_slurm import command
from tests.stages.test_pipeline import predictions_of
from tests.stages.tiny_run import serial, workspace_of, write_job

__all__ = ["keys_and_port"]

CLUSTER = """
kind          = "ssh"
hosts         = ["{hosts[0]}", "{hosts[1]}"]
port          = {port}
user          = "root"
identity      = "{home}/mine"
known_hosts   = "{home}/known"
memory_limit  = "1500 MiB"
python        = "{python}"
shared_folder = "{shared}"
interface     = "lo"
"""


@pytest.fixture
def cluster(keys_and_port, tmp_path) -> str:
    """Return a cluster file of a worker on each host."""
    home, port = keys_and_port
    return CLUSTER.format(
        hosts=HOSTS, port=port, home=home, python=sys.executable, shared=tmp_path / "shared"
    )


def kill_host(host: str) -> int:
    """Kill all that runs on a host, as a loss of power does; return how many processes there were."""
    victims: list[psutil.Process] = []
    for process in remote_workers(host):
        victims += [process, *process.children(recursive=True)]
    for process in victims:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    return len(victims)


def nothing_left(shared: Path) -> bool:
    """Return whether no worker and no key is left; workers have some seconds to end."""
    deadline = time.monotonic() + 30
    while any(remote_workers(host) for host in HOSTS) and time.monotonic() < deadline:
        time.sleep(0.5)
    return not any(remote_workers(host) for host in HOSTS) and not list(shared.glob(f"{PREFIX}*"))


@pytest.mark.slow
def test_inference_is_the_same_when_a_host_is_killed(cluster, trained_copy, finished, tmp_path):
    harness = Harness(trained_copy, "tests.crash.slow_infer", cluster=cluster, codes=(0,))
    with harness.start() as process:
        begun = lambda: len(list(trained_copy.glob("work/infer/*/ledger/[0-9]*.json"))) >= 2  # noqa: E731
        assert harness.wait_for(process, begun)
        assert kill_host(HOSTS[1]) >= 2
        assert process.wait(120) == 0, harness.output
    assert "recomputed 8," in harness.output
    assert data_files(predictions_of(trained_copy).path) == data_files(predictions_of(finished).path)
    assert nothing_left(tmp_path / "shared")


@pytest.mark.slow
def test_training_is_the_same_when_a_host_is_killed(cluster, trained_copy, tmp_path, unchanged_process):
    write_job(trained_copy / "tiny.toml", seed=8, members=3)
    other = Path(shutil.copytree(trained_copy, tmp_path / "other"))
    run_stage("train", workspace_of(other), serial())
    file = tmp_path / "ssh.toml"
    file.write_text(cluster, encoding="utf-8")
    before = set(trained_copy.glob("work/train/*/ledger/*"))
    killed: list[int] = []
    thread = when(
        lambda: (
            set(trained_copy.glob("work/train/*/ledger/*")) - before
        ),  # the first of three members is there
        lambda: killed.append(kill_host(HOSTS[1])),
    )
    assert command("train", trained_copy, file) == 0
    thread.join()
    assert killed[0] >= 2
    fingerprints = [
        committee_fingerprint(find_committee(workspace_of(one)).version) for one in (trained_copy, other)
    ]
    assert fingerprints[0] == fingerprints[1]
    assert nothing_left(tmp_path / "shared")
