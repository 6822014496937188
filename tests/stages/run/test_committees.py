"""A committee that cannot work is found before any partition is tried."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.stages.infer.stage import run_infer
from jpasbatch.stages.run.committees import find_committee, try_committee
from jpasbatch.storage.stores.artefacts import save_committee
from tests.stages.tiny_run import serial, workspace_of


def network(n_inputs: int, classes: int) -> TrainedNetwork:
    kernel = np.full((n_inputs, classes), 3e38, np.float32)  # its sums are not finite
    return TrainedNetwork([(kernel, np.zeros(classes, np.float32))], None, 1, 1)


def test_a_committee_that_works_passes(trained_copy):
    workspace = workspace_of(trained_copy)
    try_committee(find_committee(workspace).version, workspace.survey)


@pytest.mark.parametrize(("wider", "words"), [(1, "do not belong together"), (0, "not finite")])
def test_a_committee_that_cannot_work_ends_infer_at_once(trained_copy, wider, words):
    manifest = find_committee(workspace_of(trained_copy)).manifest
    inputs, members, classes = manifest.shape
    graph = committee_graph([network(inputs + wider, classes)] * members, inputs + wider)
    version = save_committee(trained_copy / "broken", manifest.to_json(), graph, b"")
    text = (trained_copy / "tiny.toml").read_text(encoding="utf-8")
    job = trained_copy / "broken.toml"
    job.write_text(text.replace("[committee]", f'[committee]\nartefact = "{version}"'), encoding="utf-8")
    workspace = workspace_of(trained_copy, job)
    before = sorted(trained_copy.glob("work/infer/*/ledger/*.json"))
    with pytest.raises(InputError, match=words) as refused:
        run_infer(workspace, serial())
    assert "allow-gaps" not in str(refused.value)
    assert sorted(trained_copy.glob("work/infer/*/ledger/*.json")) == before
