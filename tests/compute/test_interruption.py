"""SIGINT and SIGTERM, sent to real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from jpasbatch.compute.interruption import stop_on_signals, stop_postponed, stop_requested
from tests.compute.long_run import TASKS

SCRIPT = Path(__file__).with_name("long_run.py")
REPOSITORY = SCRIPT.parents[2]
FEW_SECONDS = 15.0  # Dask gives a worker four, and other tests may be running


class Stopped:
    """A run that got signals: how it ended, and what it left."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, children: list[psutil.Process]) -> None:
        asked = time.monotonic()
        self.error = process.communicate(timeout=60)[1]
        self.seconds = time.monotonic() - asked
        self.code = process.returncode
        self.started = len(list(folder.glob("started-*")))
        self.done = len(list(folder.glob("done-*")))
        self.left = psutil.wait_procs(children, timeout=10)[1]


@contextmanager
def running(cluster: str, folder: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Start the tasks in a session of their own; nothing of it is left at the end."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), cluster, str(folder), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DASK_LOGGING__DISTRIBUTED": "error"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def started(folder: Path) -> bool:
    return any(folder.glob("started-*"))


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stop(
    process: subprocess.Popen[str], folder: Path, send: Callable[[int, int], None], *signals: int
) -> Stopped:
    children = psutil.Process(process.pid).children(recursive=True)
    for number in signals:
        send(process.pid, number)
        time.sleep(0.2)
    return Stopped(process, folder, children)


@pytest.mark.parametrize(
    ("cluster", "seconds", "send", "number"),
    [
        ("serial", 30.0, os.kill, signal.SIGTERM),
        ("local", 0.5, os.killpg, signal.SIGINT),  # Ctrl-C in a terminal reaches the workers as well
        pytest.param("local", 60.0, os.kill, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_a_run_within_seconds(cluster, seconds, send, number, tmp_path):
    with running(cluster, tmp_path, seconds) as process:
        wait_until(lambda: started(tmp_path))
        found = stop(process, tmp_path, send, number)
    assert found.code == 75
    assert found.seconds < FEW_SECONDS
    assert f"{signal.Signals(number).name}: stopping" in found.error
    assert "same command again" in found.error
    assert "Traceback" not in found.error
    assert found.left == []
    assert found.started < TASKS / 2  # no more were submitted
    if seconds < 1:
        assert found.done == found.started  # what ends within the seconds of grace is finished
    else:
        assert found.done == 0


def test_a_second_signal_stops_at_once(tmp_path):
    with running("local", tmp_path, 60.0) as process:
        wait_until(lambda: started(tmp_path))
        found = stop(process, tmp_path, os.kill, signal.SIGTERM, signal.SIGINT)
    assert found.code == 75
    assert found.seconds < 1.5  # the grace of the workers is four seconds
    assert "SIGINT again: stopped at once" in found.error
    assert found.left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_while_the_workers_start(number, tmp_path):
    with running("local", tmp_path, 60.0) as process:
        wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 2)
        found = stop(process, tmp_path, os.killpg, number)
    assert found.code == 75
    assert found.seconds < FEW_SECONDS
    assert "interrupted" in found.error
    assert found.left == []
    if number == signal.SIGINT:
        assert "Traceback" not in found.error


# within one process


def test_a_signal_is_an_interrupt_and_the_former_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert not stop_requested()


def test_a_postponed_signal_waits_for_the_end_of_the_block():
    reached = []

    def postponed() -> None:
        with stop_postponed():
            os.kill(os.getpid(), signal.SIGTERM)
            reached.append(stop_requested())
        reached.append("beyond")

    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        postponed()
    assert reached == [True]


def test_what_a_signal_breaks_is_an_interruption():
    def broken() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except KeyboardInterrupt:
            raise OSError("a library lost its worker") from None

    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        broken()


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError), stop_on_signals(), stop_postponed():
        raise ZeroDivisionError
