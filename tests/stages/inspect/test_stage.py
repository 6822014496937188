"""The stage ``inspect`` on a finished sky: counted once, by partition, and seen by the gate."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jpasbatch.job.gates import GateOptions
from jpasbatch.stages.pipeline import needed_stages, run_stage
from jpasbatch.stages.planning import plan_stages
from jpasbatch.stages.publish.facts import read_facts
from jpasbatch.stages.publish.gates import find
from jpasbatch.stages.run.workspace import Workspace
from tests.stages.tiny_run import serial, workspace_of


@pytest.fixture
def gated(finished_copy) -> Workspace:
    job = finished_copy / "tiny.toml"
    job.write_text(f"{job.read_text()}\n[gates]\nzero_point = 0.1\n")
    return workspace_of(finished_copy)


def test_only_a_job_with_the_gate_is_inspected(gated, finished):
    assert "inspect" in needed_stages(gated)
    assert "inspect" not in needed_stages(workspace_of(finished))


def test_it_does_what_its_plan_says_and_nothing_twice(gated, monkeypatch):
    monkeypatch.setattr("jpasbatch.stages.inspect.colours.FEWEST_TILES", 2)
    monkeypatch.setattr("jpasbatch.stages.inspect.colours.FEWEST_OBJECTS", 5)
    plan = plan_stages(("inspect",), gated)["inspect"]
    assert plan.exact
    record = run_stage("inspect", gated, serial())
    assert plan.work[0].tasks == record["partitions"]
    assert record["tiles"] == record["tiles_known"] == 2
    table = pq.read_table(gated.folder / "zero_points.parquet")
    assert len(set(table["tile"].to_pylist())) == 2
    assert abs(sum(table["offset"].to_pylist())) < 1e-9  # two tiles are off as far as each other
    assert not plan_stages(("inspect",), gated)["inspect"].runs
    assert run_stage("inspect", gated, serial()) == record


def test_what_cannot_be_measured_is_told(gated, caplog):
    with caplog.at_level("WARNING", logger="jpasbatch"):
        record = run_stage("inspect", gated, serial())
    assert record["tiles_known"] == 0
    assert "the zero points of 2 of 2 tiles are not known" in caplog.text
    assert read_facts(gated).tiles == ()


def test_the_gate_sees_what_is_surely_off(gated):
    columns = {
        "tile": ["a", "a", "b"],
        "band": ["u", "g", "u"],
        "offset": [0.12, -0.3, 0.5],
        "error": [0.01, 0.02, 0.2],
    }
    pq.write_table(pa.table(columns), gated.folder / "zero_points.parquet")
    assert [(one.tile, one.band) for one in read_facts(gated).tiles] == [("a", "g"), ("a", "u")]
    [found] = find(GateOptions(zero_point=0.2), read_facts(gated), None)
    assert found.found == "1 zero point looks off, mag: a g -0.300"
