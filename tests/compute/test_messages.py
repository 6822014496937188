"""Messages from running tasks: heard from this process and from workers, and harmless where nobody hears them."""

import threading

import pytest

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.compute.messages import listening, send
from jpasbatch.compute.runner import Task, run_tasks


def speak(topic: str, words: list[str]) -> dict[str, int]:
    for word in words:
        send(topic, {"word": word})
    return {"rows": len(words)}


def heard_of(executor: Executor, wanted: int) -> list[str]:
    """Return the words that a listener hears, who waits for so many of them."""
    words: list[str] = []
    whole = threading.Event()

    def hear(message):
        words.append(message["word"])
        if len(words) == wanted:
            whole.set()
        if message["word"] == "bad":
            raise ValueError("not understood")

    with listening(executor, "a topic", hear):
        outcomes = list(run_tasks(speak, [Task("one", ("a topic", ["a", "bad", "b"]))], executor))
        assert whole.wait(20)
    assert [one.result for one in outcomes] == [{"rows": 3}]
    return words


def test_a_serial_task_is_heard():
    with open_cluster(SerialCluster()) as executor:
        assert heard_of(executor, 3) == ["a", "bad", "b"]


def test_a_worker_is_heard_without_another_port():
    with open_cluster(LocalCluster(workers=1, memory_limit="1 GiB")) as executor:
        assert heard_of(executor, 3) == ["a", "bad", "b"]
        # to nobody, and of a kind that no connection carries: the task is done all the same
        tasks = [Task("one", ("nobody's", ["a"])), Task("two", ("a topic", [{1j}]))]
        assert [one.status for one in run_tasks(speak, tasks, executor)] == ["done", "done"]


@pytest.mark.parametrize("topic", ["nobody listens", ""])
def test_nobody_need_listen(topic):
    send(topic, {"word": "lost"})
