"""Stages through a real Slurm: the same bytes as in one process."""

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from jpasbatch import cli
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.stages.run.committees import find_committee
from jpasbatch.storage.stores.artefacts import committee_fingerprint
from tests.stages.test_pipeline import data_files, predictions_of
from tests.stages.tiny_run import serial, workspace_of, write_job

pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue, of the extra 'slurm'")

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
