"""The fast forward pass: a committee's graph in a runtime made for inference, chunk by chunk."""

from __future__ import annotations

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.graph_check import check_graph
from jpasbatch.learning.runtimes import DEFAULT, InferenceOptions, open_session

CHUNK_ROWS = 1024
GPU_CHUNK_ROWS = 65_536


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
