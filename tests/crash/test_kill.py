"""Kill workers and drivers in the middle of infer: what is published in the end must not show it."""

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from hats.io.validation import is_valid_catalog

from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue import current_extension
from tests.crash.harness import Harness, data_files, differences
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
def test_kills_at_random_moments(snapshots, undisturbed, tmp_path, record_property, capsys):
    """Repeat a failure with JPASBATCH_CRASH_SEED=<the seed that was printed>."""
    seed = int(os.environ.get("JPASBATCH_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    record_property("seed", seed)
    with capsys.disabled():
        print(f"\nseed {seed}", flush=True)
    chance = random.Random(seed)
    kills: list[str] = []
    for number in range(ROUNDS):
        folder = tmp_path / f"round-{number}"
        shutil.copytree(snapshots / "trained", folder)
        harness = Harness(folder, "slow_infer")
        for _ in range(chance.randint(1, 3)):
            kill_at_random(harness, chance)
        codes = harness.finish()
        check_against(undisturbed, harness)
        kills += harness.kills
        with capsys.disabled():
            print(f"round {number}: killed {', '.join(harness.kills)}; then exit {codes}", flush=True)
        shutil.rmtree(folder)
    assert {"worker", "driver", "all"} <= set(kills)


def kill_at_random(harness: Harness, chance: random.Random) -> None:
    """Start infer, kill a worker at a random moment, then the driver or everything at another."""
    before = commits(harness.folder)
    with harness.start() as process:
        started = harness.wait_for(
            process, lambda: commits(harness.folder) > before or (harness.folder / "sky/.building").is_dir()
        )
        if not started:
            return
        time.sleep(chance.uniform(0, 1.5))
        harness.kill_worker(process, chance)
        time.sleep(chance.uniform(0, 2.5))
        chance.choice([harness.kill_driver, harness.kill_all])(process)
        time.sleep(chance.choice([0, 0, 0.5]))  # orphans of the driver may go on for a moment
