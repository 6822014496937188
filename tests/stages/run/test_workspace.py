"""The folder of a job: leases, records and run folders."""

import json
import logging
import math

import pytest

from jpasbatch.algorithms import Algorithm
from jpasbatch.errors import InputError, TryAgainError
from jpasbatch.stages.run.workspace import stopwatch
from tests.stages.tiny_run import workspace_of, write_job


@pytest.fixture
def workspace(tmp_path):
    return workspace_of(tmp_path / "run", write_job(tmp_path / "tiny.toml"))


def test_nothing_is_created_before_it_is_prepared(workspace):
    assert not workspace.folder.exists()
    workspace.prepare()
    assert (workspace.folder / "work").is_dir()


def test_one_run_at_a_time(workspace):
    with workspace.prepare(), pytest.raises(TryAgainError, match="held by") as caught, workspace.prepare():
        pass
    assert caught.value.exit_code == 75
    with workspace.prepare():
        pass


def test_a_stage_is_unchanged_for_its_fingerprint_only(workspace):
    workspace.prepare()
    assert workspace.record("infer") is None
    assert workspace.unchanged("infer", "ab") is None
    record = workspace.finish("infer", "ab", 1.234, {"rows_out": 3, "score": math.nan})
    assert workspace.unchanged("infer", "ab") == record == workspace.require("infer")
    assert workspace.unchanged("infer", "cd") is None
    assert (record["stage"], record["seconds"], record["score"]) == ("infer", 1.23, None)
    text = (workspace.folder / "work" / "infer.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == record


def test_an_algorithm_that_was_raised_is_named(workspace, monkeypatch, caplog):
    workspace.prepare()
    workspace.finish("infer", "ab", 1.0, {"algorithms": {"infer": 3}})
    now = {"infer": Algorithm(("jpasbatch.place:work",), 4, "another vote", "")}
    monkeypatch.setattr("jpasbatch.algorithms.load_algorithms", lambda: now)
    with caplog.at_level(logging.INFO, logger="jpasbatch"):
        assert workspace.unchanged("infer", "cd") is None
    assert "infer: not up to date: algorithm infer 3 -> 4: another vote" in caplog.text


def test_options_that_change_no_result_ask_for_no_other_run(workspace, tmp_path):
    workspace.prepare()
    workspace.finish("train", "ab", 1.0, {})
    text = (tmp_path / "tiny.toml").read_text().replace("pixel_threshold = 600", "pixel_threshold = 77")
    (tmp_path / "other.toml").write_text(text)
    other = workspace_of(workspace.folder, tmp_path / "other.toml")
    assert not other.is_current("train", other.record("train"))
    assert other.unchanged("train", "ab") is not None
    assert other.require("train")["fingerprint"] == "ab"


def test_a_missing_stage_is_named_with_its_command(workspace):
    with pytest.raises(InputError, match=r"no finished 'train' yet; run `jpasbatch train JOB\.toml`"):
        workspace.require("train")


def test_runs_of_two_fingerprints_never_meet(workspace):
    one, other = workspace.run_folder("infer", "a" * 64), workspace.run_folder("infer", "b" * 64)
    assert one != other
    assert one.is_dir()
    assert one == workspace.run_folder("infer", "a" * 64)


def test_a_stopwatch_stops_also_on_errors():
    with pytest.raises(ValueError, match="x"), stopwatch() as elapsed:
        raise ValueError("x")
    assert elapsed[0] >= 0
