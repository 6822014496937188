"""Stages through a real Slurm: the same bytes as in one process."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jpasbatch import cli
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run import commits
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.storage.stores.artefacts import committee_fingerprint
from tests.crash.judgement import data_files
from tests.stages.test_pipeline import predictions_of
from tests.stages.tiny_run import serial, workspace_of, write_job

pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue, of the extra 'slurm'")

COMMIT = commits.commit_task

CLUSTER = """
kind          = "slurm"
workers       = 2
memory        = "1500 MiB"
wall_time     = "00:10:00"
interface     = "lo"
shared_folder = "{shared}"
start_timeout = 120.0
{more}
"""


@pytest.fixture
def cluster_file(tmp_path):
    def write(more: str = "") -> Path:
        file = tmp_path / "slurm.toml"
        file.write_text(CLUSTER.format(shared=tmp_path / "shared", more=more), encoding="utf-8")
        return file

    return write


def command(verb: str, folder: Path, cluster: Path) -> int:
    return cli.main([verb, str(folder / "tiny.toml"), "--output", str(folder), "--cluster", str(cluster)])


def cancel_one_soon() -> None:
    """Cancel a job of a worker as soon as one runs."""
    for _ in range(600):
        found = subprocess.run(["squeue", "-h", "-o", "%A", "-t", "RUNNING"], capture_output=True, text=True)
        if found.stdout.split():
            time.sleep(6)  # its worker is there by then
            subprocess.run(["scancel", found.stdout.split()[0]], check=True)
            return
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("cancelled", [False, True])
def test_inference_is_the_same_as_in_one_process(
    slurm_site, cluster_file, trained_copy, finished, unchanged_process, cancelled
):
    thread = threading.Thread(target=cancel_one_soon)
    if cancelled:
        thread.start()
    assert command("infer", trained_copy, cluster_file()) == 0
    if cancelled:
        thread.join()
    assert data_files(predictions_of(trained_copy).path) == data_files(predictions_of(finished).path)


@pytest.mark.slow
def test_training_is_the_same_as_in_one_process(
    slurm_site, cluster_file, trained_copy, tmp_path, unchanged_process
):
    write_job(trained_copy / "tiny.toml", seed=8)
    other = Path(shutil.copytree(trained_copy, tmp_path / "other"))
    run_stage("train", workspace_of(other), serial())
    assert command("train", trained_copy, cluster_file('gpu = "gpu:1"')) == 0
    fingerprints = [
        committee_fingerprint(find_committee(workspace_of(one)).version) for one in (trained_copy, other)
    ]
    assert fingerprints[0] == fingerprints[1]


DRIVER = Path(__file__).resolve().parents[2] / "deploy/slurm/driver.sbatch"


UNKNOWN = "UNKNOWN"


def state_of(job: str) -> str:
    """Return the state of a job; unknown where the controller is too busy to answer, and is asked again."""
    asked = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=False)
    if asked.returncode:
        assert "Invalid job id" not in asked.stderr, f"Slurm forgot job {job}"
        return UNKNOWN
    return asked.stdout.partition("JobState=")[2].split()[0]


@pytest.mark.slow
def test_the_driver_may_be_a_job(slurm_site, cluster_file, trained_copy, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, value in {
        "JOB": trained_copy / "tiny.toml", "OUTPUT": trained_copy, "CLUSTER": cluster_file(), "VERB": "infer"
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    sbatch = [
        "sbatch",
        "--parsable",
        "--time=30",
        "--mem=1000",
        f"--output={tmp_path}/driver.log",
        str(DRIVER),
    ]
    job = subprocess.run(sbatch, capture_output=True, text=True, check=True).stdout.strip()
    deadline = time.monotonic() + 120
    while state_of(job) in ("PENDING", "RUNNING", "COMPLETING", UNKNOWN) and time.monotonic() < deadline:
        time.sleep(0.5)
    _until(lambda: state_of(job) != UNKNOWN)
    assert state_of(job) == "COMPLETED", (tmp_path / "driver.log").read_text()
    assert data_files(predictions_of(trained_copy).path) == data_files(predictions_of(finished).path)


@pytest.mark.slow
def test_a_driver_that_is_told_to_stop_is_queued_again(slurm_site, trained_copy, tmp_path, monkeypatch):
    """The program is a stand-in here: it waits, and ends as a driver that is told to stop does."""
    program = tmp_path / "bin" / "jpasbatch"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/bash\ntrap 'exit 75' TERM\necho start >> $OUTPUT/starts\n"
        "[ $(wc -l < $OUTPUT/starts) -gt 1 ] && exit 0\nfor i in $(seq 600); do sleep 0.1; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for name in ("JOB", "OUTPUT", "CLUSTER"):
        monkeypatch.setenv(name, str(tmp_path))
    sbatch = [
        "sbatch",
        "--parsable",
        "--time=30",
        "--mem=100",
        f"--output={tmp_path}/driver.log",
        str(DRIVER),
    ]
    job = subprocess.run(sbatch, capture_output=True, text=True, check=True).stdout.strip()
    starts = tmp_path / "starts"
    _until(starts.exists)
    subprocess.run(["scancel", "--signal=TERM", "--batch", job], check=True)
    _until(lambda: started_again(job, starts), 240)
    _until(lambda: state_of(job) == "COMPLETED")
    assert starts.read_text().split() == ["start", "start"]


def started_again(job: str, starts: Path) -> bool:
    """Return whether a job has started twice, and ask Slurm to start it now where it waits.

    Slurm makes a job that is queued again wait for two minutes, and says so only when the job has ended everywhere: a
    request that comes before is lost, so each look asks again.
    """
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=False, capture_output=True)
    return len(starts.read_text().split()) == 2


def _until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


POOLS = """
default = "cpu"
[stages]
train = "gpu"
[pools.cpu]
{cpu}
[pools.gpu]
{gpu}
"""


def marked_commit(
    run: commits.Run, function: Callable[..., Any], key: str, arguments: tuple
) -> dict[str, Any]:
    """Run a task, and leave a mark of the stage, the task, and the pool and node that it ran on."""
    pool, node, device = (
        os.environ.get(name, "-") for name in ("POOL", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES")
    )
    stage = function.__module__.split(".")[2]
    marks = Path(os.environ["MARKS"])
    (marks / f"{stage} {key} {pool} {node} {device}").touch()
    deadline = time.monotonic() + 60
    if key.startswith("member-"):  # which the first worker would train alone, if the other one is late
        while len(devices(marks)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    return COMMIT(run, function, key, arguments)


def devices(marks: Path) -> set[str]:
    """Return the devices on which members were trained."""
    return {path.name.split()[4] for path in marks.glob("train member-*")}


@pytest.mark.slow
def test_members_are_trained_in_the_pool_with_gpus_and_nothing_else_is(
    slurm_site, trained_copy, tmp_path, unchanged_process, monkeypatch
):
    """One command trains three members on two workers with a GPU, and classifies on workers without one."""
    write_job(trained_copy / "tiny.toml", seed=9, members=3)
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setattr(commits, "commit_task", marked_commit)
    setup = 'setup = ["export POOL={pool} MARKS={marks}"]\n{more}'
    texts = {
        pool: CLUSTER.format(shared=tmp_path / pool, more=setup.format(pool=pool, marks=marks, more=more))
        for pool, more in (("cpu", ""), ("gpu", 'gpu = "gpu:1"'))
    }
    file = tmp_path / "pools.toml"
    file.write_text(POOLS.format(**texts), encoding="utf-8")
    assert command("run", trained_copy, file) == 0
    found = [path.name.split() for path in marks.iterdir()]
    trained = [one for one in found if one[0] == "train"]
    members = sorted(key for _, key, *_ in trained if key.startswith("member-"))
    assert members == ["member-00", "member-01", "member-02"]
    assert {(pool, node) for _, _, pool, node, _ in trained} == {("gpu", "n1")}
    assert devices(marks) == {"0", "1"}  # both workers trained, each with its GPU
    others = [one for one in found if one[0] != "train"]
    assert {stage for stage, *_ in others} == {"infer", "correct", "summarise"}
    assert len([one for one in others if one[0] == "infer"]) == len(
        data_files(predictions_of(trained_copy).path)
    )
    assert {(pool, device) for _, _, pool, _, device in others} == {("cpu", "-")}


@pytest.mark.slow
def test_a_pool_whose_gpus_do_not_come_is_told_in_time(
    slurm_site, cluster_file, trained_copy, unchanged_process, capsys
):
    write_job(trained_copy / "tiny.toml", seed=9)
    more = 'gpu = "gpu:1"\ndirectives = ["--nodelist=n1", "--begin=now+1hour"]'
    file = cluster_file(more)
    file.write_text(file.read_text().replace("start_timeout = 120.0", "start_timeout = 5.0"))
    begun = time.monotonic()
    assert command("train", trained_copy, file) == 75
    assert time.monotonic() - begun < 60
    assert "no worker with a GPU came within 5 s" in capsys.readouterr().err
