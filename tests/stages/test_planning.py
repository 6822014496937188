"""What `--dry-run` says of a job, and that it touches nothing while it says so."""

import json
import socket

import pytest

from jpasbatch.cli import main
from jpasbatch.errors import InputError
from jpasbatch.stages.planning import estimate, plan_stages
from jpasbatch.stages.run.plans import Work
from tests.stages import foretold
from tests.stages.foretold import change_text, foretell, tree
from tests.stages.tiny_run import workspace_of, write_job

STAGES = ("mock", "ingest", "train", "infer", "correct", "summarise")


@pytest.fixture
def alone(monkeypatch):
    """Let nothing connect, neither to a network nor to this machine."""

    def refuse(*_: object) -> None:
        raise AssertionError("a plan asks nobody")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)


def plan_and_run(folder):
    return foretold.plan_and_run(STAGES, lambda: workspace_of(folder))


def change_job(folder, old: str, new: str) -> None:
    change_text(folder / "tiny.toml", old, new)


def dry_run(verb, folder, capsys, *more: str) -> str:
    capsys.readouterr()
    where = ["--output", str(folder), "--dry-run", *more]
    assert main([verb, str(folder / "tiny.toml"), *where]) == 0
    return capsys.readouterr().out


def test_a_finished_job_has_nothing_to_do(finished, capsys, alone):
    plans = foretell(STAGES, workspace_of(finished))
    assert not any(plan.runs for plan in plans.values())
    assert "everything is up to date" in dry_run("run", finished, capsys)


def test_an_empty_folder_is_not_even_made(capsys, tmp_path, alone):
    write_job(tmp_path / "tiny.toml")
    output = tmp_path / "output"
    assert main(["run", str(tmp_path / "tiny.toml"), "--output", str(output), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not output.exists()
    by_stage = {stage["stage"]: stage for stage in told["stages"]}
    assert list(by_stage) == list(STAGES)
    assert by_stage["mock"]["reasons"] == ["first run"]
    assert by_stage["mock"]["work"][0]["tasks"] == 4  # two samples and two tiles
    assert by_stage["train"]["work"][-1]["keys"] == ["member-00", "member-01"]
    assert by_stage["infer"]["work"][0]["tasks"] is None
    assert not by_stage["infer"]["exact"]
    assert told["cluster"]["workers"] == 2
    assert not told["seconds_are_all"]


def test_what_is_trained_and_not_inferred(trained_copy, capsys):
    plans = plan_and_run(trained_copy)
    assert [stage for stage, plan in plans.items() if plan.runs] == ["infer", "correct", "summarise"]
    assert all(plan.exact for plan in plans.values())
    assert plans["infer"].work[0].tasks == plans["infer"].work[0].total
    assert "everything is up to date" in dry_run("run", trained_copy, capsys)


def test_another_member_goes_on_from_those_that_are_trained(finished_copy):
    change_job(finished_copy, "members = 2", "members = 3")
    plans = foretell(STAGES, workspace_of(finished_copy))
    assert "number: [2,false] -> [3,false]" in plans["train"].reasons
    members = {work.title: work for work in plans["train"].work}["train: members"]
    assert (members.keys, members.total) == (("member-02",), 3)
    assert plans["infer"].reasons == ("train makes another committee",)
    assert (plans["infer"].work[0].tasks, plans["infer"].exact) == (plans["infer"].work[0].total, False)


@pytest.mark.slow
def test_another_learning_rate_and_what_then_happens(finished_copy):
    change_job(finished_copy, "epochs     = 2", "epochs     = 3")
    plans = plan_and_run(finished_copy)
    assert "training.epochs: 2 -> 3" in plans["train"].reasons


@pytest.mark.slow
def test_another_mock_and_what_then_happens(finished_copy):
    change_job(finished_copy, "tiles                = 2", "tiles                = 1")
    plans = plan_and_run(finished_copy)
    assert plans["mock"].reasons == ("options.tiles: 2 -> 1",)
    assert not plans["ingest"].exact
    assert not plans["train"].exact  # its samples come out as they were


def test_a_stage_that_cannot_run_says_so_now(trained_copy, capsys):
    with pytest.raises(InputError):
        plan_stages(("summarise",), workspace_of(trained_copy))
    change_job(trained_copy, "epochs     = 2", "epochs     = 3")
    arguments = ["infer", str(trained_copy / "tiny.toml"), "--output", str(trained_copy), "--dry-run"]
    assert main(arguments) == 2
    assert "'train' last ran with other options" in capsys.readouterr().err


def test_a_plan_asks_no_object_store(trained_copy, capsys):
    arguments = ["infer", str(trained_copy / "tiny.toml"), "--output", str(trained_copy)]
    assert main([*arguments, "--sky", "s3://bucket/sky", "--dry-run"]) == 2
    assert "a plan asks no object store" in capsys.readouterr().err


def test_damaged_predictions_are_planned_and_nothing_is_forgotten(finished_copy):
    staged = next((finished_copy / "sky").glob("predictions-*/dataset/**/Npix=*.parquet"))
    staged.unlink()
    before = tree(finished_copy)
    plans = plan_stages(STAGES, workspace_of(finished_copy))
    assert tree(finished_copy) == before
    assert plans["infer"].runs


def test_a_person_is_told_what_and_why(finished_copy, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    change_job(finished_copy, "members = 2", "members = 3")
    shown = dry_run("run", finished_copy, capsys)
    for words in (
        "number: [2,false] -> [3,false]",
        "train makes another committee",
        "2 worker processes on this machine",
        "time of the tasks: ",
        "up to ",
    ):
        assert words in shown


MEASURED = {"infer: partitions": {"tasks": 10, "rows": 1000, "seconds": 20.0, "workers": 2}}


@pytest.mark.parametrize(
    ("work", "workers", "expected"),
    [
        (Work("infer: partitions", tuple("abcde"), 9, 500), 4, (20.0, 5.0)),  # by rows
        (Work("infer: partitions", tuple("abcde"), 9), 4, (20.0, 5.0)),  # by tasks
        (Work("infer: partitions", ("a",), 9, 500), 4, (20.0, 20.0)),  # one task is one worker's
        (Work("infer: partitions", ("a",), 9, 500), None, (20.0, None)),  # workers of somebody else
        (Work("infer: partitions", (), 9, 0), None, (0.0, 0.0)),
        (Work("infer: partitions", None, None), 4, (None, None)),
        (Work("train: members", ("a",), 1), 4, (None, None)),  # never measured
    ],
)
def test_time_is_that_of_earlier_runs(work, workers, expected):
    found = estimate(work, MEASURED, workers)
    assert (found.worker_seconds, found.seconds) == expected
