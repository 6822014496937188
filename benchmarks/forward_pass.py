"""Measure the forward pass of a committee against the fastest product of matrices of this machine.

The limit is the highest rate of single-precision products that any library at hand reaches in any round of the same
run (NumPy's BLAS, ONNX Runtime, OpenVINO; three shapes), because one of them alone may not know the processor. All
ways take turns; medians. Keras' ``predict`` runs member by member, as a training framework is used.

Run: ``python benchmarks/forward_pass.py --threads 1`` (and ``--threads 2``), ``--keras`` to add Keras, ``--rounds 7``
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine, InferenceOptions, has_bfloat16, import_openvino
from jpasbatch.learning.members import TrainedNetwork

INPUTS, WIDTH, HIDDEN, CLASSES, MEMBERS = 59, 200, 8, 4, 8
SIZES = (INPUTS, *[WIDTH] * HIDDEN, CLASSES)
FLOP = 2 * MEMBERS * sum(a * b for a, b in pairwise(SIZES))
"""Of the products of matrices, an object: 4.7 million (paper A: eight members of eight layers of 200)."""
SHAPES = ((1024, WIDTH, WIDTH), (2048, 2048, 2048), (4096, 2048, 2048))

Way = Callable[[], object]


def make_members(seed: int = 1) -> list[TrainedNetwork]:
    """Return members of the paper's shape with random weights (He et al. 2015), which cost what trained ones do."""
    rng = np.random.default_rng(seed)
    members = []
    for number in range(MEMBERS):
        weights = [
            ((rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32), np.zeros(b, np.float32))
            for a, b in pairwise(SIZES)
        ]
        members.append(TrainedNetwork(weights, None, number, 1))
    return members


def product_ways(threads: int) -> dict[tuple[str, int], Way]:
    """Return one product of matrices of each shape and library; the key holds its FLOP."""
    import onnxruntime

    openvino = import_openvino()

    ways: dict[tuple[str, int], Way] = {}
    rng = np.random.default_rng(0)
    for m, k, n in SHAPES:
        a, b = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
        out, graph = np.empty((m, n), np.float32), _product_graph(b, m)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        core = openvino.Core()
        request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()
        flop, shape = 2 * m * k * n, f"{m}x{k}x{n}"
        ways[f"numpy {shape}", flop] = lambda a=a, b=b, out=out: np.matmul(a, b, out=out)
        ways[f"onnxruntime {shape}", flop] = lambda s=session, a=a: s.run(None, {"a": a})
        ways[f"openvino {shape}", flop] = lambda r=request, a=a: r.infer({0: a}, share_inputs=True)
    return ways


def _product_graph(right: np.ndarray, rows: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    k, n = right.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [rows, k])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [rows, n])],
        [numpy_helper.from_array(right, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def engine_ways(threads: int, rows: np.ndarray) -> dict[str, Way]:
    """Return the forward pass in every runtime, precision and size of chunk."""
    graph = committee_graph(make_members(), INPUTS)
    kinds = {
        "openvino float32": InferenceOptions(),
        "onnxruntime float32": InferenceOptions(runtime="onnxruntime"),
    }
    if has_bfloat16():
        kinds["openvino bfloat16"] = InferenceOptions(precision="bfloat16")
    else:
        print("skipped: openvino bfloat16, which this processor does not have")
    ways: dict[str, Way] = {}
    for name, options in kinds.items():
        for chunk in (512, 1024, 2048, 32_768):
            engine = InferenceEngine(graph, options, threads, chunk)
            ways[f"{name}, chunks of {chunk}"] = lambda e=engine: e.members(rows)
    return ways


def keras_ways(threads: int, rows: np.ndarray) -> dict[str, Way]:
    """Return `keras.Model.predict` member by member, with its default batch and a large one."""
    import keras
    import tensorflow

    from jpasbatch.learning.classifiers.networks import MultilayerPerceptron

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    model = MultilayerPerceptron(hidden=(WIDTH,) * HIDDEN)
    networks = [
        keras.Sequential([model.build(INPUTS, CLASSES, seed), keras.layers.Softmax()])
        for seed in range(MEMBERS)
    ]

    def predict(batch: int, part: np.ndarray) -> None:
        for network in networks:
            network.predict(part, batch_size=batch, verbose=0)

    few = rows[:8192]  # its default is slow; the time is scaled to all rows below
    return {
        "keras predict, batch 32": lambda: predict(32, few),
        **{f"keras predict, batch {b}": lambda b=b: predict(b, rows) for b in (2048, 8192)},
    }


def seconds(way: Way) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=32_768)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keras", action="store_true")
    options = parser.parse_args()
    rows = np.random.default_rng(2).standard_normal((options.rows, INPUTS), np.float32)
    products = product_ways(options.threads)
    ways = engine_ways(options.threads, rows)
    counts = dict.fromkeys(ways, len(rows))
    if options.keras:
        ways |= keras_ways(options.threads, rows)
        counts |= {name: 8192 if name.endswith(" 32") else len(rows) for name in ways.keys() - counts.keys()}
    for way in (*products.values(), *ways.values()):
        way()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    speeds: dict[tuple[str, int], list[float]] = {key: [] for key in products}
    for _ in range(options.rounds):
        for key, way in products.items():
            repeats = max(1, int(4e9 // key[1]))
            speeds[key].append(
                repeats * key[1] / seconds(lambda way=way, n=repeats: [way() for _ in range(n)])
            )
        for name, way in ways.items():
            rates[name].append(counts[name] / seconds(way))
    report(speeds, rates, options.threads)


def report(speeds: dict[tuple[str, int], list[float]], rates: dict[str, list[float]], threads: int) -> None:
    """Print the limit and each way's share of it."""
    fastest = {name: max(values) for (name, _), values in speeds.items()}
    best = max(fastest, key=lambda name: fastest[name])
    limit = fastest[best] / FLOP
    print(
        f"{threads} thread(s): {fastest[best] / 1e9:.0f} GFLOP/s ({best}) limit the committee to {limit:,.0f} rows/s"
    )
    for name, value in fastest.items():
        print(f"  product {name:<34} {value / 1e9:>8.0f} GFLOP/s")
    print(f"{'way':<42} {'rows/s':>10} {'of the limit':>13}")
    for name, values in rates.items():
        print(f"{name:<42} {statistics.median(values):>10,.0f} {statistics.median(values) / limit:>13.2f}")


if __name__ == "__main__":
    if "--threads" in sys.argv:  # before any library starts its threads
        os.environ.setdefault("OMP_NUM_THREADS", sys.argv[sys.argv.index("--threads") + 1])
    main()
