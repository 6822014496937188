import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine


@pytest.fixture
def graph(make_member):
    return committee_graph([make_member(1), make_member(2)], 6)


@pytest.fixture
def features():
    return np.random.default_rng(1).normal(size=(2500, 6)).astype(np.float32)


def test_the_engine_knows_its_committee(graph):
    engine = InferenceEngine(graph)
    assert (engine.n_inputs, engine.n_members, engine.n_classes) == (6, 2, 3)


def test_the_same_rows_give_the_same_bytes(graph, features):
    first = InferenceEngine(graph).members(features)
    assert InferenceEngine(graph).members(features).tobytes() == first.tobytes()
    assert first.dtype == np.float32
    np.testing.assert_allclose(first.sum(axis=2), 1.0, atol=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000, 10_000])
def test_chunks_do_not_matter_beyond_rounding(graph, features, chunk_rows):
    rows = features[:50] if chunk_rows == 1 else features
    expected = InferenceEngine(graph).members(features)[: len(rows)]
    found = InferenceEngine(graph, chunk_rows=chunk_rows).members(rows)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_no_rows_give_no_probabilities(graph):
    assert InferenceEngine(graph).members(np.empty((0, 6), np.float32)).shape == (0, 2, 3)


def test_other_layouts_are_accepted(graph, features):
    expected = InferenceEngine(graph).members(features)
    for other in (np.asfortranarray(features), features.astype(np.float64), features.astype(">f4")):
        assert np.array_equal(InferenceEngine(graph).members(other), expected)


@pytest.mark.parametrize("shape", [(3, 5), (3, 7), (6,)])
def test_another_width_is_refused(graph, shape):
    with pytest.raises(InputError, match=r"do not fit the committee: it takes \(n, 6\)"):
        InferenceEngine(graph).members(np.zeros(shape, np.float32))


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"no model", lambda b: b[:-100]])
def test_damaged_graphs_are_refused(graph, damage):
    with pytest.raises(InputError, match="cannot be used"):
        InferenceEngine(damage(graph))


def test_wrong_options_are_named(graph):
    with pytest.raises(ValueError, match="threads, chunk_rows: found 0, 1024"):
        InferenceEngine(graph, threads=0)


def test_inference_needs_no_training_framework(graph, features, tmp_path):
    (tmp_path / "graph.onnx").write_bytes(graph)
    np.save(tmp_path / "features.npy", features[:10])
    script = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np
from pathlib import Path
from jpasbatch.learning.committee import vote
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning import metrics, models, samples, training
folder = Path(sys.argv[1])
members = InferenceEngine((folder / "graph.onnx").read_bytes()).members(np.load(folder / "features.npy"))
assert vote(members).shape == (10, 3)
print(sorted({"tensorflow", "keras", "onnx", "sklearn", "torch", "jax", "pandas"} & sys.modules.keys()))
"""
    root = str(Path(__file__).resolve().parents[2])
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), root], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_weights_in_another_file_are_refused(graph, tmp_path, monkeypatch):
    import onnx

    model = onnx.load_model_from_string(graph)
    onnx.external_data_helper.convert_model_to_external_data(
        model, location="../weights.bin", size_threshold=0
    )
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    with pytest.raises(InputError, match="refers to weights in another file"):
        InferenceEngine(model.SerializeToString())
