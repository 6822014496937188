"""The fast forward pass: a committee's graph in OpenVINO or in ONNX Runtime, chunk by chunk.

Both runtimes load the bytes of a graph, execute nothing that is not one of its operators, and import no training
framework. They are compared in ``benchmarks/forward_pass.py``; why there are two says decision 13.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, Protocol

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.graph_check import check_graph
from jpasbatch.options import Options

CHUNK_ROWS = 1024
GPU_CHUNK_ROWS = 65_536

TREES = b"TreeEnsemble"
"""In the name of the operators that hold decision trees, which only ONNX Runtime has."""

BFLOAT16 = "BF16"
"""How OpenVINO names the capability of a processor to multiply in bfloat16."""

CUDA = "CUDAExecutionProvider"


@dataclass(frozen=True)
class InferenceOptions(Options):
    """How the forward pass is computed.

    Attributes
    ----------
    runtime : {"openvino", "onnxruntime"}
        Committees that hold trees run in ONNX Runtime in any case: the other one has no operator for them.
    precision : {"float32", "bfloat16"}
        Of the products of matrices. bfloat16 (OpenVINO, on processors that have it) is nearly twice as fast; how
        many classes it changes is measured with every run.
    device : {"cpu", "gpu"}
        ``gpu``: ONNX Runtime with CUDA, on workers that declare the resource ``GPU``.
    """

    runtime: Literal["openvino", "onnxruntime"] = "openvino"
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["cpu", "gpu"] = "cpu"

    def check_relations(self) -> None:
        """Refuse a precision or a device that the runtime does not have."""
        if self.precision == "bfloat16" and (self.runtime, self.device) != ("openvino", "cpu"):
            raise ValueError(
                f"precision: bfloat16 with runtime '{self.runtime}' on device '{self.device}'; it is allowed with "
                "runtime 'openvino' on device 'cpu'"
            )
        if self.device == "gpu" and self.runtime != "onnxruntime":
            raise ValueError("device: 'gpu' is allowed with runtime 'onnxruntime'")


DEFAULT = InferenceOptions()


class InferenceEngine:
    """Runs the graph of a committee on arrays.

    The same rows in the same order give the same bytes, on one machine with the same versions and number of
    threads: chunks are cut from row 0 of each call. That a row's result does not depend on its neighbours
    (chunk size, position in the chunk) holds bit for bit where it was tried, x86-64 with AVX-512, but no
    runtime promises it: between other partitions or machines expect differences of about 1e-6 in float32.

    Parameters
    ----------
    graph : bytes
        As `jpasbatch.learning.graph.committee_graph` writes it.
    options : InferenceOptions
        Runtime, precision and device.
    threads : int
        Threads of one product of matrices. With several processes on a machine leave it at 1: threads that
        fight cost half of the speed.
    chunk_rows : int, optional
        Rows passed at once. By default 1024, which stay in the cache (32,768 cost a third), and 65,536 on a GPU.

    Raises
    ------
    InputError
        When the bytes are no graph of a committee, or the machine lacks what the options ask for.
    """

    def __init__(
        self,
        graph: bytes,
        options: InferenceOptions = DEFAULT,
        threads: int = 1,
        chunk_rows: int | None = None,
    ) -> None:
        check_graph(graph)
        if chunk_rows is None:
            chunk_rows = GPU_CHUNK_ROWS if options.device == "gpu" else CHUNK_ROWS
        if threads < 1 or chunk_rows < 1:
            raise ValueError(f"threads, chunk_rows: found {threads}, {chunk_rows}; allowed is 1 or more")
        self._session = open_session(graph, options, threads, chunk_rows)
        self._chunk_rows = chunk_rows
        self.n_inputs, self.n_members, self.n_classes = self._session.shape

    def members(self, features: np.ndarray) -> np.ndarray:
        """Return each member's probabilities.

        Parameters
        ----------
        features : ndarray, shape (n, n_inputs)
            Unscaled and finite; float32 without a copy.

        Returns
        -------
        ndarray of float32, shape (n, members, classes)

        Raises
        ------
        InputError
            When the features have another width.
        """
        if features.ndim != 2 or features.shape[1] != self.n_inputs:
            raise InputError(
                f"features of shape {features.shape} do not fit the committee: it takes (n, {self.n_inputs})"
            )
        rows = np.ascontiguousarray(features, dtype=np.float32)
        probabilities = np.empty((len(rows), self.n_members, self.n_classes), dtype=np.float32)
        for first in range(0, len(rows), self._chunk_rows):
            part = slice(first, first + self._chunk_rows)
            probabilities[part] = self._session.run(rows[part])
        return probabilities


class Session(Protocol):
    """A graph that is ready to run.

    Attributes
    ----------
    shape : (int, int, int)
        Number of features, of members and of classes.
    """

    shape: tuple[int, int, int]

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Return the probabilities of a chunk.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, features), C-contiguous
            At most as many rows as the session was opened for.

        Returns
        -------
        ndarray of float32, shape (n, members, classes)
            May be overwritten by the next call.
        """
        ...


class OpenVinoSession:
    """A graph compiled by OpenVINO for chunks of one size; a shorter chunk is filled up with zeros."""

    def __init__(self, graph: bytes, options: InferenceOptions, threads: int, chunk_rows: int) -> None:
        core = import_openvino().Core()
        if options.precision == "bfloat16":
            _check_bfloat16()
        model: Any = core.read_model(graph)
        _, n_inputs = model.inputs[0].get_partial_shape()
        model.reshape([chunk_rows, n_inputs.get_length()])
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if options.precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # two processes that pin their one thread would meet on the same core
            "ENABLE_CPU_PINNING": False,
        }
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        (_, n_members, n_classes) = self._request.get_output_tensor().shape
        self.shape = (n_inputs.get_length(), n_members, n_classes)
        self._filled = np.zeros((chunk_rows, n_inputs.get_length()), np.float32)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Return the probabilities of a chunk; see `Session`."""
        chunk = rows
        if len(rows) < len(self._filled):
            chunk = self._filled
            chunk[: len(rows)], chunk[len(rows) :] = rows, 0.0
        self._request.infer({0: chunk}, share_inputs=True)
        return self._request.get_output_tensor().data[: len(rows)]


class OnnxRuntimeSession:
    """A graph in ONNX Runtime, on the processor or on a GPU."""

    def __init__(self, graph: bytes, options: InferenceOptions, threads: int) -> None:
        import onnxruntime

        provider = CUDA if options.device == "gpu" else "CPUExecutionProvider"
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise InputError(
                f"[inference] device = 'gpu': the ONNX Runtime of this worker has {', '.join(available)} and not "
                f"{CUDA}; install onnxruntime-gpu there, or use device = 'cpu'"
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        settings.use_deterministic_compute = True
        settings.log_severity_level = 4  # what fails is raised, and ours to explain
        self._session = onnxruntime.InferenceSession(graph, settings, providers=[provider])
        (source,), (target,) = self._session.get_inputs(), self._session.get_outputs()
        (_, n_inputs), (_, n_members, n_classes) = source.shape, target.shape
        self._input, self._output = source.name, target.name
        self.shape = (int(n_inputs), int(n_members), int(n_classes))

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Return the probabilities of a chunk; see `Session`."""
        return np.asarray(self._session.run([self._output], {self._input: rows})[0])


def runtime_of(graph: bytes, options: InferenceOptions) -> str:
    """Return the runtime that a graph runs in: the one of the options, or ONNX Runtime where it holds trees.

    Raises
    ------
    InputError
        When it holds trees and the options ask for bfloat16.
    """
    if TREES not in graph:
        return options.runtime
    if options.precision != "float32":
        raise InputError(
            f"[inference] precision = '{options.precision}': the committee holds decision trees, which have no "
            "products of matrices; use precision = 'float32'"
        )
    return "onnxruntime"


@dataclass(frozen=True)
class EngineFacts:
    """What computes the forward pass of a graph.

    Attributes
    ----------
    runtime, precision, device : str
        As in `InferenceOptions`; the runtime is the one that it is computed with.
    versions : dict of str to str
        Of the packages that decide its bits.
    """

    runtime: str
    precision: str
    device: str
    versions: dict[str, str]


def describe_engine(graph: bytes, options: InferenceOptions) -> EngineFacts:
    """Return what computes the forward pass of a graph."""
    runtime = runtime_of(graph, options)
    versions = {package: metadata.version(package) for package in ("numpy", runtime)}
    return EngineFacts(runtime, options.precision, options.device, versions)


def open_session(graph: bytes, options: InferenceOptions, threads: int, chunk_rows: int) -> Session:
    """Open a graph in the runtime that the options ask for.

    Raises
    ------
    InputError
        When the processor has no bfloat16, the worker no GPU, or the bytes are no graph of a committee.
    """
    runtime = runtime_of(graph, options)
    try:
        if runtime == "openvino":
            return OpenVinoSession(graph, options, threads, chunk_rows)
        return OnnxRuntimeSession(graph, options, threads)
    except InputError:
        raise
    except Exception as error:  # the runtimes have a class of their own for each way to fail
        raise InputError(
            f"the graph of the committee ({len(graph)} bytes) cannot be used: {str(error)[:300]}. "
            "Restore the committee from a copy, or train again"
        ) from None


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which its import would start.

    With the package ``openvino_telemetry`` at hand it keeps an identity in the home folder and reports to its makers,
    unless that was forbidden there before; without it, it falls back to a stub of its own.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # any import of it fails from now on
    import openvino

    return openvino


def has_bfloat16() -> bool:
    """Return whether the processor of this machine multiplies in bfloat16."""
    return BFLOAT16 in _capabilities()


def _capabilities() -> list[str]:
    return import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _check_bfloat16() -> None:
    capabilities = _capabilities()
    if BFLOAT16 not in capabilities:
        raise InputError(
            f"[inference] precision = 'bfloat16': the processor of this worker has {', '.join(capabilities)} and not "
            f"{BFLOAT16}; use precision = 'float32', or workers with AVX-512 BF16 or AMX"
        )
