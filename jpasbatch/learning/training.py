"""Training of one network of a committee: a pure function of arrays, options and a seed, with Keras.

Everything that a later epoch depends on is in a `Snapshot`, so that a training that was cut off goes on to the
same weights on the same device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.backend import limit_threads_once, load_keras, to_numpy
from jpasbatch.learning.calibration import softmax
from jpasbatch.learning.f1 import weighted_f1
from jpasbatch.learning.losses import CrossEntropy, keras_loss, loss_of_objects
from jpasbatch.learning.members import History, TrainedNetwork
from jpasbatch.learning.network import Network, Weights
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import EpochSource, LabelledFeatures, check_sets
from jpasbatch.learning.scaling import InputScaling, fit_scaling
from jpasbatch.learning.stopping import LowestLoss, StopRule, kept_epoch, scores_of

# Several optimiser steps in one call of the compiled function save about a tenth of the time.
STEPS_PER_EXECUTION = 16
FEW_STEPS = 16
"""Epochs of so few steps are looped over here: Keras' own loop costs 60 ms, as much as they do."""

VALIDATION_BATCH = 2048
LAST_RATE = 0.01
"""Learning rate at the end of a cosine schedule, relative to that at its beginning."""

OnEpoch = Callable[[int, dict[str, float]], None]
Snapshot = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Monitor:
    """What is told and kept while a member is trained.

    Attributes
    ----------
    on_epoch : callable, optional
        Called after each epoch with its number, from 1, and its ``loss``, ``validation_loss``,
        ``validation_accuracy``, ``validation_f1`` and ``learning_rate`` (of its last step).
    save : callable, optional
        Called after each epoch with a `Snapshot` of named arrays.
    resume : Snapshot, optional
        Of an earlier training with the same arguments: its epochs are not trained again.
    begin : TrainedNetwork, optional
        Whose weights and input scaling the training begins with, instead of random weights and a scaling of its own.
    """

    on_epoch: OnEpoch | None = None
    save: Callable[[Snapshot], None] | None = None
    resume: Snapshot | None = None
    begin: TrainedNetwork | None = None


HISTORY = ("loss", "validation_loss", "validation_accuracy", "monitor")
"""What a member keeps of each epoch; what else is told of it is for those who watch."""


@dataclass
class _Progress:
    """Epochs trained so far and the one that is kept."""

    epoch: int = 0
    best_epoch: int = 0
    best_weights: Weights = field(default_factory=list)
    history: History = field(default_factory=lambda: {name: [] for name in HISTORY})

    def add(self, logs: dict[str, float], rule: StopRule, weights: Callable[[], Weights]) -> None:
        """Count an epoch."""
        self.epoch += 1
        for key in HISTORY:
            self.history[key].append(logs[key])
        if kept_epoch(rule, self.history["monitor"]) == self.epoch or not self.best_weights:
            self.best_epoch = self.epoch
            self.best_weights = weights()

    def goes_on(self, plan: TrainingPlan) -> bool:
        """Return whether another epoch follows."""
        monitors = self.history["monitor"]
        return self.epoch < plan.epochs and not (monitors and plan.stop.stops(monitors, plan.patience))


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
    built = model.build(sample.n_inputs, len(sample.classes), seed)
    if monitor.begin is None:
        scaling = fit_scaling(model.input_scaling, sample.features)
    else:
        scaling = monitor.begin.scaling
        model.assign(built, monitor.begin.weights)
    network = compiled(built, plan, sample)
    progress = _Progress() if monitor.resume is None else _restore(monitor.resume, network, plan)
    known = (_scaled(validation, scaling), validation.targets())
    while progress.goes_on(plan):
        number = progress.epoch + 1
        logs = _train_epoch(network, plan, (training.epoch(number), scaling), known, (seed, number))
        logs["monitor"] = _monitor(network, plan, logs, known[0], validation)
        logs["learning_rate"] = _learning_rate(network)
        progress.add(logs, plan.stop, lambda: model.weights(network))
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
    if _is_short(len(sample), plan):
        return _checked(_train_steps(network, plan, sample, scaling, order, validation), number, plan)
    outcome = network.fit(
        _scaled(sample, scaling)[order],
        sample.targets()[order],
        batch_size=plan.batch_size,
        validation_data=validation,
        validation_batch_size=VALIDATION_BATCH,
        shuffle=False,
        verbose=0,
    ).history
    # a penalty on the weights is part of what is minimised, and not of how well it does
    alone = "val_loss_alone" if "val_loss_alone" in outcome else "val_loss"
    names = {"loss": "loss", "validation_loss": alone, "validation_accuracy": "val_accuracy"}
    names["validation_f1"] = "val_f1"
    return _checked({key: float(outcome[name][0]) for key, name in names.items()}, number, plan)


def _is_short(rows: int, plan: TrainingPlan) -> bool:
    return -(-rows // plan.batch_size) <= FEW_STEPS


def _train_steps(
    network: Any,
    plan: TrainingPlan,
    sample: LabelledFeatures,
    scaling: InputScaling | None,
    order: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    """Take the steps of an epoch one by one, and return its scores."""
    features, targets = _scaled(sample, scaling)[order], sample.targets()[order]
    losses = []
    network.reset_metrics()
    for start in range(0, len(order), plan.batch_size):
        rows = slice(start, start + plan.batch_size)
        losses.append(network.train_on_batch(features[rows], targets[rows], return_dict=True)["loss"])
    known, truth = validation
    logits = predicted_logits(network, known)
    labels = truth.argmax(axis=1)
    weights = plan.loss.class_weights(sample.labels, truth.shape[1])
    alone = loss_of_objects(softmax(logits.astype(np.float64)), truth, weights, plan.loss.gamma).mean()
    predicted = logits.argmax(axis=1)
    return {
        "loss": float(losses[-1]),  # a mean over the steps since the metrics were reset
        "validation_loss": float(alone),
        "validation_accuracy": float((predicted == labels).mean()),
        "validation_f1": weighted_f1(predicted, labels, truth.shape[1]),
    }


def _checked(logs: dict[str, float], number: int, plan: TrainingPlan) -> dict[str, float]:
    """Return the scores of an epoch.

    Raises
    ------
    InputError
        When one is not finite.
    """
    if not all(np.isfinite(value) for value in logs.values()):
        raise InputError(
            f"training diverged in epoch {number} ({logs}): "
            f"lower learning_rate (now {plan.learning_rate}) or look for outliers in the features"
        )
    return logs


def _monitor(
    network: Any,
    plan: TrainingPlan,
    logs: dict[str, float],
    features: np.ndarray,
    validation: LabelledFeatures,
) -> float:
    """Return what the rule of stopping watches after an epoch."""
    if isinstance(plan.stop, LowestLoss):
        return -logs["validation_loss"]  # without another pass over the validation set
    logits = predicted_logits(network, features)
    scores = scores_of(logs["validation_loss"], logits, validation.labels, validation.classes)
    return plan.stop.monitor(scores)


def _learning_rate(network: Any) -> float:
    """Return the learning rate of the last step: a variable, or what a schedule gives for it."""
    keras, rate = load_keras(), network.optimizer.learning_rate
    return float(to_numpy(rate) if isinstance(rate, keras.Variable) else keras.ops.convert_to_numpy(rate))


def predicted_logits(network: Any, features: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) of scaled features."""
    parts = range(0, len(features), VALIDATION_BATCH)
    return np.concatenate(
        [np.asarray(network.predict_on_batch(features[start : start + VALIDATION_BATCH])) for start in parts]
    )


def _scaled(sample: LabelledFeatures, scaling: InputScaling | None) -> np.ndarray:
    return sample.features if scaling is None else scaling(sample.features)


def compiled(network: Any, plan: TrainingPlan, sample: LabelledFeatures) -> Any:
    """Give a network its optimiser and loss, and return it.

    Parameters
    ----------
    network : Keras model
        That gives logits.
    plan : TrainingPlan
    sample : LabelledFeatures
        Of an epoch: its number of rows is for the schedule of the learning rate, its labels are for class weights.
    """
    keras = load_keras()
    rate = plan.learning_rate
    if plan.schedule == "cosine":
        steps = -(-len(sample) // plan.batch_size) * plan.epochs
        rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps, alpha=LAST_RATE)
    decay = plan.weight_decay or None
    loss: Any = keras.losses.CategoricalCrossentropy(from_logits=True)
    if not isinstance(plan.loss, CrossEntropy):
        loss = keras_loss(plan.loss.class_weights(sample.labels, len(sample.classes)), plan.loss.gamma)
    short = _is_short(len(sample), plan)
    # within the pass over the validation set that gives the loss; where the steps are taken here, logits are at hand
    metrics: list[Any] = ["accuracy"] if short else ["accuracy", keras.metrics.F1Score("weighted", name="f1")]
    if network.losses:
        metrics.append(keras.metrics.MeanMetricWrapper(loss, name="loss_alone"))
    network.compile(
        optimizer=keras.optimizers.Adam(rate, weight_decay=decay),
        loss=loss,
        metrics=metrics,
        steps_per_execution=1 if short else STEPS_PER_EXECUTION,
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
    return _Progress(
        epoch=int(snapshot["epoch"]),
        best_epoch=int(snapshot["best_epoch"]),
        best_weights=[(snapshot[f"kernel_{n:03d}"], snapshot[f"bias_{n:03d}"]) for n in layers],
        history={key: snapshot[f"history_{key}"].tolist() for key in HISTORY},
    )
