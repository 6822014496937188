"""One protocol commits: work counts once, and only while its files are what was committed."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages.run import committed as protocol
from jpasbatch.stages.run.commits import Made, Run, commit_task, commit_tasks, whole_commits
from jpasbatch.stages.run.committed import BATCHES_OF_WORKER, committed
from tests.stages.tiny_run import serial


@pytest.fixture
def run(tmp_path) -> Run:
    run = Run(str(tmp_path), "work/run")
    for key in "abc":
        path = tmp_path / f"{key}.bin"
        path.write_bytes(key.encode() * 100)
        commit_task(run, Made, key, (1, {}, [path]))
    commit_task(run, Made, "empty", (0,))
    return run


def write(folder, key: str, text: str) -> Made:
    """Write a file under the name of the task."""
    if text == "refused":
        raise InputError("this input is refused")
    if text == "broken":
        raise ZeroDivisionError("a bug")
    (folder / f"{key}.txt").write_text(text)
    return Made(len(text), {"key": key}, [folder / f"{key}.txt"])


def test_whole_commits_stay(run, tmp_path):
    assert sorted(whole_commits(run, ["a", "b", "c", "empty", "other"])) == ["a", "b", "c", "empty"]
    assert whole_commits(Run(str(tmp_path), "none"), "abc") == set()


def test_commits_of_damaged_files_are_forgotten(run, tmp_path, caplog):
    (tmp_path / "a.bin").unlink()
    (tmp_path / "b.bin").write_bytes(b"b" * 99)
    assert sorted(whole_commits(run, ["a", "b", "c", "empty"])) == ["c", "empty"]
    assert list(run.commits()) == ["c", "empty"]
    assert "a.bin is missing or damaged; it is computed again" in caplog.text


def test_a_damaged_record_is_an_error(run, tmp_path):
    (tmp_path / "work" / "run" / "ledger" / "a.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        whole_commits(run, ["a"])


def test_only_what_is_missing_is_run(run, tmp_path):
    tasks = {key: (key, key * 3) for key in ("x", "y", "a")}
    first = committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,))
    assert (first.computed, first.failed) == (2, frozenset())  # a was committed before
    assert {key: record["rows"] for key, record in first.records().items()} == {"x": 3, "y": 3, "a": 1}
    (tmp_path / "y.txt").write_text("changed")
    again = committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,))
    assert again.computed == 1
    assert (tmp_path / "y.txt").read_text() == "yyy"
    assert committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,)).computed == 0


def test_of_two_copies_of_a_task_one_counts(run, tmp_path):
    copies = [tmp_path / "one.bin", tmp_path / "two.bin"]
    for path in copies:
        path.write_bytes(b"same")
        commit_task(run, Made, "twice", (4, {}, [], {path.name: "stamp"}))
    assert [path.exists() for path in copies] == [True, False]
    assert run.commits()["twice"]["files"] == {"one.bin": "stamp"}


def test_spent_files_go_after_the_commit(run, tmp_path):
    state = tmp_path / "state.bin"
    state.write_bytes(b"half of it")
    assert commit_task(run, Made, "spent", (2, {}, [], {}, [state], {"note": 1})) == {"rows": 2, "note": 1}
    assert not state.exists()


@pytest.mark.parametrize(("text", "error"), [("refused", InputError), ("broken", GapsError)])
def test_what_cannot_be_done_is_quarantined_and_told(run, tmp_path, text, error):
    tasks = {"good": ("good", "fine"), "bad": ("bad", text)}
    commits = committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,))
    assert commits.failed == {"bad"}
    assert commits.computed == 1
    assert list(run.ledger.quarantined()) == ["bad"]
    assert list(commits.records()) == ["good"]
    with pytest.raises(error, match="1 of the tasks could not be processed"):
        commits.whole("tasks")


def test_a_worker_commits_each_of_several_tasks(run, tmp_path):
    tasks = {key: (key, key * 2) for key in ("p", "q", "r")}
    assert commit_tasks(run, write, (tmp_path,), tasks) == {"rows": 6, "tasks": 3}
    assert {key: run.commits()[key]["key"] for key in tasks} == {key: key for key in tasks}
    assert sorted(whole_commits(run, tasks)) == sorted(tasks)


def test_batches_are_counted_as_their_tasks(run, tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "_batches", lambda keys, *_: {"some": keys[:2], "others": keys[2:]})
    tasks = {key: (key, key * 2) for key in ("p", "q", "r", "a")}  # a was committed before
    commits = committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,), together=2)
    assert (commits.computed, commits.speed["rows"], commits.failed) == (3, 6, frozenset())
    assert list(commits.whole("tasks")) == list(tasks)
    assert committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,), together=2).computed == 0


@pytest.mark.parametrize(("text", "error"), [("refused", InputError), ("broken", GapsError)])
def test_of_a_batch_only_what_cannot_be_done_fails(run, tmp_path, monkeypatch, text, error):
    """Whatever happens to a batch, each of its tasks is judged by itself."""
    monkeypatch.setattr(protocol, "_batches", lambda keys, *_: {"all": keys})
    tasks = {"p": ("p", "fine"), "bad": ("bad", text), "q": ("q", "good")}
    commits = committed(run, "test: tasks", write, tasks, serial(), shared=(tmp_path,), together=3)
    assert commits.failed == {"bad"}
    assert (commits.computed, commits.speed["rows"]) == (2, 8)
    assert list(run.ledger.quarantined()) == ["bad"]
    with pytest.raises(error, match="1 of the tasks could not be processed"):
        commits.whole("tasks")


@dataclass(frozen=True)
class Workers:
    """A client of so many workers."""

    number: int

    def nthreads(self) -> dict[str, int]:
        return {str(one): 1 for one in range(self.number)}


@given(st.integers(0, 300), st.integers(0, 20), st.integers(1, 12))
def test_batches_leave_no_worker_without_work(tasks, workers, together):
    executor = replace(serial(), client=cast(Any, Workers(workers)))
    keys = [f"5_{number}" for number in range(tasks)]
    batches = protocol._batches(keys, executor, together)
    if not batches:
        assert together == 1 or workers == 0 or tasks < 2 * BATCHES_OF_WORKER * workers
        return
    assert [key for batch in batches.values() for key in batch] == keys
    assert max(map(len, batches.values())) <= together
    assert len(batches) >= BATCHES_OF_WORKER * workers
    assert protocol._batches(keys, serial(), together) == {}
