"""A driver that is killed (SIGKILL) while its workers are in jobs of a real Slurm: what it leaves, and a rerun."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.crash.harness import Harness
from tests.crash.judgement import data_files
from tests.stages.test_on_slurm import CLUSTER
from tests.stages.test_pipeline import predictions_of

pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue, of the extra 'slurm'")

RUNNING, WAITING = ("RUNNING", "COMPLETING"), ("PENDING",)
WORKERS = 5  # of which the virtual nodes have memory for four: one job waits


def jobs(*states: str) -> set[str]:
    """Return the jobs of workers in these states."""
    command = ["squeue", "--noheader", "--format=%A %j", f"--states={','.join(states)}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in told.splitlines() if " jpasbatch-" in line}


def commits(folder: Path) -> int:
    return len(list(folder.glob("work/infer/*/ledger/[0-9]*.json")))


def seconds_until(reached, limit: float) -> float:
    begun = time.monotonic()
    while not reached():
        assert time.monotonic() - begun < limit, jobs(*RUNNING, *WAITING)
        time.sleep(0.5)
    return time.monotonic() - begun


@pytest.fixture
def harness(slurm_site, trained_copy, tmp_path) -> Harness:
    """Return a slow `infer` with a worker a job, one of which waits in the queue."""
    text = CLUSTER.format(shared=tmp_path / "shared", more="").replace(
        "workers       = 2", f"workers = {WORKERS}"
    )
    return Harness(trained_copy, "slow_infer", cluster=text, codes=(0,))


def kill_in_the_middle(harness: Harness) -> set[str]:
    """Kill the driver when something is committed; return the jobs that waited."""
    with harness.start() as process:
        assert harness.wait_for(process, lambda: commits(harness.folder) >= 2)
        waiting = jobs(*WAITING)
        assert len(jobs(*RUNNING)) == 4
        assert len(waiting) == 1
        harness.kill_driver(process)
    assert commits(harness.folder) < 8
    return waiting


@pytest.mark.slow
def test_a_rerun_at_once_cancels_what_a_killed_driver_left(harness, finished, tmp_path):
    waiting = kill_in_the_middle(harness)
    left = jobs(*RUNNING, *WAITING)
    assert waiting <= left
    assert len(list((tmp_path / "shared").glob("keys-*"))) == 1
    before = commits(harness.folder)
    assert harness.finish(attempts=1) == [0]
    assert "jobs of a run that was killed are cancelled: " in harness.output
    computed = int(re.findall(r"recomputed (\d+)", harness.output)[0])
    assert (
        computed <= 8 - before
    )  # what was committed is not computed again, also by a worker that survived the driver
    assert data_files(predictions_of(harness.folder).path) == data_files(predictions_of(finished).path)
    assert list((tmp_path / "shared").glob("keys-*")) == []
    seconds_until(lambda: not jobs(*RUNNING, *WAITING), 30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_jobs_of_a_killed_driver_end_by_themselves(harness, finished, tmp_path, capsys):
    """Those that run lose their scheduler; one that waited starts, finds none, and gives up after its time."""
    waiting = kill_in_the_middle(harness)
    running = seconds_until(lambda: not jobs(*RUNNING) - waiting, 60)
    rest = seconds_until(lambda: not jobs(*RUNNING, *WAITING), 150)
    with capsys.disabled():
        print(
            f"\njobs that ran ended {running:.0f} s after their driver, the one that waited {rest:.0f} s later"
        )
    assert harness.finish(attempts=1) == [0]
    assert "are cancelled" not in harness.output
    assert data_files(predictions_of(harness.folder).path) == data_files(predictions_of(finished).path)
    assert list((tmp_path / "shared").glob("keys-*")) == []
