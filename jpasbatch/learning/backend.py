"""Keras and the framework beneath it: imported quietly, and on as many threads as it is given."""

from __future__ import annotations

import logging
import os
import sys
from types import ModuleType
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


def load_keras() -> ModuleType:
    """Import Keras (about 10 s) without the start-up notes of TensorFlow on the user's terminal.

    The notes come from C++, before any logging is set up, so that only the file descriptor can be held back.
    What Python raises is not affected. The variable ``KERAS_BACKEND`` chooses the framework: "tensorflow"
    (the default), "jax" or "torch".
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" in sys.modules:
        return sys.modules["keras"]
    sys.stderr.flush()
    terminal = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        import keras
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(silence)
    return keras


def to_numpy(variable: Any) -> np.ndarray:
    """Return a copy of the value of a Keras variable.

    Keras' own ``numpy()`` asks NumPy 2 for a copy in a way that its backends do not know, which warns.
    """
    keras = load_keras()
    if keras.backend.backend() == "torch":
        return np.array(keras.ops.convert_to_numpy(variable.value))
    return np.array(np.asarray(variable.value))


def limit_threads_once(n: int) -> None:
    """Let the training framework of this process use ``n`` threads, unless it was given a number before.

    Of TensorFlow alone, which would take every core: JAX and PyTorch take their number from the environment
    (``XLA_FLAGS``, ``OMP_NUM_THREADS``), and are left as they are.
    """
    backend = load_keras().backend.backend()
    if backend != "tensorflow":
        log.debug("%s: the number of threads is that of its environment", backend)
        return
    threading = _tensorflow_threading()
    if threading.get_intra_op_parallelism_threads() == 0:
        threading.set_intra_op_parallelism_threads(n)
        threading.set_inter_op_parallelism_threads(n)


def framework_threads() -> int | None:
    """Return how many threads the training framework of this process uses, or None where it does not say.

    None too in a process that has not loaded a framework: it trains trees, on one thread.
    """
    if "keras" not in sys.modules or load_keras().backend.backend() != "tensorflow":
        return None
    return _tensorflow_threading().get_intra_op_parallelism_threads() or None


def _tensorflow_threading() -> Any:
    import tensorflow

    return tensorflow.config.threading
