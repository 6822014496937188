import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import (
    InferenceEngine,
    InferenceOptions,
    has_bfloat16,
    import_openvino,
    runtime_of,
)
from jpasbatch.learning.judgement import JudgementDifference, Jury, compare_judgements

RUNTIMES = {
    "openvino": InferenceOptions(),
    "onnxruntime": InferenceOptions(runtime="onnxruntime"),
}


@pytest.fixture(params=RUNTIMES.values(), ids=RUNTIMES.keys())
def options(request):
    """Every runtime in float32: a new one joins here, and is held to all that follows."""
    return request.param


@pytest.fixture
def graph(make_member):
    return committee_graph([make_member(1), make_member(2)], 6)


@pytest.fixture
def features():
    return np.random.default_rng(1).normal(size=(2500, 6)).astype(np.float32)


def test_the_engine_knows_its_committee(graph, options):
    engine = InferenceEngine(graph, options)
    assert (engine.n_inputs, engine.n_members, engine.n_classes) == (6, 2, 3)


def test_the_same_rows_give_the_same_bytes(graph, features, options):
    first = InferenceEngine(graph, options).members(features)
    assert InferenceEngine(graph, options).members(features).tobytes() == first.tobytes()
    assert first.dtype == np.float32
    np.testing.assert_allclose(first.sum(axis=2), 1.0, atol=1e-6)


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000, 10_000])
def test_chunks_do_not_matter_beyond_rounding(graph, features, chunk_rows, options):
    rows = features[:50] if chunk_rows == 1 else features
    expected = InferenceEngine(graph, options).members(features)[: len(rows)]
    found = InferenceEngine(graph, options, chunk_rows=chunk_rows).members(rows)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_no_rows_give_no_probabilities(graph, options):
    assert InferenceEngine(graph, options).members(np.empty((0, 6), np.float32)).shape == (0, 2, 3)


def test_other_layouts_are_accepted(graph, features, options):
    expected = InferenceEngine(graph, options).members(features)
    for other in (np.asfortranarray(features), features.astype(np.float64), features.astype(">f4")):
        assert np.array_equal(InferenceEngine(graph, options).members(other), expected)


@pytest.mark.parametrize("shape", [(3, 5), (3, 7), (6,)])
def test_another_width_is_refused(graph, shape, options):
    with pytest.raises(InputError, match=r"do not fit the committee: it takes \(n, 6\)"):
        InferenceEngine(graph, options).members(np.zeros(shape, np.float32))


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"no model", lambda b: b[:-100]])
def test_damaged_graphs_are_refused(graph, damage, options):
    with pytest.raises(InputError, match="no committee has"):
        InferenceEngine(damage(graph), options)


def test_a_row_does_not_depend_on_its_neighbours(graph, features, options):
    engine = InferenceEngine(graph, options)
    expected = engine.members(features)
    order = np.random.default_rng(2).permutation(len(features))
    np.testing.assert_allclose(engine.members(features[order]), expected[order], atol=2e-6)
    np.testing.assert_allclose(engine.members(features[:3]), expected[:3], atol=2e-6)


def test_the_runtimes_agree(graph, features):
    one, other = (InferenceEngine(graph, options).members(features) for options in RUNTIMES.values())
    np.testing.assert_allclose(one, other, atol=2e-6)


def compare_engines(
    reference: InferenceEngine, engine: InferenceEngine, features: np.ndarray
) -> JudgementDifference:
    """Compare the judgements that follow from two engines of one graph."""
    magnitude, jury = np.full(len(features), 21.0), Jury.plain()
    return compare_judgements(
        *(jury.judge(each.members(features), magnitude) for each in (reference, engine))
    )


def test_what_bfloat16_costs_is_measured(graph, features):
    if not has_bfloat16():
        pytest.skip("needs a processor with bfloat16")
    options = InferenceOptions(precision="bfloat16")
    found = compare_engines(InferenceEngine(graph), InferenceEngine(graph, options), features)
    assert found.rows == len(features)
    assert 0 < found.mean_difference < found.largest_difference < 0.1
    exact, rounded = (
        InferenceEngine(graph, each).members(features) for each in (InferenceOptions(), options)
    )
    assert (
        np.abs(exact - rounded).max() > 1e-5
    )  # it is another arithmetic, and not float32 under another name


def test_float32_compared_with_itself_differs_nowhere(graph, features):
    found = compare_engines(InferenceEngine(graph), InferenceEngine(graph), features)
    assert found == JudgementDifference(
        rows=len(features), flips=0, largest_difference=0.0, mean_difference=0.0
    )


def test_a_processor_without_bfloat16_is_refused(graph, monkeypatch):
    monkeypatch.setattr(import_openvino().Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(InputError, match="has FP32, INT8 and not BF16; use precision = 'float32'"):
        InferenceEngine(graph, InferenceOptions(precision="bfloat16"))


def test_a_worker_without_a_gpu_is_refused(graph):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="not CUDAExecutionProvider; install onnxruntime-gpu there"):
        InferenceEngine(graph, InferenceOptions(runtime="onnxruntime", device="gpu"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"runtime": "onnxruntime", "precision": "bfloat16"},
            "precision: bfloat16 with runtime 'onnxruntime'",
        ),
        ({"device": "gpu"}, "device: 'gpu' is allowed with runtime 'onnxruntime'"),
    ],
)
def test_options_that_no_runtime_has_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        InferenceOptions(**options)


def test_trees_run_where_there_is_an_operator_for_them():
    trees = b"...TreeEnsembleRegressor..."
    assert runtime_of(trees, InferenceOptions()) == "onnxruntime"
    assert runtime_of(b"", InferenceOptions()) == "openvino"
    with pytest.raises(InputError, match=r"holds decision trees.*use precision = 'float32'"):
        runtime_of(trees, InferenceOptions(precision="bfloat16"))


def test_the_runtime_of_networks_talks_to_nobody(graph, tmp_path):
    """OpenVINO brings a package for telemetry, which its import starts: nothing is sent, no identity is kept."""
    (tmp_path / "graph.onnx").write_bytes(graph)
    script = """
import sys
from pathlib import Path
import numpy as np
calls = []
sys.addaudithook(lambda name, _: calls.append(name) if name.startswith("socket.") else None)
from jpasbatch.learning.inference import InferenceEngine
InferenceEngine(Path(sys.argv[1]).read_bytes()).members(np.zeros((3, 6), np.float32))
assert "openvino" in sys.modules
print(calls, [path.name for path in Path.home().iterdir()])
"""
    root = str(Path(__file__).resolve().parents[2])
    home = tmp_path / "home"
    home.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "graph.onnx")],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": root},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[] []"


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
from jpasbatch.learning.judgement import vote
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning import samples, training
from jpasbatch.scoring import metrics
from jpasbatch.learning.classifiers import networks as models
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
    with pytest.raises(InputError, match="a tensor has a field number 13"):
        InferenceEngine(model.SerializeToString())
