"""Training of one network of a committee: a pure function of arrays, options and a seed, with Keras.

Everything that a later epoch depends on is in a `Snapshot`, so that a training that was cut off goes on to the
same weights on the same device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.backend import limit_threads_once, load_keras, to_numpy
from jpasbatch.learning.members import History, TrainedNetwork
from jpasbatch.learning.samples import EpochSource, LabelledFeatures, check_sets
from jpasbatch.learning.scaling import InputScaling, fit_scaling

if TYPE_CHECKING:
    from jpasbatch.learning.models import Network

# Several optimiser steps in one call of the compiled function save about a tenth of the time.
STEPS_PER_EXECUTION = 16
VALIDATION_BATCH = 2048
SCHEDULES = ("constant", "cosine")
LAST_RATE = 0.01
"""Learning rate at the end of a cosine schedule, relative to that at its beginning."""

Weights = list[tuple[np.ndarray, np.ndarray]]
OnEpoch = Callable[[int, dict[str, float]], None]
Snapshot = Mapping[str, np.ndarray]


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
    schedule : {"constant", "cosine"}
        "cosine": the learning rate falls to a hundredth over all epochs, along half a cosine (Loshchilov & Hutter
        2017).
    weight_decay : float
        Decoupled from the gradient (AdamW; Loshchilov & Hutter 2019); 0 for none.
    """

    epochs: int = 50
    batch_size: int = 1024
    learning_rate: float = 1e-3
    patience: int = 10
    schedule: str = "constant"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for key, most in (("epochs", 100_000), ("batch_size", 1_000_000), ("patience", 100_000)):
            value = getattr(self, key)
            if not 1 <= value <= most:
                raise ValueError(f"{key}: found {value!r}; allowed is 1 to {most}")
        if not 0.0 < self.learning_rate <= 1.0:
            raise ValueError(f"learning_rate: found {self.learning_rate!r}; allowed is above 0 to 1")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule: found {self.schedule!r}; allowed: {', '.join(SCHEDULES)}")
        if not 0.0 <= self.weight_decay <= 1.0:
            raise ValueError(f"weight_decay: found {self.weight_decay!r}; allowed is 0 to 1")


@dataclass(frozen=True)
class Monitor:
    """What is told and kept while a member is trained.

    Attributes
    ----------
    on_epoch : callable, optional
        Called after each epoch with its number, from 1, and its ``loss``, ``validation_loss`` and
        ``validation_accuracy``.
    save : callable, optional
        Called after each epoch with a `Snapshot` of named arrays.
    resume : Snapshot, optional
        Of an earlier training with the same arguments: its epochs are not trained again.
    """

    on_epoch: OnEpoch | None = None
    save: Callable[[Snapshot], None] | None = None
    resume: Snapshot | None = None


@dataclass
class _Progress:
    """Epochs trained so far and the best of them."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = np.inf
    best_weights: Weights = field(default_factory=list)
    history: History = field(
        default_factory=lambda: {"loss": [], "validation_loss": [], "validation_accuracy": []}
    )

    def add(self, logs: dict[str, float], weights: Callable[[], Weights]) -> None:
        """Count an epoch."""
        self.epoch += 1
        for key, value in logs.items():
            self.history[key].append(value)
        if logs["validation_loss"] < self.best_loss:
            self.best_epoch, self.best_loss = self.epoch, logs["validation_loss"]
            self.best_weights = weights()


def train_network(
    model: Network,
    plan: TrainingPlan,
    training: EpochSource,
    validation: LabelledFeatures,
    seed: int,
    monitor: Monitor | None = None,
) -> TrainedNetwork:
    """Train one network.

    A pure function: initial weights, dropout masks and the order of the rows derive from the seed, and no
    global generator is read or changed. With one thread, which is set if the process has set nothing else,
    the same arguments give the same bits on the same machine and versions.

    Parameters
    ----------
    model, plan : Network, TrainingPlan
    training : EpochSource
        Unscaled features; the scaling is fitted to the first epoch.
    validation : LabelledFeatures
        Decides only which epoch is best and when to stop.
    seed : int
        Not negative.
    monitor : Monitor, optional

    Raises
    ------
    InputError
        When the two sets do not belong together, a class has no row, the training diverges, or a snapshot is of
        another training.
    """
    monitor = monitor or Monitor()
    sample = training.epoch(1)
    check_sets(sample, validation)
    limit_threads_once(1)
    scaling = fit_scaling(model.input_scaling, sample.features)
    network = compiled(model.build(sample.n_inputs, len(sample.classes), seed), plan, len(sample))
    progress = _Progress() if monitor.resume is None else _restore(monitor.resume, network, plan)
    known = (_scaled(validation, scaling), validation.targets())
    while progress.epoch < plan.epochs and progress.epoch - progress.best_epoch < plan.patience:
        number = progress.epoch + 1
        logs = _train_epoch(network, plan, (training.epoch(number), scaling), known, (seed, number))
        progress.add(logs, lambda: model.weights(network))
        if monitor.on_epoch is not None:
            monitor.on_epoch(number, logs)
        if monitor.save is not None:
            monitor.save(_snapshot(progress, network, plan))
    return TrainedNetwork(
        progress.best_weights, scaling, seed, progress.best_epoch, progress.history, model.layout
    )


def _train_epoch(
    network: Any,
    plan: TrainingPlan,
    sample_and_scaling: tuple[LabelledFeatures, InputScaling | None],
    validation: tuple[np.ndarray, np.ndarray],
    seed_and_number: tuple[int, int],
) -> dict[str, float]:
    """Pass over a training set once, in an order that seed and epoch decide, and return its scores."""
    (sample, scaling), (seed, number) = sample_and_scaling, seed_and_number
    order = np.random.default_rng([seed, 1, number]).permutation(len(sample))
    outcome = network.fit(
        _scaled(sample, scaling)[order],
        sample.targets()[order],
        batch_size=plan.batch_size,
        validation_data=validation,
        validation_batch_size=VALIDATION_BATCH,
        shuffle=False,
        verbose=0,
    ).history
    names = {"loss": "loss", "validation_loss": "val_loss", "validation_accuracy": "val_accuracy"}
    logs = {key: float(outcome[name][0]) for key, name in names.items()}
    if not all(np.isfinite(value) for value in logs.values()):
        raise InputError(
            f"training diverged in epoch {number} ({logs}): "
            f"lower learning_rate (now {plan.learning_rate}) or look for outliers in the features"
        )
    return logs


def _scaled(sample: LabelledFeatures, scaling: InputScaling | None) -> np.ndarray:
    return sample.features if scaling is None else scaling(sample.features)


def compiled(network: Any, plan: TrainingPlan, rows: int) -> Any:
    """Give a network its optimiser and loss, and return it.

    Parameters
    ----------
    network : Keras model
        That gives logits.
    plan : TrainingPlan
    rows : int
        Of an epoch, for the schedule of the learning rate.
    """
    keras = load_keras()
    rate = plan.learning_rate
    if plan.schedule == "cosine":
        steps = -(-rows // plan.batch_size) * plan.epochs
        rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps, alpha=LAST_RATE)
    decay = plan.weight_decay or None
    network.compile(
        optimizer=keras.optimizers.Adam(rate, weight_decay=decay),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # XLA on a CPU takes half as long again: 18 against 11.7 s for 300,000 rows
    )
    network.optimizer.build(network.trainable_variables)
    return network


def _variables(network: Any) -> list[Any]:
    """Return all that training changes: weights, the states of the random masks, the optimiser's memory."""
    return [*network.variables, *network.optimizer.variables]


def _snapshot(progress: _Progress, network: Any, plan: TrainingPlan) -> Snapshot:
    arrays = {
        "plan": np.array(repr(plan)),
        "epoch": np.array(progress.epoch),
        "best_epoch": np.array(progress.best_epoch),
        "best_loss": np.array(progress.best_loss),
    }
    arrays |= {f"history_{key}": np.array(values) for key, values in progress.history.items()}
    arrays |= {
        f"variable_{number:04d}": to_numpy(variable) for number, variable in enumerate(_variables(network))
    }
    for number, (kernel, bias) in enumerate(progress.best_weights):
        arrays |= {f"kernel_{number:03d}": kernel, f"bias_{number:03d}": bias}
    return arrays


def _restore(snapshot: Snapshot, network: Any, plan: TrainingPlan) -> _Progress:
    variables = _variables(network)
    names = sorted(name for name in snapshot if name.startswith("variable_"))
    same = len(names) == len(variables) and all(
        snapshot[name].shape == tuple(variable.shape) for name, variable in zip(names, variables, strict=True)
    )
    if not same or str(snapshot["plan"]) != repr(plan):
        raise InputError("the snapshot is of another network or plan; remove it to train from the beginning")
    for name, variable in zip(names, variables, strict=True):
        variable.assign(snapshot[name])
    layers = range(sum(name.startswith("kernel_") for name in snapshot))
    keys = ("loss", "validation_loss", "validation_accuracy")
    return _Progress(
        epoch=int(snapshot["epoch"]),
        best_epoch=int(snapshot["best_epoch"]),
        best_loss=float(snapshot["best_loss"]),
        best_weights=[(snapshot[f"kernel_{n:03d}"], snapshot[f"bias_{n:03d}"]) for n in layers],
        history={key: snapshot[f"history_{key}"].tolist() for key in keys},
    )
