"""The runner on real worker processes, and its serial twin."""

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.compute.guarding import guard
from jpasbatch.compute.losses import OUT_OF_MEMORY, WORKER_LOST
from jpasbatch.compute.runner import ATTEMPTS, Outcome, Task, run_tasks
from jpasbatch.errors import InputError, TryAgainError


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    with open_cluster(LocalCluster(workers=2, memory_limit="1 GiB", no_workers_timeout=5)) as executor:
        yield executor


@pytest.fixture(params=["serial", "local"])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "local":
        return request.getfixturevalue("cluster")
    with open_cluster(SerialCluster()) as serial:
        return serial


def double(number: int) -> dict[str, int]:
    return {"rows": 2 * number}


def refuse(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("x")
    raise InputError("the flux unit of a.fits is missing; allowed: 1e-19 erg/s/cm2/A")


def fail_twice(path: str) -> str:
    with Path(path).open("a") as file:
        file.write("x")
    if len(Path(path).read_text()) < ATTEMPTS:
        raise OSError("the disk did not answer")
    return "third time"


def fail_always(path: str) -> str:
    with Path(path).open("a") as file:
        file.write("x")
    raise ZeroDivisionError("no rows")


class Panic(BaseException):
    """What a Rust library raises; it cannot be pickled."""

    def __reduce__(self):
        raise TypeError("a panic does not pickle")


def panic() -> None:
    raise Panic("dec is not finite")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mixed(number: int) -> int:
    if number == 3:
        die()
    return number


def outcomes(executor: Executor, function, *arguments) -> dict[str, Outcome]:
    tasks = [Task(f"task-{index}", given) for index, given in enumerate(arguments)]
    return {outcome.key: outcome for outcome in run_tasks(function, tasks, executor)}


def test_every_task_has_one_outcome(executor):
    found = outcomes(executor, double, *((number,) for number in range(200)))
    assert len(found) == 200
    assert all(found[f"task-{n}"].result == {"rows": 2 * n} for n in range(200))
    assert {outcome.status for outcome in found.values()} == {"done"}


def test_wrong_input_is_tried_once(executor, tmp_path):
    log = tmp_path / "tries"
    outcome = outcomes(executor, refuse, (str(log),))["task-0"]
    assert outcome.status == "refused"
    assert "flux unit" in outcome.result
    assert len(log.read_text()) == 1


def test_other_exceptions_are_tried_three_times(executor, tmp_path):
    found = outcomes(executor, fail_twice, (str(tmp_path / "twice"),))["task-0"]
    assert (found.status, found.result) == ("done", "third time")
    found = outcomes(executor, fail_always, (str(tmp_path / "always"),))["task-0"]
    assert found.status == "failed"
    assert "ZeroDivisionError: no rows" in found.result
    assert len((tmp_path / "always").read_text()) == ATTEMPTS


def fill(number: int) -> int:
    if number == 3:
        raise OSError(errno.ENOSPC, "No space left on device", "/survey/staged.parquet")
    return number


def give_up(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("x")
    raise TryAgainError("s3://bucket/sky does not answer", "STORE_LOST")


def test_a_store_that_does_not_answer_stops_the_run_and_blames_no_task(executor, tmp_path):
    with pytest.raises(TryAgainError, match="does not answer") as stopped:
        list(run_tasks(give_up, [Task("one", (str(tmp_path / "calls"),))], executor))
    assert stopped.value.state == "STORE_LOST"
    assert (tmp_path / "calls").read_text() == "x"


def test_a_full_disk_stops_the_run_and_blames_no_task(executor):
    with pytest.raises(
        TryAgainError, match=r"disk is full: .*'/survey/staged.parquet'; make room"
    ) as stopped:
        outcomes(executor, fill, *((number,) for number in range(200)))
    assert stopped.value.state == "DISK_FULL"


def test_panics_that_do_not_pickle_are_messages(executor):
    outcome = outcomes(executor, panic, ())["task-0"]
    assert outcome.status == "failed"
    assert "dec is not finite" in outcome.result


def test_a_task_that_kills_its_worker_takes_no_other_along(cluster):
    found = outcomes(cluster, mixed, *((number,) for number in range(12)))
    assert found["task-3"].status == "killed"
    assert "ran alone" in found["task-3"].result
    assert found["task-3"].state == WORKER_LOST
    assert cluster.losses.counts == {WORKER_LOST: 2}  # it died with others beside it, and alone
    assert all(found[f"task-{n}"].result == n for n in range(12) if n != 3)


def grow(number: int) -> int:
    if number == 3:
        held = bytearray(1 << 30)  # untouched pages take no memory
        held[:: 1 << 12] = b"x" * (1 << 18)
        time.sleep(60)
    return number


@pytest.mark.slow
def test_a_task_that_takes_too_much_memory_is_told_as_such():
    options = LocalCluster(workers=2, memory_limit="600 MiB", no_workers_timeout=30)
    with open_cluster(options) as executor:
        found = outcomes(executor, grow, *((number,) for number in range(6)))
        assert executor.losses.counts.keys() == {OUT_OF_MEMORY}
    assert (found["task-3"].status, found["task-3"].state) == ("killed", OUT_OF_MEMORY)
    assert found["task-3"].result.startswith("OUT_OF_MEMORY: ")
    assert "raise memory_limit" in found["task-3"].result
    assert all(found[f"task-{n}"].result == n for n in range(6) if n != 3)


def test_interrupts_pass_the_guard():
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard(interrupted, ())


def interrupt_at_first(executor: Executor) -> None:
    def tick() -> None:
        raise KeyboardInterrupt

    list(run_tasks(double, [Task(f"interrupted-{n}", (n,)) for n in range(500)], executor, on_tick=tick))


def test_an_interrupt_is_resumable(cluster):
    with pytest.raises(TryAgainError, match="same command again"):
        interrupt_at_first(cluster)
    assert outcomes(cluster, double, (1,))["task-0"].status == "done"


def profiler_is_on() -> bool:
    from dask import config

    return config.get("distributed.worker.profile.enabled")


def test_workers_do_nothing_beside_their_tasks(cluster):
    assert set(cluster.client.run(profiler_is_on).values()) == {False}


def kinds_of_tasks(dask_scheduler=None) -> set[str]:
    return set(dask_scheduler.task_prefixes)


def test_the_scheduler_remembers_one_kind_of_task(cluster):
    tasks = (Task(f"8_{number}-0123abcd", (number,)) for number in range(100))
    assert sum(outcome.status == "done" for outcome in run_tasks(double, tasks, cluster)) == 100
    assert cluster.client.run_on_scheduler(kinds_of_tasks) == {"task"}


def test_no_worker_with_the_resource_ends_the_run(cluster):
    tasks = [Task("needs-gpu", (1,))]
    with pytest.raises(TryAgainError, match="no worker can run needs-gpu"):
        list(run_tasks(double, tasks, cluster, resources={"GPU": 1}))


def test_tasks_are_consumed_lazily(cluster):
    taken = 0

    def endless() -> Iterator[Task]:
        nonlocal taken
        while True:
            taken += 1
            yield Task(f"lazy-{taken}", (taken,))

    running = run_tasks(double, endless(), cluster)
    next(running)
    running.close()
    assert taken < 200


def test_the_resource_is_requested_only_where_it_is_declared():
    assert Executor(None, {"GPU": 2}, 0).request("GPU") == {"GPU": 1}
    assert Executor(None, {}, 0).request("GPU") is None
