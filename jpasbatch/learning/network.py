"""What training asks of a kind of network; the kinds are in `jpasbatch.learning.classifiers`."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from jpasbatch.learning.scaling import ScalingKind

Weights = list[tuple[np.ndarray, np.ndarray]]
"""Kernel (inputs, outputs) and bias (outputs,) of each dense layer."""


class Network(Protocol):
    """A kind of network."""

    @property
    def kind(self) -> str:
        """Name in job files."""
        ...

    @property
    def input_scaling(self) -> ScalingKind:
        """How its features are scaled."""
        ...

    @property
    def layout(self) -> str:
        """How its layers are joined: one of `jpasbatch.learning.members.LAYOUTS`."""
        ...

    def build(self, n_inputs: int, n_classes: int, seed: int) -> Any:
        """Return an untrained Keras model (n, n_inputs) -> logits (n, n_classes); same seed, same network.

        All random numbers of the network, initial weights and dropout masks, derive from the seed; global
        generators are neither read nor changed.
        """
        ...

    def weights(self, network: Any) -> Weights:
        """Return kernel (inputs, outputs) and bias (outputs,) of each dense layer, float32, in order."""
        ...

    def assign(self, network: Any, weights: Weights) -> None:
        """Put weights into a network that was built: what `weights` returned of another one.

        Raises
        ------
        InputError
            When they do not fit, or this kind of network cannot take them back.
        """
        ...

    def multiplications(self, n_inputs: int, n_classes: int) -> int:
        """Return how many an object costs when it is classified."""
        ...
