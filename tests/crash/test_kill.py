"""Kill workers and drivers in the middle of infer: what is published in the end must not show it."""

import os
import random
import time
from pathlib import Path

import pytest
from hats.io.validation import is_valid_catalog

from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import current_extension
from tests.crash.harness import Harness
from tests.crash.judgement import data_files, differences
from tests.crash.kill_runs import kill_run
from tests.crash.naive_infer import naive_version
from tests.stages.tiny_run import serial, workspace_of

ROUNDS = 12


def commits(folder: Path) -> int:
    return len(list(folder.glob("work/infer/*/ledger/[0-9]*.json")))


def check_against(undisturbed: Path, harness: Harness) -> None:
    """Compare with the undisturbed run; then a further run must compute nothing."""
    expected = current_extension(undisturbed / "sky", "predictions")
    found = current_extension(harness.folder / "sky", "predictions")
    assert found.name == expected.name
    assert differences(data_files(found), data_files(expected)) == []
    assert is_valid_catalog(found, strict=True)
    assert [path.name for path in (harness.folder / "sky").glob("predictions-*[!s]")] == [found.name]
    assert not (harness.folder / "sky" / ".building").exists()
    assert run_stage("infer", workspace_of(harness.folder), serial())["recomputed"] == 0
    assert data_files(found) == data_files(expected)


def test_kills_of_a_worker_and_the_driver_leave_no_trace(trained_copy, undisturbed):
    chance = random.Random(1)
    harness = Harness(trained_copy, "slow_infer")
    with harness.start() as process:
        assert harness.wait_for(process, lambda: commits(trained_copy) >= 1)
        harness.kill_worker(process, chance)
        assert harness.wait_for(process, lambda: commits(trained_copy) >= 3)
        harness.kill_driver(process)
    assert not list((trained_copy / "sky").glob("predictions-*"))
    with harness.start() as process:
        assert harness.wait_for(process, (trained_copy / "sky" / ".building").is_dir)
        harness.kill_all(process)
    assert harness.kills == ["worker", "driver", "all"]
    assert harness.finish("--serial") == [0]
    assert ", recomputed 0," in harness.output  # all was committed before the second round
    check_against(undisturbed, harness)


@pytest.mark.slow
def test_the_harness_catches_a_naive_protocol(trained_copy, undisturbed):
    chance = random.Random(1)
    harness = Harness(trained_copy, "naive_infer")
    version = naive_version(trained_copy / "sky")
    with harness.start() as process:
        assert harness.wait_for(process, lambda: len(data_files(version)) >= 3)
        harness.kill_worker(process, chance)
        time.sleep(0.1)
        harness.kill_all(process)
    assert harness.kills == ["worker", "all"]
    assert harness.finish("--serial") == [0]
    torn = differences(data_files(version), data_files(current_extension(undisturbed / "sky", "predictions")))
    assert 1 <= len(torn) <= 3


@pytest.mark.slow
def test_the_naive_protocol_is_right_when_nothing_is_killed(trained_copy, undisturbed):
    harness = Harness(trained_copy, "naive_infer")
    assert harness.finish("--serial") == [0]
    wanted = data_files(current_extension(undisturbed / "sky", "predictions"))
    assert differences(data_files(naive_version(trained_copy / "sky")), wanted) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_at_random_moments(snapshots, tmp_path, capsys):
    """Repeat a failure with JPASBATCH_CRASH_SEED=<the seed of the run that was printed>; see kill_runs.py."""
    seed = int(os.environ.get("JPASBATCH_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    kinds: set[str] = set()
    for number in range(ROUNDS):
        with capsys.disabled():
            print(f"\nseed {seed + number}", flush=True)
        separate = number % 2 == 0
        run = kill_run(snapshots, tmp_path / f"run-{number}", seed + number, separate, "slow_infer")
        with capsys.disabled():
            print(run["kills"], run["codes"], flush=True)
        assert not any(run["faults"].values()), run
        kinds |= set(run["kills"])
    assert {"worker", "driver", "all"} <= kinds
