"""What a plan says of tables that arrive, change or go is what then happens, partition by partition."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from jpasbatch.algorithms import load_algorithms
from jpasbatch.stages.pipeline import open_workspace, run_stage
from jpasbatch.stages.run.workspace import Workspace
from tests.stages import foretold
from tests.stages.foretold import change_text, foretell
from tests.stages.ingest.test_arrivals import write_tile
from tests.stages.tiny_run import serial

STAGES = ("ingest", "infer", "correct", "summarise")


def opened(folder, incremental: bool = True) -> Workspace:
    workspace = open_workspace(folder / "job.toml", folder / "run", folder)
    return replace(workspace, incremental=incremental)


def plan_and_run(folder):
    return foretold.plan_and_run(STAGES, lambda: opened(folder))


def change_job(folder, old: str, new: str) -> None:
    change_text(folder / "job.toml", old, new)


def work_of(plan):
    return {work.title: work for work in plan.work}


def test_nothing_new_is_nothing_to_do(growing):
    plans = plan_and_run(growing)
    assert not any(plan.runs for plan in plans.values())


def test_a_changed_comment_is_nothing_to_do(growing):
    change_job(growing, "\n[classes]", "\n# another night\n[classes]")
    assert not any(plan.runs for plan in plan_and_run(growing).values())


def test_a_new_tile(growing):
    write_tile(growing / "tiles", 3, 181.0)
    plans = plan_and_run(growing)
    assert plans["ingest"].reasons == ("1 input file new: 3-1810-1.fits",)
    assert all(plan.exact for plan in plans.values())
    assert plans["summarise"].reasons == ("correct makes what it reads",)
    inference = work_of(plans["infer"])["infer: partitions"]
    assert 0 < inference.tasks < inference.total
    assert inference.rows >= 300  # the new rows, and the old ones of the partitions that they touch


@pytest.mark.slow
def test_a_tile_that_supersedes_rows(growing):
    write_tile(growing / "tiles", 1, 200.5, rows=10, first=5)
    plans = plan_and_run(growing)
    assert not plans["infer"].exact  # the same rows again would leave the same bytes


@pytest.mark.slow
def test_a_changed_tile(growing):
    (growing / "tiles" / "2-2000-1.fits").unlink()
    write_tile(growing / "tiles", 2, 200.0, rows=310, bad=2).rename(growing / "tiles" / "2-2000-1.fits")
    plans = plan_and_run(growing)
    assert plans["ingest"].reasons == ("1 input file changed: 2-2000-1.fits",)
    inference = work_of(plans["infer"])["infer: partitions"]
    assert 0 < inference.tasks < inference.total


def test_a_tile_that_goes(growing):
    (growing / "tiles" / "2-2000-1.fits").unlink()
    plans = plan_and_run(growing)
    assert plans["ingest"].reasons[0] == "1 input file gone: 2-2000-1.fits"
    assert plans["ingest"].reasons[1].startswith("partitions lose all of their rows: ")
    inference = work_of(plans["infer"])["infer: partitions"]
    assert inference.tasks < inference.total  # the other tile lies elsewhere, but for one partition
    assert plans["ingest"].exact


@pytest.mark.slow
def test_a_tile_that_goes_and_had_superseded_rows(growing):
    write_tile(growing / "tiles", 1, 200.5, rows=10, first=5)
    plan_and_run(growing)
    (growing / "tiles" / "1-2005-5.fits").unlink()
    plans = plan_and_run(growing)
    assert work_of(plans["ingest"])["ingest: rows that come back"].keys
    assert plans["ingest"].exact


@pytest.mark.slow
def test_other_cuts(growing):
    change_job(growing, "[catalogue.partitions]", "[catalogue.cuts]\nflags = 3\n\n[catalogue.partitions]")
    plans = plan_and_run(growing)
    assert "options.cuts.flags: 0 -> 3" in plans["ingest"].reasons
    assert work_of(plans["infer"])["infer: partitions"].tasks is None


def test_other_targets_touch_no_prediction(growing):
    change_job(growing, "min_probability = 0.2", "min_probability = 0.6")
    plans = plan_and_run(growing)
    assert [stage for stage, plan in plans.items() if plan.runs] == ["summarise"]
    assert plans["summarise"].reasons == ("options changed", "tables.targets changed")


@pytest.mark.slow
def test_another_engine_classifies_everything_again(growing):
    change_job(growing, "[counts]", '[inference]\nruntime = "onnxruntime"\n\n[counts]')
    plans = plan_and_run(growing)
    assert [stage for stage, plan in plans.items() if plan.runs] == ["infer", "correct", "summarise"]
    (work,) = plans["infer"].work
    assert work.tasks == work.total > 0
    assert all(line.startswith("engine") for line in plans["infer"].reasons)
    assert plans["correct"].reasons[0].startswith("infer makes")


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(growing):
    write_tile(growing / "tiles", 3, 181.0)
    workspace = opened(growing)
    with workspace.prepare():
        run_stage("ingest", workspace, serial())
    plans = plan_and_run(growing)
    assert not plans["ingest"].runs
    assert "infer" in [stage for stage, plan in plans.items() if plan.runs]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("infer", {"infer", "correct", "summarise"}),
        pytest.param("correct", {"correct", "summarise"}, marks=pytest.mark.slow),
        ("tally", {"summarise"}),
        ("summarise", {"summarise"}),
        ("committee", set()),  # the committee is not of this job
    ],
)
def test_a_raised_algorithm_recomputes_what_depends_on_it_and_no_more(growing, monkeypatch, name, stages):
    algorithms = dict(load_algorithms())
    number = algorithms[name].number
    algorithms[name] = replace(algorithms[name], number=number + 1, changed="better by far")
    monkeypatch.setattr("jpasbatch.algorithms.load_algorithms", lambda: algorithms)
    plans = plan_and_run(growing)
    assert {stage for stage, plan in plans.items() if plan.runs} == stages
    if stages:
        first = next(plan for plan in plans.values() if plan.runs)
        assert first.reasons[0] == f"algorithm {name} {number} -> {number + 1}: better by far"


def test_another_version_of_the_code_alone_recomputes_nothing(growing, monkeypatch):
    # the next version: its hashes of code are others, and so are its bytes, but no number is
    algorithms = {name: replace(one, hash="0" * 16) for name, one in load_algorithms().items()}
    monkeypatch.setattr("jpasbatch.algorithms.load_algorithms", lambda: algorithms)
    monkeypatch.setattr("jpasbatch.version.__version__", "99.0")
    for module in ("mapping", "installation"):
        monkeypatch.setattr(f"jpasbatch.stages.run.{module}.installation_hash", lambda: "f" * 64)
    assert not any(plan.runs for plan in plan_and_run(growing).values())


def forget_parts(folder) -> None:
    """Take from the records what versions before this one did not write."""
    for stage in STAGES:
        path = folder / "run" / "work" / f"{stage}.json"
        record = json.loads(path.read_text())
        for key in ("parts", "ingredients", "measured", "survey_text"):
            record.pop(key, None)
        path.write_text(json.dumps(record))


def own_survey(folder) -> Path:
    """Let the job name a survey file of its own, the same as before, and run it."""
    survey = folder / "survey.toml"
    survey.write_text((resources.files("jpasbatch.photometry") / "surveys" / "jpas60.toml").read_text())
    change_job(folder, 'survey = "jpas60"', f'survey = "{survey}"')
    plan_and_run(folder)
    return survey


NEW_PATTERN = """
[[gaps]]
name  = "another night"
kind  = "random"
bands = [1, 3]
"""


def test_a_survey_that_gains_a_pattern_of_gaps_classifies_nothing_again(growing):
    survey = own_survey(growing)
    survey.write_text(survey.read_text() + NEW_PATTERN)
    assert not any(plan.runs for plan in plan_and_run(growing).values())


@pytest.mark.slow
def test_records_of_an_older_version_stand(growing, monkeypatch):
    """What older versions made is up to date, and when it is not, nobody guesses why."""
    with monkeypatch.context() as patch:
        patch.setattr("jpasbatch.stages.run.workspace.UNREAD", {})  # they left out nothing
        survey = own_survey(growing)
    forget_parts(growing)
    assert not any(plan.runs for plan in foretell(STAGES, opened(growing)).values())
    change_job(growing, "min_probability = 0.2", "min_probability = 0.6")
    plans = plan_and_run(growing)
    assert [stage for stage, plan in plans.items() if plan.runs] == ["summarise"]
    assert plans["summarise"].reasons[0].startswith("not known: an older version")
    forget_parts(growing)
    plan_and_run(growing)  # finds nothing to do, and records what it is made of
    change_job(growing, "brighter_than = 23.0", "brighter_than = 22.0")
    assert plan_and_run(growing)["summarise"].reasons == ("options changed", "tables.counts changed")
    # the first change of the survey is the last one that costs anything
    for number in (1, 2):
        survey.write_text(survey.read_text() + NEW_PATTERN.replace("night", f"night {number}"))
        assert any(plan.runs for plan in plan_and_run(growing).values()) is (number == 1)
