"""Partitions that cannot be done: one with damaged bytes, and some that kill their worker."""

import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from jpasbatch import cli
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from tests.crash.judgement import data_files


def infer(folder: Path, *options: str) -> int:
    return cli.main(["infer", str(folder / "tiny.toml"), "--output", str(folder), "--serial", *options])


def test_a_poisoned_partition_is_quarantined_and_nothing_published(trained_copy, undisturbed, capsys):
    photometry = open_catalogue(trained_copy / "sky")
    order, pixel = photometry.pixels[3]
    file = photometry.partition_path(order, pixel)
    whole = file.read_bytes()
    middle = len(whole) // 2
    shutil.rmtree(
        trained_copy / "work" / "seals"
    )  # as an older version left it: only who reads it sees the damage
    file.write_bytes(
        whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
    )
    assert infer(trained_copy) == 3
    error = capsys.readouterr().err
    assert f"{order}_{pixel}" in error
    assert str(file) in error
    with pytest.raises(InputError, match="no 'predictions'"):
        current_extension(trained_copy / "sky", "predictions")
    (record,) = trained_copy.glob("work/infer/*/ledger/quarantine/*.json")
    assert json.loads(record.read_text())["record"]["status"] == "refused"

    assert infer(trained_copy, "--allow-gaps") == 0
    found = data_files(current_extension(trained_copy / "sky", "predictions"))
    wanted = data_files(current_extension(undisturbed / "sky", "predictions"))
    (missing,) = wanted.keys() - found.keys()
    assert f"Npix={pixel}.parquet" in missing
    assert found == {path: digest for path, digest in wanted.items() if path != missing}

    file.write_bytes(whole)  # repaired: the same command closes the gap
    assert infer(trained_copy) == 0
    assert data_files(current_extension(trained_copy / "sky", "predictions")) == wanted


def maybe_die(number: int, killers: frozenset[int]) -> int:
    if number in killers:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize(
    ("tasks", "killers"), [pytest.param(12, 2), pytest.param(60, 6, marks=pytest.mark.slow)]
)
def test_exactly_the_partitions_that_kill_their_worker_are_given_up(tasks, killers):
    chosen = frozenset(random.Random(5).sample(range(tasks), killers))
    with open_cluster(LocalCluster(workers=2, memory_limit="1 GiB")) as executor:
        given = (Task(f"task-{number}", (number, chosen)) for number in range(tasks))
        found = {outcome.key: outcome for outcome in run_tasks(maybe_die, given, executor)}
    assert len(found) == tasks
    killed = {number for number in range(tasks) if found[f"task-{number}"].status == "killed"}
    assert killed == chosen
    assert all(found[f"task-{number}"].result == number for number in range(tasks) if number not in chosen)
