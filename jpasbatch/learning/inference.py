"""The fast forward pass: a committee's graph in ONNX Runtime, without any training framework."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError

EXTERNAL_LOCATION = b"\n\x08location\x12"
"""The protobuf entry by which a tensor of an ONNX graph names a file that holds its values."""


class InferenceEngine:
    """Runs the graph of a committee on arrays.

    The same rows in the same order give the same bytes, on one machine with the same versions and number of
    threads: chunks are cut from row 0 of each call. That a row's result does not depend on its neighbours
    (chunk size, position in the chunk) holds bit for bit where it was tried, x86-64 with AVX-512 and chunks
    of 1 to 2,048 rows, but ONNX Runtime does not promise it: between other partitions or machines expect
    differences of about 1e-6.

    Parameters
    ----------
    graph : bytes
        As `jpasbatch.learning.graph.committee_graph` writes it.
    threads : int
        Threads of one product of matrices. With several processes on a machine leave it at 1: threads that
        fight cost half of the speed.
    chunk_rows : int
        Rows passed at once. 512 to 2,048 stay in the cache; 32,768 cost a third.

    Raises
    ------
    InputError
        When the bytes are no graph of a committee.
    """

    def __init__(self, graph: bytes, threads: int = 1, chunk_rows: int = 1024) -> None:
        import onnxruntime

        if EXTERNAL_LOCATION in graph:
            raise InputError(
                "the graph of the committee refers to weights in another file, which its sha256 does not cover; "
                "use the committee that `jpasbatch train` wrote"
            )
        if threads < 1 or chunk_rows < 1:
            raise ValueError(f"threads, chunk_rows: found {threads}, {chunk_rows}; allowed is 1 or more")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # what fails is raised, and ours to explain
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            (source,), (target,) = session.get_inputs(), session.get_outputs()
            (_, n_inputs), (_, n_members, n_classes) = source.shape, target.shape
        except Exception as error:  # the runtime has a class of its own for each way to fail
            raise InputError(
                f"the graph of the committee ({len(graph)} bytes) cannot be used: {str(error)[:300]}. "
                "Restore the committee from a copy, or train again"
            ) from None
        self._session = session
        self._input, self._output = source.name, target.name
        self._chunk_rows = chunk_rows
        self.n_inputs = int(n_inputs)
        self.n_members = int(n_members)
        self.n_classes = int(n_classes)

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
            probabilities[part] = np.asarray(self._session.run([self._output], {self._input: rows[part]})[0])
        return probabilities
