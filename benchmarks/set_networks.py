"""Networks that see an object as a set of bands, some of which are missing: what ``compare_networks.py`` compares.

All take the features ``fluxes_and_errors``: three numbers a band (relative flux, signal-to-noise ratio, error), where
the reference band has its magnitude in place of a relative flux. A band is missing where its error is the largest that
there is. The numbers of a band become a vector by weights of its own, which says at once which band it is. Then

- `BandAttention`: bands attend to all bands that are there (Vaswani et al. 2017), and all vectors are read at the end;
- `QueryAttention`: a few learnt queries attend to the bands (Lee et al. 2019, "Set Transformer": pooling by attention);
- `BandSet`: vectors of the bands that are there are averaged (Zaheer et al. 2017, "Deep Sets").

`multiplications` of each counts what an object costs, as `jpasbatch.learning.network.Network` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jpasbatch.learning.backend import load_keras
from jpasbatch.learning.classifiers.networks import seeds

NOWHERE = -1e9
"""What is added to the score of a band that is missing: attention to it is nothing."""


@dataclass(frozen=True)
class Bands:
    """Where the numbers of each band are among the features.

    Attributes
    ----------
    number : int
        Of bands.
    reference : int
        Position of the reference band.
    missing : ndarray of float32, shape (bands,)
        Scaled error of a band that is missing.
    """

    number: int
    reference: int
    missing: np.ndarray

    def split(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Return of features: numbers of each band (n, bands, 3), which are there (n, bands), magnitude (n, 1)."""
        layers, ops = load_keras().layers, load_keras().ops
        number, reference = self.number, self.reference
        missing = ops.convert_to_tensor(self.missing - 1e-3)

        def numbers(features: Any) -> Any:
            magnitude = features[:, -1:]
            relative = [features[:, :reference], magnitude, features[:, reference : number - 1]]
            signal, error = features[:, number - 1 : 2 * number - 1], features[:, 2 * number - 1 : -1]
            return ops.stack([ops.concatenate(relative, axis=1), signal, error], axis=2)

        def presence(features: Any) -> Any:
            return ops.cast(features[:, 2 * number - 1 : -1] < missing, "float32")

        return (
            layers.Lambda(numbers, output_shape=(number, 3), name="numbers")(inputs),
            layers.Lambda(presence, output_shape=(number,), name="presence")(inputs),
            layers.Lambda(lambda features: features[:, -1:], output_shape=(1,), name="magnitude")(inputs),
        )


@dataclass(frozen=True)
class BandAttention:
    """Blocks of attention among bands and of two dense layers for each, each added to what it is given.

    Attributes
    ----------
    width, heads, blocks : int
    inner : int
        Width of the dense layers of a block, in widths.
    last : int
        Neurons that read all bands at the end.
    """

    width: int = 16
    heads: int = 2
    blocks: int = 2
    inner: int = 2
    last: int = 64

    def build(self, bands: Bands, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, 3 bands) to logits (n, classes)."""
        keras = load_keras()
        layers, streams = keras.layers, seeds(seed, 1000)
        inputs = keras.Input((3 * bands.number,), name="features")
        numbers, presence, _ = bands.split(inputs)
        flow = _embedding(bands.number, self.width, next(streams))(numbers)
        for _ in range(self.blocks):
            heads = _heads(flow, presence, self, next(streams))
            flow = layers.Add()([flow, _dense(self.width, next(streams))(heads)])
            within = _dense(self.inner * self.width, next(streams), "relu")(layers.LayerNormalization()(flow))
            flow = layers.Add()([flow, _dense(self.width, next(streams))(within)])
        flow = layers.Flatten()(layers.LayerNormalization()(flow))
        flow = _dense(self.last, next(streams), "relu")(flow)
        return keras.Model(inputs, _dense(n_classes, next(streams))(flow))

    def multiplications(self, bands: int, n_classes: int) -> int:
        """Return how many an object costs."""
        of_a_block = (4 + 2 * self.inner) * self.width**2 + 2 * bands * self.width
        return (
            bands * (3 * self.width + self.blocks * of_a_block + self.width * self.last)
            + self.last * n_classes
        )


def _heads(flow: Any, presence: Any, network: BandAttention, seed: int) -> Any:
    """Return what each band (n, bands, width) gathers from those that are there, all heads side by side."""
    keras = load_keras()
    layers, ops, streams = keras.layers, keras.ops, seeds(seed, 3)
    size, heads = network.width // network.heads, network.heads
    flow = layers.LayerNormalization()(flow)
    query, key, value = (
        layers.Permute((2, 1, 3))(
            layers.Reshape((-1, heads, size))(_dense(network.width, next(streams))(flow))
        )
        for _ in range(3)
    )
    hidden = (1.0 - presence)[:, None, None, :] * NOWHERE
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / size**0.5 + hidden
    gathered = ops.transpose(ops.matmul(ops.softmax(scores), value), (0, 2, 1, 3))
    return layers.Reshape((-1, network.width))(gathered)


@dataclass(frozen=True)
class QueryAttention:
    """Learnt queries gather from the bands that are there; residual blocks read what they found.

    Attributes
    ----------
    width : int
        Of keys and values.
    queries : int
    trunk, blocks : int
        Width and number of the residual blocks.
    """

    width: int = 48
    queries: int = 12
    trunk: int = 128
    blocks: int = 3

    def build(self, bands: Bands, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, 3 bands) to logits (n, classes)."""
        keras = load_keras()
        layers, ops, streams = keras.layers, keras.ops, seeds(seed, 1000)
        inputs = keras.Input((3 * bands.number,), name="features")
        numbers, presence, magnitude = bands.split(inputs)
        flow = layers.ReLU()(_embedding(bands.number, self.width, next(streams))(numbers))
        key, value = (_dense(self.width, next(streams))(flow) for _ in range(2))
        # the product of keys and learnt queries is a dense layer without a bias
        scores = layers.Dense(
            self.queries, use_bias=False, kernel_initializer=_glorot(next(streams)), name="queries"
        )(key)
        scores = scores / self.width**0.5 + ((1.0 - presence) * NOWHERE)[:, :, None]
        weight = ops.transpose(ops.softmax(scores, axis=1), (0, 2, 1))
        flow = layers.Flatten()(ops.matmul(weight, value))
        flow = layers.Concatenate()([flow, magnitude])
        return keras.Model(inputs, _trunk(flow, self.trunk, self.blocks, n_classes, streams))

    def multiplications(self, bands: int, n_classes: int) -> int:
        """Return how many an object costs."""
        of_a_band = 3 * self.width + 2 * self.width**2 + 2 * self.queries * self.width
        read = self.queries * self.width + 1
        return bands * of_a_band + self.trunk * (read + 2 * self.blocks * self.trunk + n_classes)


@dataclass(frozen=True)
class BandSet:
    """Vectors of the bands that are there are averaged; residual blocks read the mean.

    Attributes
    ----------
    inner, width : int
        Neurons of the two layers of each band; the second is the same for all.
    trunk, blocks : int
        Width and number of the residual blocks.
    """

    inner: int = 40
    width: int = 128
    trunk: int = 160
    blocks: int = 4

    def build(self, bands: Bands, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model from features (n, 3 bands) to logits (n, classes)."""
        keras = load_keras()
        layers, ops, streams = keras.layers, keras.ops, seeds(seed, 1000)
        inputs = keras.Input((3 * bands.number,), name="features")
        numbers, presence, magnitude = bands.split(inputs)
        flow = layers.ReLU()(_embedding(bands.number, self.inner, next(streams))(numbers))
        flow = _dense(self.width, next(streams), "relu")(flow)
        there = presence[:, :, None]
        share = ops.sum(there, axis=1) / bands.number
        # the root keeps the sum at the size of one vector's scatter, for the layers that follow
        mean = ops.sum(flow * there, axis=1) / (ops.maximum(share, 1e-3) * bands.number**0.5)
        flow = layers.Concatenate()([mean, share, magnitude])
        return keras.Model(inputs, _trunk(flow, self.trunk, self.blocks, n_classes, streams))

    def multiplications(self, bands: int, n_classes: int) -> int:
        """Return how many an object costs."""
        of_a_band = 3 * self.inner + self.inner * self.width
        return bands * of_a_band + self.trunk * (self.width + 2 + 2 * self.blocks * self.trunk + n_classes)


def _embedding(bands: int, width: int, seed: int) -> Any:
    """Return a layer from the numbers (n, bands, 3) to vectors (n, bands, width), with weights for each band."""
    keras = load_keras()
    return keras.layers.EinsumDense(
        "nbi,bio->nbo",
        output_shape=(bands, width),
        bias_axes="bo",
        kernel_initializer=keras.initializers.RandomNormal(stddev=3**-0.5, seed=seed),
        bias_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=seed + 1),
        name="bands",
    )


def _trunk(flow: Any, width: int, blocks: int, n_classes: int, streams: Any) -> Any:
    """Return logits by the blocks of `jpasbatch.learning.classifiers.networks.ResidualNetwork`."""
    keras = load_keras()
    layers = keras.layers
    flow = _dense(width, next(streams))(flow)
    for _ in range(blocks):
        inner = _dense(width, next(streams), "relu")(flow)
        small = keras.initializers.VarianceScaling(1.0 / blocks, seed=next(streams))
        flow = layers.Add()([flow, layers.Dense(width, kernel_initializer=small)(inner)])
    return _dense(n_classes, next(streams))(layers.ReLU()(flow))


def _dense(neurons: int, seed: int, activation: str | None = None) -> Any:
    keras = load_keras()
    initializer = keras.initializers.HeNormal(seed=seed) if activation else _glorot(seed)
    return keras.layers.Dense(neurons, activation=activation, kernel_initializer=initializer)


def _glorot(seed: int) -> Any:
    return load_keras().initializers.GlorotUniform(seed=seed)
