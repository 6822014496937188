"""More memory for a task whose worker had too little: how much, how often, and what is told."""

import os
import subprocess
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from jpasbatch.compute import runner
from jpasbatch.compute.clusters import replacement, slurm
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.larger import Larger, memory_steps, resource_of
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.replacement import Replacement
from jpasbatch.compute.clusters.slurm import SlurmCluster
from jpasbatch.compute.clusters.slurm_queue import queued_jobs
from jpasbatch.compute.losses import OUT_OF_MEMORY
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import TryAgainError
from tests.compute.clusters.test_slurm import options

GIB = 2**30


def test_memory_grows_by_steps_up_to_the_limit():
    assert memory_steps(4 * GIB, 2.0, 20 * GIB) == (8 * GIB, 16 * GIB, 20 * GIB)
    assert memory_steps(4 * GIB, 1.5, 5 * GIB) == (5 * GIB,)
    assert memory_steps(4 * GIB, 2.0, 4 * GIB) == ()


@dataclass
class Site:
    """A queue that was asked for larger workers, and a scheduler that has them after some looks."""

    late: int = 0
    asked: list[tuple[int, str]] = field(default_factory=list)
    looks: int = 0

    def ask(self, memory: int, resource: str) -> None:
        self.asked.append((memory, resource))

    def scheduler_info(self, n_workers: int) -> dict:
        self.looks += 1
        offered = {resource: 1.0 for _, resource in self.asked} if self.looks > self.late else {}
        return {"workers": {"tls://a:1": {}, "tls://b:1": {"resources": offered}}}


def test_a_larger_worker_is_asked_for_once_and_waited_for():
    site = Site(late=1)
    larger = Larger(site, memory_steps(GIB, 2.0, 4 * GIB), site.ask, timeout=10)
    assert larger(0) == {"MEMORY-2048-MiB": 1.0}
    assert larger(0) == larger(0)
    assert larger(1) == {"MEMORY-4096-MiB": 1.0}
    assert larger(2) is None
    assert site.asked == [(2 * GIB, "MEMORY-2048-MiB"), (4 * GIB, "MEMORY-4096-MiB")]


def test_a_larger_worker_that_is_refused_is_not_to_be_had(caplog):
    def refuse(memory: int, resource: str) -> None:
        raise RuntimeError("sbatch: error: Memory specification can not be satisfied")

    assert Larger(Site(), (2 * GIB,), refuse, timeout=10)(0) is None
    assert "no worker of 2048 MiB is to be had: sbatch: error: Memory" in caplog.text


def test_a_larger_worker_that_does_not_come_asks_to_try_again():
    site = Site(late=1000)
    with pytest.raises(TryAgainError, match=r"no worker of 2048 MiB came within 0\.6 s") as caught:
        Larger(site, (2 * GIB,), site.ask, timeout=0.6)(0)
    assert caught.value.state == "NO_WORKERS"


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["OUT_OF_MEMORY"], "OUT_OF_MEMORY"),
        (["COMPLETING", "COMPLETING", "OUT_OF_MEMORY"], "OUT_OF_MEMORY"),
        (["COMPLETING", "TIMEOUT"], "TIMEOUT"),
        (["RUNNING"], ""),
    ],
)
def test_why_the_job_of_a_dead_worker_ended_is_waited_for(monkeypatch, states, told):
    """The states are recorded ones: the Slurm of tests enforces no memory."""
    monkeypatch.setattr(
        replacement, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None)
    )
    left = iter(states)
    last = [states[-1]]
    cluster = SimpleNamespace(
        worker_spec={"jpasbatch-0": {}},
        workers={"jpasbatch-0": SimpleNamespace(job_id="7")},
        scheduler_info={"workers": {"tls://a:1": {"name": "jpasbatch-0"}}},
    )
    watch = Replacement(cluster, lambda: {"7": next(left, last[0])}, 0)
    assert watch.departed("jpasbatch-0") == told


def test_a_job_that_is_being_ended_is_counted_under_the_state_that_it_ends_with():
    states = iter(["COMPLETING", "COMPLETING", "OUT_OF_MEMORY"])
    cluster = SimpleNamespace(
        worker_spec={"jpasbatch-0": {}},
        workers={"jpasbatch-0": SimpleNamespace(job_id="7")},
        sync=lambda *asked: again.append(asked[2]),
    )
    again: list[list[str]] = []
    watch = Replacement(cluster, lambda: {"7": next(states)}, 1)
    watch._over.wait = lambda seconds: False  # type: ignore[method-assign]
    watch._look()
    assert watch.losses.counts == {"OUT_OF_MEMORY": 1}
    assert again == [["jpasbatch-0"]]
    assert watch.departed("jpasbatch-0") == "OUT_OF_MEMORY"


def test_a_limit_is_no_less_than_the_memory():
    with pytest.raises(ValueError, match="memory_limit: found '1 GiB'; allowed is what `memory` says"):
        SlurmCluster(memory="4 GiB", memory_limit="1 GiB")
    described = SlurmCluster(memory="4 GiB", memory_limit="16 GiB").describe()
    assert "up to 16 GiB for a task that needs it" in described.says


def grow(number: int, share: float) -> str:
    """Take a share of a GiB where the number is 3; tell what the job was given."""
    if number == 3:
        held = bytearray(int(share * GIB))  # untouched pages take no memory
        held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
        time.sleep(3)  # Dask looks at its workers' memory ten times a second
    return os.environ["SLURM_MEM_PER_NODE"]


def tasks(*more) -> list[Task]:
    return [Task(f"task-{n}", (n, *more)) for n in range(6)]


@pytest.mark.slow
def test_a_task_that_takes_too_much_memory_gets_more_on_slurm(slurm_site, tmp_path, caplog):
    given = options(tmp_path / "shared", memory="700 MiB", memory_limit="2 GiB")
    with open_cluster(given) as executor:
        executor.client.wait_for_workers(2, timeout=60)
        found = {one.key: one for one in run_tasks(grow, tasks(1.0), executor)}
    assert {one.status for one in found.values()} == {"done"}
    assert found["task-3"].result == "1400"
    larger = {key for key, one in found.items() if one.result != "700"}
    assert len(larger) <= 2  # one that waited on the worker that died is a suspect as well
    assert "task-3 runs with more memory: MEMORY-1400-MiB" in caplog.text
    assert executor.losses.counts[OUT_OF_MEMORY] >= 2


@pytest.mark.slow
def test_a_task_that_takes_more_than_the_limit_is_given_up(slurm_site, tmp_path, caplog):
    given = options(tmp_path / "shared", memory="500 MiB", memory_limit="800 MiB", memory_growth=1.3)
    with open_cluster(given) as executor:
        executor.client.wait_for_workers(2, timeout=60)
        found = {one.key: one for one in run_tasks(grow, tasks(1.2), executor)}
    assert {key for key, one in found.items() if one.status != "done"} == {"task-3"}
    assert (found["task-3"].status, found["task-3"].state) == ("killed", OUT_OF_MEMORY)
    assert "ran alone on a worker of MEMORY-800-MiB" in found["task-3"].result
    assert [line for line in caplog.messages if line.startswith("task-3 runs with more memory")] == [
        "task-3 runs with more memory: MEMORY-650-MiB",
        "task-3 runs with more memory: MEMORY-800-MiB",
    ]


def end_the_job(number: int) -> str:
    """End the own job where it has little memory and the number is 3, as a limit of the kernel does."""
    memory = os.environ["SLURM_MEM_PER_NODE"]
    if number == 3 and int(memory) < 1000:
        subprocess.run(["scancel", os.environ["SLURM_JOB_ID"]], check=True)
        time.sleep(60)
    return memory


@pytest.mark.slow
def test_a_job_that_slurm_ends_for_memory_is_asked_for_larger(slurm_site, tmp_path, monkeypatch):
    """The Slurm of tests enforces no memory: the task cancels its job, and the state is put in."""

    def recorded() -> dict[str, str] | None:
        told = queued_jobs()
        return told and {job: state.replace("CANCELLED", OUT_OF_MEMORY) for job, state in told.items()}

    monkeypatch.setattr(slurm, "queued_jobs", recorded)
    monkeypatch.setattr(replacement, "LOOK_SECONDS", 1.0)
    given = options(tmp_path / "shared", memory="700 MiB", memory_limit="2 GiB", replacements=4)
    with open_cluster(given) as executor:
        executor.client.wait_for_workers(2, timeout=60)
        found = {one.key: one for one in run_tasks(end_the_job, tasks(), executor)}
    assert {one.status for one in found.values()} == {"done"}
    assert found["task-3"].result == "1400"
    assert set(executor.losses.counts) == {OUT_OF_MEMORY}
    assert executor.losses.counts[OUT_OF_MEMORY] <= 3


def test_nothing_larger_is_to_be_had_elsewhere():
    assert Executor(None, {}, 0).larger(0) is None
    assert resource_of(3 * GIB) == "MEMORY-3072-MiB"
    assert "raise memory or memory_limit" in runner.ADVICE[OUT_OF_MEMORY]
