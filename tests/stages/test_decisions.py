"""One place classifies: what is published is what is evaluated, whatever rule the committee decides by."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.stages.pipeline import run_stage
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from tests.stages.tiny_run import serial, workspace_of

RULES = {
    "most_probable": "",
    "balanced": '[decision]\nrule = "balanced"\nof = "qso_high"\n',
    "completeness": '[decision]\nrule = "completeness"\nof = "galaxy"\nat_least = 0.95\n',
}


def published(folder) -> dict[str, tuple[str, np.ndarray]]:
    """Return class and probabilities of every published object."""
    catalogue = open_catalogue(current_extension(folder / "sky", "predictions"))
    found = {}
    for pixel in catalogue.pixels:
        table = read_partition(catalogue.partition_path(*pixel))
        names = [name for name in table.column_names if name.startswith("probability_")]
        rows = np.column_stack([table[name].to_numpy() for name in names])
        objects = zip(table["object_id"].to_pylist(), table["predicted_class"].to_pylist(), rows, strict=True)
        found |= {name: (predicted, row) for name, predicted, row in objects}
    return found


@pytest.mark.parametrize("rule", RULES)
def test_published_classes_are_those_that_are_evaluated(trained_copy, rule):
    job = trained_copy / "tiny.toml"
    tests = f'[samples.tests]\ncatalogue = "{trained_copy / "sky"}"\n'
    job.write_text(job.read_text() + "\n" + RULES[rule] + tests)
    workspace = workspace_of(trained_copy)
    for stage in ("train", "infer", "evaluate"):  # its members are trained already
        run_stage(stage, workspace, serial())
    objects = published(trained_copy)
    evaluated = pq.read_table(trained_copy / "evaluation" / "predictions-catalogue.parquet")
    classes = list(workspace.job.classes)
    decided = [classes[number] for number in evaluated["decided"].to_pylist()]
    names = evaluated["object_id"].to_pylist()
    assert len(names) > 0.9 * len(objects)
    assert [objects[name][0] for name in names] == decided
    probabilities = np.array([objects[name][1] for name in names])
    columns = [evaluated[f"probability_{name}"].to_numpy() for name in classes]
    np.testing.assert_allclose(probabilities, np.column_stack(columns), atol=1e-6)
    disobey = [
        objects[name][0] != classes[row.argmax()] for name, row in zip(names, probabilities, strict=True)
    ]
    assert any(disobey) == (rule != "most_probable")
    manifest = json.loads(next((trained_copy / "committee").glob("*/manifest.json")).read_text())
    assert manifest["manifest"]["decision"]["position"] >= 0
