"""Networks: a frozen description of an architecture, which builds and trains it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Gt, Interval, Len

from jpasbatch.errors import InputError
from jpasbatch.learning.backend import load_keras, to_numpy
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.network import Network, Weights
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import EpochSource, LabelledFeatures
from jpasbatch.learning.scaling import ScalingKind
from jpasbatch.learning.training import Monitor, train_network
from jpasbatch.options import Options

Layer = Annotated[int, Interval(ge=1, le=10_000)]
"""Number of neurons, or of kernels, of a layer."""

Dropout = Annotated[float, Interval(ge=0, lt=1)]
"""Fraction of a layer that is left out in a training step."""


class Trainable(Options):
    """What networks share: how they are trained."""

    def check_plan(self, plan: TrainingPlan) -> None:
        """Accept any plan: a network minimises every loss and follows every rule."""

    def train(
        self: Network,  # type: ignore[misc]
        plan: TrainingPlan,
        training: EpochSource,
        validation: LabelledFeatures,
        seed: int,
        monitor: Monitor | None = None,
    ) -> TrainedNetwork:
        """Train one network; see `jpasbatch.learning.training.train_network`."""
        return train_network(self, plan, training, validation, seed, monitor)


@dataclass(frozen=True)
class MultilayerPerceptron(Trainable):
    """The network of paper A (Martinez-Solaeche et al. 2023, A&A 673, A103, section 3.1).

    Dense layers with ReLU, He initialisation, dropout after each and a maximum norm of the incoming weights
    of each hidden neuron. The output layer is linear and unconstrained: it gives logits.

    Attributes
    ----------
    kind : "mlp"
    hidden : tuple of int
        Neurons of each hidden layer.
    dropout : float
        Fraction of the neurons of each hidden layer that are left out in a training step.
    max_norm : float
        Largest norm of the incoming weights of a hidden neuron.
    input_scaling : {"arcsinh", "none"}
        See `jpasbatch.learning.scaling`. The paper feeds the features as they are: "none".
    """

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Layer, ...], Len(1)] = (200,) * 8
    dropout: Dropout = 0.15
    max_norm: Annotated[float, Gt(0)] = 2.0
    input_scaling: ScalingKind = "arcsinh"

    layout = "plain"

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, n_inputs) to logits (n, n_classes)."""
        keras = load_keras()
        streams = seeds(seed, 2 * len(self.hidden) + 1)
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

    def weights(self, network: Any) -> Weights:
        """Return kernel (inputs, outputs) and bias (outputs,) of each dense layer, float32, in order."""
        return _weights(network, self._names)

    def assign(self, network: Any, weights: Weights) -> None:
        """Put weights into a network that was built; see `jpasbatch.learning.network.Network`."""
        _assign(network, self._names, weights)

    @property
    def _names(self) -> list[str]:
        return [*(f"hidden_{number}" for number in range(len(self.hidden))), "logits"]

    def multiplications(self, n_inputs: int, n_classes: int) -> int:
        """Return how many an object costs when it is classified."""
        return sum(one * other for one, other in pairwise((n_inputs, *self.hidden, n_classes)))


@dataclass(frozen=True)
class ResidualNetwork(Trainable):
    """A network whose blocks add to what they are given, so that few of them learn more than many layers do.

    A linear layer, then blocks of two layers: x + b(ReLU(a(x))) (He et al. 2016), then ReLU and the logits. The
    second layer of a block begins small, at a variance divided by the number of blocks.

    Attributes
    ----------
    kind : "residual"
    width : int
        Neurons of every layer.
    blocks : int
        Each of two layers.
    dropout : float
        Fraction of the inner neurons of each block that are left out in a training step.
    input_scaling : {"arcsinh", "none"}
        See `jpasbatch.learning.scaling`.
    """

    kind: Literal["residual"] = "residual"
    width: Layer = 256
    blocks: Annotated[int, Interval(ge=1, le=100)] = 3
    dropout: Dropout = 0.0
    input_scaling: ScalingKind = "arcsinh"

    layout = "residual"

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, n_inputs) to logits (n, n_classes)."""
        keras = load_keras()
        layers, streams = keras.layers, seeds(seed, 3 * self.blocks + 2)
        he, small = keras.initializers.HeNormal, keras.initializers.VarianceScaling
        inputs = keras.Input((n_inputs,), name="features")
        flow = layers.Dense(self.width, kernel_initializer=he(seed=next(streams)), name="first")(inputs)
        for number in range(self.blocks):
            initializer = he(seed=next(streams))
            inner = layers.Dense(
                self.width, activation="relu", kernel_initializer=initializer, name=f"inner_{number}"
            )(flow)
            inner = layers.Dropout(self.dropout, seed=next(streams), name=f"dropout_{number}")(inner)
            initializer = small(1.0 / self.blocks, seed=next(streams))
            outer = layers.Dense(self.width, kernel_initializer=initializer, name=f"outer_{number}")(inner)
            flow = layers.Add(name=f"sum_{number}")([flow, outer])
        initializer = keras.initializers.GlorotUniform(seed=next(streams))
        flow = layers.ReLU(name="last_relu")(flow)
        logits = layers.Dense(n_classes, kernel_initializer=initializer, name="logits")(flow)
        return keras.Model(inputs, logits)

    def weights(self, network: Any) -> Weights:
        """Return kernel (inputs, outputs) and bias (outputs,) of each dense layer, float32, in order."""
        return _weights(network, self._names)

    def assign(self, network: Any, weights: Weights) -> None:
        """Put weights into a network that was built; see `jpasbatch.learning.network.Network`."""
        _assign(network, self._names, weights)

    @property
    def _names(self) -> list[str]:
        pairs = [f"{part}_{number}" for number in range(self.blocks) for part in ("inner", "outer")]
        return ["first", *pairs, "logits"]

    def multiplications(self, n_inputs: int, n_classes: int) -> int:
        """Return how many an object costs when it is classified."""
        return self.width * (n_inputs + 2 * self.blocks * self.width + n_classes)


def seeds(seed: int, number: int) -> Iterator[int]:
    """Yield independent seeds that derive from one."""
    return iter(np.random.SeedSequence(seed).generate_state(number).tolist())


def _weights(network: Any, names: list[str]) -> Weights:
    layers = [network.get_layer(name) for name in names]
    return [
        (to_numpy(one.kernel).astype(np.float32), to_numpy(one.bias).astype(np.float32)) for one in layers
    ]


def _assign(network: Any, names: list[str], weights: Weights) -> None:
    layers = [network.get_layer(name) for name in names]
    shapes = [tuple(one.kernel.shape) for one in layers]
    found = [kernel.shape for kernel, _ in weights]
    if found != shapes:
        raise InputError(f"weights of layers {found} do not fit into a network of layers {shapes}")
    for layer, (kernel, bias) in zip(layers, weights, strict=True):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
