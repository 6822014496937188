"""Random forest and boosted trees by scikit-learn, taken apart into plain arrays once they are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from jpasbatch.learning.losses import CrossEntropy
from jpasbatch.learning.members import History, TrainedTrees
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import EpochSource, LabelledFeatures, check_sets
from jpasbatch.learning.stopping import LowestLoss, kept_epoch, scores_of
from jpasbatch.learning.training import Monitor
from jpasbatch.options import Options


class Trees(Options):
    """What kinds of trees share."""

    def multiplications(self, n_inputs: int, n_classes: int) -> None:
        """Return None: trees compare and add, and multiply nothing."""


@dataclass(frozen=True)
class RandomForest(Trees):
    """A random forest with the defaults of scikit-learn, as in paper A (section 3.2).

    Soft labels, as hybrids have them, are drawn: each object gets one class with the probability of its label.

    Attributes
    ----------
    kind : "random_forest"
    trees : int
    """

    kind: Literal["random_forest"] = "random_forest"
    trees: Annotated[int, Interval(ge=1, le=10_000)] = 100

    def check_plan(self, plan: TrainingPlan) -> None:
        """Refuse a loss that trees cannot minimise, and a rule that needs epochs."""
        _check_loss(plan)
        if not isinstance(plan.stop, LowestLoss):
            raise ValueError(f"stop: a forest has no epochs for '{plan.stop.kind}' to stop at; leave it out")

    def train(
        self,
        plan: TrainingPlan,
        training: EpochSource,
        validation: LabelledFeatures,
        seed: int,
        monitor: Monitor | None = None,
    ) -> TrainedTrees:
        """Train a forest; of the plan only the class weights count, and the validation set gives only scores.

        Raises
        ------
        InputError
            When the two sets do not belong together or a class has no row.
        """
        from sklearn.ensemble import RandomForestClassifier

        sample = training.epoch(1)
        check_sets(sample, validation)
        forest = RandomForestClassifier(n_estimators=self.trees, random_state=seed)
        labels = _hard_labels(sample, seed)
        forest.fit(sample.features, labels, sample_weight=_row_weights(plan, labels, len(sample.classes)))
        history = _scores(forest, validation)
        return _forest_arrays(forest, seed, history)


@dataclass(frozen=True)
class BoostedTrees(Trees):
    """Histogram gradient boosting of scikit-learn: the baseline that paper A did not run.

    Attributes
    ----------
    kind : "boosted_trees"
    iterations : int
        Trees of each class at most; fewer where the validation loss has not fallen for `TrainingPlan.patience`.
    learning_rate : float
    leaves : int
        Of a tree, at most.
    """

    kind: Literal["boosted_trees"] = "boosted_trees"
    iterations: Annotated[int, Interval(ge=1, le=100_000)] = 300
    learning_rate: Annotated[float, Interval(gt=0, le=1)] = 0.1
    leaves: Annotated[int, Interval(ge=2, le=65_536)] = 31

    def check_plan(self, plan: TrainingPlan) -> None:
        """Refuse a loss that trees cannot minimise."""
        _check_loss(plan)

    def train(
        self,
        plan: TrainingPlan,
        training: EpochSource,
        validation: LabelledFeatures,
        seed: int,
        monitor: Monitor | None = None,
    ) -> TrainedTrees:
        """Train boosted trees on one thread; soft labels are drawn, as `RandomForest` does.

        Raises
        ------
        InputError
            When the two sets do not belong together or a class has no row.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        sample = training.epoch(1)
        check_sets(sample, validation)
        boosting = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            early_stopping=False,  # type: ignore[arg-type]  # its own would put training rows aside
            random_state=seed,
        )
        with _one_thread():
            labels = _hard_labels(sample, seed)
            boosting.fit(
                sample.features, labels, sample_weight=_row_weights(plan, labels, len(sample.classes))
            )
            history, best = _staged_scores(boosting, validation, plan)
        return _boosting_arrays(boosting, best, seed, history)


def _check_loss(plan: TrainingPlan) -> None:
    if plan.loss.gamma:
        raise ValueError(f"loss: trees cannot minimise '{plan.loss.kind}'; use 'weighted_cross_entropy'")


def _row_weights(plan: TrainingPlan, labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Return the weight of each row (n,), or None where all count alike.

    Raises
    ------
    ValueError
        For a loss that trees cannot minimise.
    """
    _check_loss(plan)
    if isinstance(plan.loss, CrossEntropy):
        return None
    return plan.loss.class_weights(labels, classes)[labels]


def _hard_labels(sample: LabelledFeatures, seed: int) -> np.ndarray:
    """Return one class (n,) of each object, drawn where its label is soft; every class occurs."""
    if sample.soft is None:
        return sample.labels
    rng = np.random.default_rng([seed, 3])
    limits = np.cumsum(sample.soft, axis=1, dtype=np.float64)
    drawn = (rng.random(len(sample))[:, None] * limits[:, -1:] >= limits).sum(axis=1)
    return np.minimum(drawn, len(sample.classes) - 1).astype(np.int16)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Boosting takes every core that it finds; workers have one each."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _scores(classifier: Any, validation: LabelledFeatures) -> History:
    probabilities = classifier.predict_proba(validation.features)
    loss, accuracy = _loss_and_accuracy(probabilities, validation)
    return {"validation_loss": [loss], "validation_accuracy": [accuracy]}


def _loss_and_accuracy(probabilities: np.ndarray, validation: LabelledFeatures) -> tuple[float, float]:
    right = probabilities[np.arange(len(validation)), validation.labels]
    accuracy = float((probabilities.argmax(axis=1) == validation.labels).mean())
    return float(-np.log(np.maximum(right, 1e-7)).mean()), accuracy


def _staged_scores(boosting: Any, validation: LabelledFeatures, plan: TrainingPlan) -> tuple[History, int]:
    """Return the scores after each iteration, and the one that the plan's rule keeps when it stops."""
    history: History = {"validation_loss": [], "validation_accuracy": [], "monitor": []}
    for probabilities in boosting.staged_predict_proba(validation.features):
        loss, accuracy = _loss_and_accuracy(probabilities, validation)
        history["validation_loss"].append(loss)
        history["validation_accuracy"].append(accuracy)
        scores = scores_of(loss, probabilities, validation.labels, validation.classes)
        history["monitor"].append(plan.stop.monitor(scores))
        if plan.stop.stops(history["monitor"], plan.patience):
            break
    return history, kept_epoch(plan.stop, history["monitor"])


def _round_down(threshold: np.ndarray) -> np.ndarray:
    """Return the largest float32 up to each threshold: x <= threshold stays true for the same float32 x."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(
        np.float32
    )


def _forest_arrays(forest: Any, seed: int, history: History) -> TrainedTrees:
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    leaf = np.concatenate([tree.children_left for tree in trees]) < 0
    value = np.concatenate([tree.value[:, 0, :] for tree in trees])
    value = np.where(leaf[:, None], value / value.sum(axis=1, keepdims=True) / len(trees), 0.0)
    return TrainedTrees(
        first=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        feature=np.where(leaf, -1, np.concatenate([tree.feature for tree in trees])).astype(np.int32),
        threshold=np.where(leaf, 0.0, _round_down(np.concatenate([tree.threshold for tree in trees]))).astype(
            np.float32
        ),
        left=np.concatenate([tree.children_left for tree in trees]).astype(np.int32),
        right=np.concatenate([tree.children_right for tree in trees]).astype(np.int32),
        value=value.astype(np.float32),
        baseline=np.zeros(value.shape[1], np.float32),
        link="mean",
        n_inputs=int(forest.n_features_in_),
        seed=seed,
        history=history,
    )


def _boosting_arrays(boosting: Any, best: int, seed: int, history: History) -> TrainedTrees:
    """Take boosted trees apart.

    Their nodes are no public attribute, but the form that scikit-learn's own converters to ONNX read; a test
    compares the result with `predict_proba`.
    """
    rounds = boosting._predictors[:best]
    nodes = [tree.nodes for one in rounds for tree in one]
    classes = len(boosting.classes_)
    # two classes share one tree, whose sum is the logarithm of the odds of the second
    target = [k if len(one) > 1 else 1 for one in rounds for k in range(len(one))]
    joined = np.concatenate(nodes)
    leaf = joined["is_leaf"].astype(bool)
    value = np.zeros((len(joined), classes), np.float32)
    value[np.arange(len(joined)), np.repeat(target, [len(part) for part in nodes])] = np.where(
        leaf, joined["value"], 0.0
    )
    baseline = np.zeros(classes, np.float32)
    baseline[-boosting._baseline_prediction.size :] = boosting._baseline_prediction.ravel()
    return TrainedTrees(
        first=np.concatenate([[0], np.cumsum([len(part) for part in nodes])]).astype(np.int64),
        feature=np.where(leaf, -1, joined["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, np.float32(0.0), _round_down(joined["num_threshold"])).astype(np.float32),
        left=np.where(leaf, -1, joined["left"].astype(np.int64)).astype(np.int32),
        right=np.where(leaf, -1, joined["right"].astype(np.int64)).astype(np.int32),
        value=value,
        baseline=baseline,
        link="softmax",
        n_inputs=int(boosting.n_features_in_),
        seed=seed,
        best_epoch=best,
        history=history,
    )
