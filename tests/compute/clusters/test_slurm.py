"""Workers in jobs of a real Slurm: what is asked of it, and what happens when jobs end."""

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from jpasbatch.compute.clusters import replacement
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.slurm import SlurmCluster, lifetime_of, seconds_of
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError, TryAgainError
from tests.compute.clusters.test_security import NOBODY, addresses_of, attempts
from tests.compute.events import when

pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue, of the extra 'slurm'")


def options(shared: Path, **others) -> SlurmCluster:
    """Return a cluster on the virtual nodes."""
    given = {
        "memory": "800 MiB",
        "wall_time": "00:10:00",
        "interface": "lo",
        "shared_folder": str(shared),
        "start_timeout": 60.0,
        "no_workers_timeout": 60.0,
    }
    return SlurmCluster(**{**given, **others})


def test_a_job_script_says_what_the_file_says(tmp_path):
    described = options(
        tmp_path / "shared",
        workers=8,
        workers_per_job=4,
        cores=2,
        memory="2 GiB",
        queue="long",
        account="jpas",
        directives=("--constraint=avx512",),
        skip_directives=("--mem",),
        setup=("module load python/3.12",),
        local_folder="$TMPDIR",
    ).describe()
    lines = described.script.splitlines()
    assert described.workers == 8
    assert "8 workers in 2 jobs" in described.says
    for line in (
        "#SBATCH -p long",
        "#SBATCH -A jpas",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH -t 00:10:00",
        "#SBATCH --constraint=avx512",
        "module load python/3.12",
    ):
        assert line in lines
    assert "--mem=" not in described.script
    for words in (
        "--nthreads 1",
        "--nworkers 4",
        "--lifetime 420s",
        "--local-directory $TMPDIR",
        "tls://HOST:PORT",
    ):
        assert words in lines[-1]
    assert not (tmp_path / "shared").exists()


def test_workers_leave_before_their_wall_time():
    assert seconds_of("1-02:03:04") == 93_784
    assert lifetime_of(28_800) == (27_900, 300)
    for wall_time in (60, 600, 3600, 100_000):
        lifetime, stagger = lifetime_of(wall_time)
        assert lifetime - stagger > 0
        assert lifetime + stagger <= wall_time - min(wall_time // 5, 600)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wall_time": "00:00:30"}, "a minute or more"),
        ({"wall_time": "8h"}, "wall_time: found '8h'"),
        ({"gpu": "gpu:1", "workers_per_job": 2}, "share its GPU"),
        ({"workers": 5, "workers_per_job": 2}, "cannot be shared among jobs of 2"),
        ({"shared_folder": "/my folder"}, "without spaces"),
        ({"queue": "long; rm"}, "without spaces"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        SlurmCluster(**given)


def test_without_slurm_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"took no job.*sbatch"), open_cluster(options(tmp_path / "shared")):
        pass
    assert list((tmp_path / "shared").glob("keys-*")) == []


@pytest.fixture
def quick(monkeypatch):
    """Look at the queue every second."""
    monkeypatch.setattr(replacement, "LOOK_SECONDS", 1.0)


def pause(path: str, number: int, seconds: float) -> str:
    """Leave a trace, take a while, and tell in which job."""
    with Path(path).open("a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return f"{os.environ['SLURM_JOB_ID']} {os.environ['SLURMD_NODENAME']}"


def pauses(path: Path, number: int, seconds: float) -> list[Task]:
    return [Task(f"pause-{n}", (str(path), n, seconds)) for n in range(number)]


def jobs(*states: str) -> list[str]:
    command = ["squeue", "--noheader", "--format=%A", *([f"--states={','.join(states)}"] if states else [])]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def wait_for(executor: Executor, workers: int) -> None:
    executor.client.wait_for_workers(workers, timeout=60)


@pytest.mark.slow
def test_tasks_run_in_jobs_that_are_gone_after(slurm_site, tmp_path):
    shared = tmp_path / "shared"
    with open_cluster(options(shared)) as executor:
        wait_for(executor, 2)
        (folder,) = shared.glob("keys-*")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        found = list(run_tasks(pause, pauses(tmp_path / "trace", 6, 0.3), executor))
        assert {outcome.status for outcome in found} == {"done"}
        assert len({outcome.result for outcome in found}) == 2
        addresses = addresses_of(executor.client)
        assert all(address.startswith("tls://") for address in addresses)
        for user in ("same", str(NOBODY)):
            assert {line.split(":")[0] for line in attempts(addresses, user)} == {"kept out"}
    assert list(shared.glob("keys-*")) == []
    deadline = time.monotonic() + 20
    while jobs() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert jobs() == []


@pytest.mark.slow
def test_jobs_that_are_cancelled_harm_no_task_and_are_asked_for_again(slurm_site, tmp_path, quick, caplog):
    trace = tmp_path / "trace"
    with open_cluster(options(tmp_path / "shared", no_workers_timeout=100.0)) as executor:
        wait_for(executor, 2)
        first = set(jobs())

        def cancel_both() -> None:
            for job in first:
                subprocess.run(["scancel", job], check=True)

        thread = when(trace.exists, cancel_both)
        found = list(run_tasks(pause, pauses(trace, 6, 3.0), executor))
        thread.join()
        assert {outcome.status for outcome in found} == {"done"}
        assert len(found) == 6
        assert not first & {outcome.result.split()[0] for outcome in found if outcome.key != "pause-0"}
        assert executor.losses.counts == {"CANCELLED": 2}
    assert "asked for again: 2 of 20" in caplog.text


@pytest.mark.slow
def test_a_node_that_is_drained_and_jobs_that_come_no_more(slurm_site, tmp_path, quick, caplog):
    trace = tmp_path / "trace"
    with open_cluster(options(tmp_path / "shared", replacements=0)) as executor:
        wait_for(executor, 2)
        node = "NodeName=n2"

        def drain() -> None:
            subprocess.run(["scontrol", "update", node, "State=DRAIN", "Reason=test"], check=True)
            subprocess.run(["scancel", jobs()[0]], check=True)

        thread = when(trace.exists, drain)
        try:
            found = list(run_tasks(pause, pauses(trace, 5, 2.0), executor))
        finally:
            thread.join()
            subprocess.run(["scontrol", "update", node, "State=RESUME"], check=True)
        assert {outcome.status for outcome in found} == {"done"}
        assert len(found) == 5
    assert "no more jobs are asked for (replacements = 0)" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("lifetime", ["worker leaves", "Slurm ends the job"])
def test_a_wall_time_that_is_hit_in_the_middle(slurm_site, tmp_path, quick, monkeypatch, lifetime):
    trace = tmp_path / "trace"
    if lifetime == "Slurm ends the job":  # as when a task lasts longer than the margin
        monkeypatch.setattr("jpasbatch.compute.clusters.slurm.lifetime_of", lambda wall_time: (3600, 1))
    given = options(tmp_path / "shared", workers=1, wall_time="00:01:00")
    with open_cluster(given) as executor:  # the worker leaves after 42 +- 6 s
        found = list(run_tasks(pause, pauses(trace, 9, 12.0), executor))
        assert {outcome.status for outcome in found} == {"done"}
        assert len(found) == 9
        assert len({outcome.result.split()[0] for outcome in found}) >= 2
        ends = {"TIMEOUT"} if lifetime == "Slurm ends the job" else {"COMPLETED"}
        assert set(executor.losses.counts) == ends


@pytest.mark.slow
def test_a_gpu_is_asked_for_where_there_is_one(slurm_site, tmp_path):
    with open_cluster(options(tmp_path / "shared", workers=1, gpu="gpu:1")) as executor:
        tasks = pauses(tmp_path / "trace", 2, 0.1)
        found = list(run_tasks(pause, tasks, executor, executor.request("GPU")))
        assert {outcome.result.split()[1] for outcome in found} == {"n1"}


@pytest.mark.slow
def test_no_worker_within_the_timeout_is_told(slurm_site, tmp_path):
    given = options(tmp_path / "shared", workers=1, gpu="gpu:1", directives=("--hold",), start_timeout=3.0)
    with pytest.raises(TryAgainError, match=r"no worker with a GPU came within 3 s"), open_cluster(given):
        pass


@pytest.mark.slow
def test_what_slurm_refuses_is_told(slurm_site, tmp_path):
    given = options(tmp_path / "shared", queue="nowhere")
    with pytest.raises(InputError, match=r"took no job.*invalid partition"), open_cluster(given):
        pass
