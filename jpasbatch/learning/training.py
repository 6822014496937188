"""Training of one member of a committee: a pure function of arrays, options and a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.models import Model, load_keras
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.scaling import InputScaling, fit_scaling

# Several optimiser steps in one call of the compiled function save about a tenth of the time.
STEPS_PER_EXECUTION = 16
VALIDATION_BATCH = 2048

OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingPlan:
    """How a member is trained: Adam on the cross entropy (paper A, section 3.1) with early stopping.

    Attributes
    ----------
    epochs : int
        At most so many passes over the training set.
    batch_size : int
        Rows in one step.
    learning_rate : float
        Of the Adam optimiser.
    patience : int
        Stop after so many epochs without a lower validation loss. The weights of the epoch with the lowest
        one are kept in any case.
    """

    epochs: int = 50
    batch_size: int = 1024
    learning_rate: float = 1e-3
    patience: int = 10

    def __post_init__(self) -> None:
        for key, most in (("epochs", 100_000), ("batch_size", 1_000_000), ("patience", 100_000)):
            value = getattr(self, key)
            if not 1 <= value <= most:
                raise ValueError(f"{key}: found {value!r}; allowed is 1 to {most}")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(f"learning_rate: found {self.learning_rate!r}; allowed is above 0 to 1")


@dataclass(frozen=True)
class TrainedMember:
    """A trained network as plain arrays: no framework is needed to read, pickle or run it.

    Attributes
    ----------
    weights : list of (kernel, bias)
        Of each dense layer, float32, shapes (inputs, outputs) and (outputs,); ReLU between the layers,
        softmax after the last.
    scaling : InputScaling or None
        What is applied to the features before the first layer.
    seed : int
    best_epoch : int
        Epoch whose weights these are, counted from 1.
    history : dict of str to list of float
        ``loss``, ``validation_loss`` and ``validation_accuracy`` of each epoch.
    """

    weights: list[tuple[np.ndarray, np.ndarray]]
    scaling: InputScaling | None
    seed: int
    best_epoch: int
    history: dict[str, list[float]] = field(default_factory=dict)

    @property
    def n_inputs(self) -> int:
        """Number of features of an object."""
        return self.weights[0][0].shape[0]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.weights[-1][0].shape[1]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, which ``np.savez`` writes without pickling."""
        arrays = {
            "seed": np.array(self.seed),
            "best_epoch": np.array(self.best_epoch),
            **{f"history_{key}": np.array(values, np.float64) for key, values in self.history.items()},
        }
        if self.scaling is not None:
            arrays |= {"scaling_centre": self.scaling.centre, "scaling_scale": self.scaling.scale}
        for number, (kernel, bias) in enumerate(self.weights):
            arrays |= {f"kernel_{number:03d}": kernel, f"bias_{number:03d}": bias}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TrainedMember:
        """Return the member that `to_arrays` took apart (also from an open ``.npz`` file)."""
        names = sorted(arrays)
        kernels = [arrays[name] for name in names if name.startswith("kernel_")]
        biases = [arrays[name] for name in names if name.startswith("bias_")]
        scaling = None
        if "scaling_centre" in names:
            scaling = InputScaling(arrays["scaling_centre"], arrays["scaling_scale"])
        return cls(
            weights=list(zip(kernels, biases, strict=True)),
            scaling=scaling,
            seed=int(arrays["seed"]),
            best_epoch=int(arrays["best_epoch"]),
            history={
                n.removeprefix("history_"): arrays[n].tolist() for n in names if n.startswith("history_")
            },
        )


def limit_threads(n: int) -> None:
    """Let the training framework of this process use ``n`` threads; call it before the first training.

    Raises
    ------
    RuntimeError
        When the framework runs in this process already, with another number: it cannot be changed then.
    InputError
        When Keras runs on another backend than TensorFlow.
    """
    threading = _tensorflow_threading()
    if (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()) == (n, n):
        return
    try:
        threading.set_intra_op_parallelism_threads(n)
        threading.set_inter_op_parallelism_threads(n)
    except RuntimeError:
        raise RuntimeError(
            f"TensorFlow has started in this process with another number of threads than {n}: "
            "call limit_threads before anything else that uses it"
        ) from None


def _tensorflow_threading() -> Any:
    backend = load_keras().backend.backend()
    if backend != "tensorflow":
        raise InputError(f"KERAS_BACKEND: found {backend!r}; training is written and tested for 'tensorflow'")
    import tensorflow

    return tensorflow.config.threading


def train_member(
    model: Model,
    plan: TrainingPlan,
    training: LabelledFeatures,
    validation: LabelledFeatures,
    seed: int,
    on_epoch: OnEpoch | None = None,
) -> TrainedMember:
    """Train one member of a committee.

    A pure function: initial weights, dropout masks and the order of the rows derive from the seed, and no
    global generator is read or changed. With one thread, which is set if the process has set nothing else,
    the same arguments give the same bits on the same machine and versions.

    Parameters
    ----------
    model, plan : Model, TrainingPlan
    training, validation : LabelledFeatures
        Unscaled features. The validation set decides only which epoch is best and when to stop.
    seed : int
        Not negative.
    on_epoch : callable, optional
        Called after each epoch with its number, from 1, and its ``loss``, ``validation_loss`` and
        ``validation_accuracy``.

    Raises
    ------
    InputError
        When the two sets do not belong together, a class has no row, or the training diverges.
    """
    _check_sets(training, validation)
    if _tensorflow_threading().get_intra_op_parallelism_threads() == 0:
        limit_threads(1)
    scaling = fit_scaling(model.input_scaling, training.features)
    scaled = [s.features if scaling is None else scaling(s.features) for s in (training, validation)]
    network = _compiled(model, plan, training, seed)
    shuffle = np.random.default_rng([seed, 1])
    labels = training.labels.astype(np.int32)
    history: dict[str, list[float]] = {"loss": [], "validation_loss": [], "validation_accuracy": []}
    best_epoch, best_loss, best_weights = 0, np.inf, []
    for epoch in range(1, plan.epochs + 1):
        order = shuffle.permutation(len(training))
        outcome = network.fit(
            scaled[0][order],
            labels[order],
            batch_size=plan.batch_size,
            validation_data=(scaled[1], validation.labels.astype(np.int32)),
            validation_batch_size=VALIDATION_BATCH,
            shuffle=False,
            verbose=0,
        ).history
        logs = {key: float(outcome[key.replace("validation", "val")][0]) for key in history}
        _refuse_divergence(logs, epoch, plan)
        for key, value in logs.items():
            history[key].append(value)
        if logs["validation_loss"] < best_loss:
            best_epoch, best_loss, best_weights = epoch, logs["validation_loss"], model.weights(network)
        if on_epoch is not None:
            on_epoch(epoch, logs)
        if epoch - best_epoch >= plan.patience:
            break
    return TrainedMember(best_weights, scaling, seed, best_epoch, history)


def _compiled(model: Model, plan: TrainingPlan, training: LabelledFeatures, seed: int) -> Any:
    keras = load_keras()
    network = model.build(training.n_inputs, len(training.classes), seed)
    network.compile(
        optimizer=keras.optimizers.Adam(plan.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # XLA on a CPU takes half as long again: 18 against 11.7 s for 300,000 rows
    )
    return network


def _check_sets(training: LabelledFeatures, validation: LabelledFeatures) -> None:
    if training.classes != validation.classes:
        raise InputError(
            f"the training set has the classes {', '.join(training.classes)}, "
            f"the validation set {', '.join(validation.classes)}"
        )
    if training.n_inputs != validation.n_inputs:
        raise InputError(
            f"the training set has {training.n_inputs} features, the validation set {validation.n_inputs}"
        )
    for name, rows in (("training", training), ("validation", validation)):
        absent = [key for key, count in rows.class_counts().items() if count == 0]
        if absent:
            raise InputError(
                f"the {name} set ({len(rows)} usable rows) has no object of class {', '.join(absent)}; "
                "add some, or drop the class"
            )


def _refuse_divergence(logs: dict[str, float], epoch: int, plan: TrainingPlan) -> None:
    if not all(np.isfinite(value) for value in logs.values()):
        raise InputError(
            f"training diverged in epoch {epoch} ({logs}): "
            f"lower learning_rate (now {plan.learning_rate}) or look for outliers in the features"
        )
