"""Trained members of a committee as plain arrays: no framework is needed to read, ship or run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.scaling import InputScaling

LAYOUTS = ("plain", "residual", "banded")
LINKS = ("mean", "softmax")
History = dict[str, list[float]]


class TrainedMember(Protocol):
    """What every kind of trained classifier is once it is trained."""

    @property
    def seed(self) -> int:
        """From which it was trained."""
        ...

    @property
    def best_epoch(self) -> int:
        """Epoch (or boosting iteration) whose state this is, counted from 1."""
        ...

    @property
    def history(self) -> History:
        """``loss``, ``validation_loss``, ``validation_accuracy`` of each epoch, as far as there are any."""
        ...

    @property
    def scaling(self) -> InputScaling | None:
        """What is applied to the features first."""
        ...

    @property
    def n_inputs(self) -> int:
        """Number of features of an object."""
        ...

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, which ``np.savez`` writes without pickling."""
        ...

    def check(self, name: str) -> None:
        """Raise `InputError` if an array is not finite or of another type than it should be."""
        ...


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network.

    Attributes
    ----------
    weights : list of (kernel, bias)
        Of each dense layer in order, float32, shapes (inputs, outputs) and (outputs,).
    scaling : InputScaling or None
    seed : int
    best_epoch : int
    history : dict of str to list of float
    layout : {"plain", "residual", "banded"}
        How the layers are joined; softmax after the last in any case. "plain": ReLU between them. "residual": the
        first and the last are simple; between them lie pairs (a, b) that add b(ReLU(a(x))) to x, and a ReLU
        before the last. "banded": as plain, but the first layers act on each band alone, and are the same for all;
        the others follow on all bands together.
    """

    weights: list[tuple[np.ndarray, np.ndarray]]
    scaling: InputScaling | None
    seed: int
    best_epoch: int
    history: History = field(default_factory=dict)
    layout: str = "plain"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS or (self.layout == "residual" and len(self.weights) % 2):
            raise ValueError(f"{len(self.weights)} layers do not make a network of layout {self.layout!r}")

    @property
    def banded_layers(self) -> int:
        """How many of the first layers act on each band alone."""
        if self.layout != "banded":
            return 0
        sizes = [kernel.shape for kernel, _ in self.weights]
        joins = [n for n in range(1, len(sizes)) if sizes[n][0] != sizes[n - 1][1]]
        return joins[0] if joins else 0  # with one band there is no difference

    @property
    def bands(self) -> int:
        """Number of bands that the first layers act on, one by one; 1 where they act on all together."""
        first = self.banded_layers
        return self.weights[first][0].shape[0] // self.weights[first - 1][0].shape[1] if first else 1

    @property
    def n_inputs(self) -> int:
        """Number of features of an object."""
        return self.bands * self.weights[0][0].shape[0]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.weights[-1][0].shape[1]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, which ``np.savez`` writes without pickling."""
        arrays = _common_arrays(self) | {"layout": np.array(self.layout)}
        for number, (kernel, bias) in enumerate(self.weights):
            arrays |= {f"kernel_{number:03d}": kernel, f"bias_{number:03d}": bias}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TrainedNetwork:
        """Return the network that `to_arrays` took apart."""
        names = sorted(arrays)
        kernels = [arrays[name] for name in names if name.startswith("kernel_")]
        biases = [arrays[name] for name in names if name.startswith("bias_")]
        return cls(
            weights=list(zip(kernels, biases, strict=True)),
            scaling=_scaling(arrays),
            seed=int(arrays["seed"]),
            best_epoch=int(arrays["best_epoch"]),
            history=_history(arrays),
            layout=str(arrays["layout"]),
        )

    def check(self, name: str) -> None:
        """Raise `InputError` if a weight is not finite or not single precision."""
        for kernel, bias in self.weights:
            if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
                raise InputError(f"{name} has weights that are not finite; train it again")
            if kernel.dtype != np.float32 or bias.dtype != np.float32:
                raise InputError(f"{name} has weights of {kernel.dtype}; float32 is needed")


@dataclass(frozen=True, eq=False)
class TrainedTrees:
    """Many decision trees whose leaves add up; k classes, and all nodes of all trees one after the other.

    Attributes
    ----------
    first : ndarray of int64, shape (trees + 1,)
        First node of each tree, and the number of all nodes.
    feature : ndarray of int32, shape (nodes,)
        That a node asks about; -1 in leaves.
    threshold : ndarray of float32, shape (nodes,)
        Features up to it go left.
    left, right : ndarray of int32, shape (nodes,)
        Children, counted from the first node of the tree; -1 in leaves.
    value : ndarray of float32, shape (nodes, k)
        What a leaf adds to each class.
    baseline : ndarray of float32, shape (k,)
        What every object begins with.
    link : {"mean", "softmax"}
        Whether the sums are probabilities, or their logarithms but for a constant.
    n_inputs, seed, best_epoch : int
    history : dict of str to list of float
    """

    first: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    baseline: np.ndarray
    link: str
    n_inputs: int
    seed: int
    best_epoch: int = 1
    history: History = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ValueError(f"link: found {self.link!r}; allowed: {', '.join(LINKS)}")

    @property
    def scaling(self) -> None:
        """Return nothing: trees take features as they are."""
        return

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.value.shape[1]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, which ``np.savez`` writes without pickling."""
        arrays = {name: getattr(self, name) for name in _TREE_ARRAYS}
        return (
            _common_arrays(self) | arrays | {"link": np.array(self.link), "n_inputs": np.array(self.n_inputs)}
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TrainedTrees:
        """Return the trees that `to_arrays` took apart."""
        return cls(
            **{name: arrays[name] for name in _TREE_ARRAYS},
            link=str(arrays["link"]),
            n_inputs=int(arrays["n_inputs"]),
            seed=int(arrays["seed"]),
            best_epoch=int(arrays["best_epoch"]),
            history=_history(arrays),
        )

    def check(self, name: str) -> None:
        """Raise `InputError` if a threshold or a leaf is not finite."""
        if not (np.isfinite(self.threshold).all() and np.isfinite(self.value).all()):
            raise InputError(f"{name} has thresholds or leaves that are not finite; train it again")
        if self.threshold.dtype != np.float32 or self.value.dtype != np.float32:
            raise InputError(f"{name} has thresholds of {self.threshold.dtype}; float32 is needed")


_TREE_ARRAYS = ("first", "feature", "threshold", "left", "right", "value", "baseline")


def member_from_arrays(arrays: Mapping[str, np.ndarray]) -> TrainedMember:
    """Return the member that its `to_arrays` took apart (also from an open ``.npz`` file)."""
    kind = TrainedTrees if "threshold" in set(arrays) else TrainedNetwork
    return kind.from_arrays(arrays)


def _common_arrays(member: TrainedMember) -> dict[str, np.ndarray]:
    arrays = {
        "seed": np.array(member.seed),
        "best_epoch": np.array(member.best_epoch),
        **{f"history_{key}": np.array(values, np.float64) for key, values in member.history.items()},
    }
    if member.scaling is not None:
        arrays |= {"scaling_centre": member.scaling.centre, "scaling_scale": member.scaling.scale}
    return arrays


def _history(arrays: Mapping[str, np.ndarray]) -> History:
    start = "history_"
    return {
        name.removeprefix(start): arrays[name].tolist() for name in sorted(arrays) if name.startswith(start)
    }


def _scaling(arrays: Mapping[str, np.ndarray]) -> InputScaling | None:
    if "scaling_centre" not in set(arrays):
        return None
    return InputScaling(arrays["scaling_centre"], arrays["scaling_scale"])
