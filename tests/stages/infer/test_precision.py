"""A faster precision is a run of its own, and says what it changed."""

import pytest

from jpasbatch.learning.inference import has_bfloat16
from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import current_extension
from tests.stages.tiny_run import serial, workspace_of


def test_bfloat16_is_measured_and_is_another_run(finished_copy):
    if not has_bfloat16():
        pytest.skip("needs a processor with bfloat16")
    exact = workspace_of(finished_copy).require("infer")
    assert exact["precision"] is None
    assert exact["engine"]["runtime"] == "openvino"
    before = current_extension(finished_copy / "sky", "predictions")
    job = finished_copy / "tiny.toml"
    job.write_text(job.read_text() + '\n[inference]\nprecision = "bfloat16"\n')
    record = run_stage("infer", workspace_of(finished_copy), serial())
    assert record["recomputed"] == record["partitions"]
    assert record["changed"] == ["engine"]
    assert record["engine"]["precision"] == "bfloat16"
    found = record["precision"]
    assert 0 < found["mean_difference"] < found["largest_difference"] < 0.1
    assert 0 <= found["flips"] < 0.05 * found["rows"]
    assert 0 <= found["subset_flips"] < 0.05 * found["rows"]
    assert 0 < found["rows"] <= record["rows_in"]
    assert current_extension(finished_copy / "sky", "predictions") != before
