"""Architectures: a frozen description of a network, which builds it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from jpasbatch.learning.scaling import SCALINGS


class Model(Protocol):
    """A kind of network. Every member of `MODELS` passes the contract in the tests."""

    @property
    def kind(self) -> str:
        """Name in job files."""
        ...

    @property
    def input_scaling(self) -> str:
        """Kind of `jpasbatch.learning.scaling`."""
        ...

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model (n, n_inputs) -> logits (n, n_classes); same seed, same network."""
        ...

    def weights(self, network: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return kernel (inputs, outputs) and bias (outputs,) of each dense layer, float32, in order."""
        ...


@dataclass(frozen=True)
class MultilayerPerceptron:
    """The network of paper A (Martinez-Solaeche et al. 2023, A&A 673, A103, section 3.1).

    Dense layers with ReLU, He initialisation, dropout after each and a maximum norm of the incoming weights
    of each hidden neuron. The output layer is linear and unconstrained: it gives logits.

    Attributes
    ----------
    kind : "mlp"
    hidden : tuple of int
        Neurons of each hidden layer.
    dropout : float
        Fraction of the neurons of each hidden layer that are left out in a training step, in [0, 1).
    max_norm : float
        Largest norm of the incoming weights of a hidden neuron, above 0.
    input_scaling : {"arcsinh", "none"}
        See `jpasbatch.learning.scaling`. The paper feeds the features as they are: "none".
    """

    kind: str = "mlp"
    hidden: tuple[int, ...] = (200,) * 8
    dropout: float = 0.15
    max_norm: float = 2.0
    input_scaling: str = "arcsinh"

    def __post_init__(self) -> None:
        if self.kind != "mlp":
            raise ValueError(f"kind: found {self.kind!r}; allowed: mlp")
        if not self.hidden or not all(1 <= neurons <= 10_000 for neurons in self.hidden):
            raise ValueError(
                f"hidden: found {self.hidden!r}; allowed is a list of layers of 1 to 10000 neurons"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout: found {self.dropout!r}; allowed is 0 to below 1")
        if not self.max_norm > 0.0:
            raise ValueError(f"max_norm: found {self.max_norm!r}; allowed is a number above 0")
        if self.input_scaling not in SCALINGS:
            raise ValueError(f"input_scaling: found {self.input_scaling!r}; allowed: {', '.join(SCALINGS)}")

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, n_inputs) to logits (n, n_classes).

        All random numbers of the network, initial weights and dropout masks, derive from the seed; global
        generators are neither read nor changed.
        """
        keras = load_keras()
        streams = iter(np.random.SeedSequence(seed).generate_state(2 * len(self.hidden) + 1).tolist())
        inputs = keras.Input((n_inputs,), name="features")
        flow = inputs
        for number, neurons in enumerate(self.hidden):
            flow = keras.layers.Dense(
                neurons,
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=next(streams)),
                kernel_constraint=keras.constraints.MaxNorm(self.max_norm, axis=0),
                name=f"hidden_{number}",
            )(flow)
            flow = keras.layers.Dropout(self.dropout, seed=next(streams), name=f"dropout_{number}")(flow)
        initializer = keras.initializers.GlorotUniform(seed=next(streams))
        logits = keras.layers.Dense(n_classes, kernel_initializer=initializer, name="logits")(flow)
        return keras.Model(inputs, logits)

    def weights(self, network: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return kernel (inputs, outputs) and bias (outputs,) of each dense layer, float32, in order."""
        names = [f"hidden_{number}" for number in range(len(self.hidden))] + ["logits"]
        layers = [network.get_layer(name).get_weights() for name in names]
        return [(np.array(kernel, np.float32), np.array(bias, np.float32)) for kernel, bias in layers]


MODELS: dict[str, type[MultilayerPerceptron]] = {"mlp": MultilayerPerceptron}


def load_keras() -> ModuleType:
    """Import Keras (about 10 s) without the start-up notes of TensorFlow on the user's terminal.

    The notes come from C++, before any logging is set up, so that only the file descriptor can be held back.
    What Python raises is not affected.
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
