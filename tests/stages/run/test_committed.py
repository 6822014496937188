"""One protocol commits: work counts once, and only while its files are what was committed."""

import pytest

from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages.run.commits import Made, Run, commit_task, whole_commits
from jpasbatch.stages.run.committed import committed
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
