"""The convolutional network of paper B, whose kernels look at one band at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval, Len

from jpasbatch.errors import InputError
from jpasbatch.learning.backend import load_keras, to_numpy
from jpasbatch.learning.classifiers.networks import Dropout, Layer, Trainable, seeds
from jpasbatch.learning.network import Weights
from jpasbatch.learning.scaling import ScalingKind


@dataclass(frozen=True)
class ConvolutionalNetwork(Trainable):
    """The network of Chen et al. 2021 (MNRAS 501, 3951), section 2.3.

    Features are an image of bands x columns (magnitude, error). Convolutions with kernels of 1 x ``kernel`` and
    padding that keeps the size, each with batch normalisation and ReLU; then dense layers, ReLU between them, and
    dropout before each; the values of the last one are summed and mapped by a sigmoid. The paper has two classes:
    their logits are 0 and the sum. More classes are a sum each, relative to the first. All kernels have an L2 penalty.

    The paper gives no rate of dropout and no factor of L2: those here are ours, and so is where dropout stands.

    Attributes
    ----------
    kind : "cnn"
    columns : int
        Numbers of a band in the features.
    channels : tuple of int
        Kernels of each convolution.
    kernel : int
        Columns that a kernel spans.
    dense : tuple of int
        Neurons of the dense layers; the last are those that are summed.
    dropout : float
        Share of the neurons before each dense layer that are left out in a training step.
    l2 : float
        Factor of the sum of the squares of all kernels in the loss.
    input_scaling : {"arcsinh", "none"}
        See `jpasbatch.learning.scaling`.
    """

    kind: Literal["cnn"] = "cnn"
    columns: Annotated[int, Interval(ge=1, le=100)] = 2
    channels: Annotated[tuple[Layer, ...], Len(1)] = (16, 32, 32)
    kernel: Annotated[int, Interval(ge=1, le=100)] = 2
    dense: Annotated[tuple[Layer, ...], Len(1)] = (64, 16)
    dropout: Dropout = 0.3
    l2: Annotated[float, Interval(ge=0, le=1)] = 1e-4
    input_scaling: ScalingKind = "arcsinh"

    layout = "banded"

    def check_relations(self) -> None:
        """Refuse kernels that span more columns than there are."""
        if self.kernel > self.columns:
            raise ValueError(f"kernel: found {self.kernel!r}; allowed is 1 to the number of columns")

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, n_inputs) to logits (n, n_classes).

        Raises
        ------
        ValueError
            If the features are not whole bands.
        """
        keras = load_keras()
        layers, ops = keras.layers, keras.ops
        bands = self._bands(n_inputs)
        streams = seeds(seed, len(self.channels) + 2 * len(self.dense))

        def he() -> Any:
            return keras.initializers.HeNormal(seed=next(streams))

        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        inputs = keras.Input((n_inputs,), name="features")
        flow = layers.Reshape((bands, self.columns, 1), name="bands")(inputs)
        for number, channels in enumerate(self.channels):
            flow = layers.Conv2D(
                channels,
                (1, self.kernel),
                padding="same",
                kernel_initializer=he(),
                kernel_regularizer=penalty,
                name=f"convolution_{number}",
            )(flow)
            flow = layers.BatchNormalization(name=f"normalisation_{number}")(flow)
            flow = layers.ReLU(name=f"relu_{number}")(flow)
        flow = layers.Flatten(name="flat")(flow)
        *hidden, last = self.dense
        for number, neurons in enumerate([*hidden, last * (n_classes - 1)]):
            flow = layers.Dropout(self.dropout, seed=next(streams), name=f"dropout_{number}")(flow)
            flow = layers.Dense(
                neurons,
                activation="relu" if number < len(hidden) else None,
                kernel_initializer=he(),
                kernel_regularizer=penalty,
                name=f"dense_{number}",
            )(flow)
        sums = ops.sum(ops.reshape(flow, (-1, n_classes - 1, last)), axis=2)
        logits = ops.concatenate([ops.zeros_like(sums[:, :1]), sums], axis=1)
        return keras.Model(inputs, logits)

    def weights(self, network: Any) -> Weights:
        """Return a kernel and bias for each layer, batch normalisation and the last sum folded into them.

        A convolution is the same dense layer for every band, from all its columns to all its columns.
        """
        layers: Weights = []
        for number in range(len(self.channels)):
            convolution = network.get_layer(f"convolution_{number}")
            factor, offset = _normalisation(network.get_layer(f"normalisation_{number}"))
            kernel = to_numpy(convolution.kernel).astype(np.float64)[0] * factor
            bias = to_numpy(convolution.bias).astype(np.float64) * factor + offset
            layers.append((self._of_all_columns(kernel), np.tile(bias, self.columns)))
        for number in range(len(self.dense)):
            dense = network.get_layer(f"dense_{number}")
            layers.append((to_numpy(dense.kernel), to_numpy(dense.bias)))
        kernel, bias = layers.pop()
        sums = kernel.astype(np.float64).reshape(len(kernel), -1, self.dense[-1]).sum(axis=2)
        total = bias.astype(np.float64).reshape(-1, self.dense[-1]).sum(axis=1)
        layers.append((np.pad(sums, ((0, 0), (1, 0))), np.pad(total, (1, 0))))
        return [(kernel.astype(np.float32), bias.astype(np.float32)) for kernel, bias in layers]

    def assign(self, network: Any, weights: Weights) -> None:
        """Refuse: what batch normalisation learnt is folded into the weights and cannot be taken out again."""
        raise InputError("a network of kind 'cnn' cannot begin with the weights of another one")

    def multiplications(self, n_inputs: int, n_classes: int) -> int:
        """Return how many an object costs when it is classified."""
        bands, columns = self._bands(n_inputs), self.columns
        of_a_band = sum(
            columns**2 * one * other
            for one, other in zip((1, *self.channels[:-1]), self.channels, strict=True)
        )
        sizes = (bands * columns * self.channels[-1], *self.dense[:-1], n_classes)
        return bands * of_a_band + sum(one * other for one, other in pairwise(sizes))

    def _bands(self, n_inputs: int) -> int:
        if n_inputs % self.columns:
            raise ValueError(
                f"columns = {self.columns}: {n_inputs} features are not so many numbers for each band"
            )
        return n_inputs // self.columns

    def _of_all_columns(self, kernel: np.ndarray) -> np.ndarray:
        """Return the matrix (columns x inputs, columns x outputs) of a padded convolution (kernel, inputs, outputs)."""
        _, inputs, outputs = kernel.shape
        matrix = np.zeros((self.columns, inputs, self.columns, outputs))
        before = (self.kernel - 1) // 2  # as "same" pads: the larger half behind
        for target in range(self.columns):
            for step in range(self.kernel):
                source = target + step - before
                if 0 <= source < self.columns:
                    matrix[source, :, target, :] = kernel[step]
        return matrix.reshape(self.columns * inputs, self.columns * outputs)


def _normalisation(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and offset (channels,) float64 that a batch normalisation applies once it is trained."""
    gamma, beta, mean, variance = (
        to_numpy(one).astype(np.float64)
        for one in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    )
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return factor, beta - mean * factor
