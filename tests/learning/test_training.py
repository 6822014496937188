import io
import os
import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.backend import limit_threads_once
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.f1 import weighted_f1
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.members import TrainedNetwork, member_from_arrays
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.training import Monitor, train_network

SMALL = MultilayerPerceptron(hidden=(16, 16), dropout=0.1)
# Ten whole batches of the 600 rows: a shorter last one is traced anew by every training. Other tests have one.
PLAN = TrainingPlan(epochs=6, batch_size=60, learning_rate=5e-3)


@pytest.fixture(scope="module")
def member(training_set, validation_set):
    return train_network(SMALL, PLAN, training_set, validation_set, seed=5)


def arrays_of(member):
    return b"".join(kernel.tobytes() + bias.tobytes() for kernel, bias in member.weights)


def test_same_seed_same_bits(member, training_set, validation_set):
    np.random.default_rng().normal(size=10)
    again = train_network(SMALL, PLAN, training_set, validation_set, seed=5)
    assert arrays_of(again) == arrays_of(member)
    assert again.history == member.history


def test_another_seed_gives_another_member(member, training_set, validation_set):
    other = train_network(SMALL, TrainingPlan(epochs=1, batch_size=64), training_set, validation_set, seed=6)
    assert arrays_of(other) != arrays_of(member)


def test_it_learns_and_says_which_epoch_was_best(member):
    losses = member.history["validation_loss"]
    assert member.best_epoch == int(np.argmin(losses)) + 1
    assert min(losses) < 0.6 * np.log(3.0)
    assert max(member.history["validation_accuracy"]) > 0.8
    assert member.seed == 5
    assert (member.n_inputs, member.n_classes) == (6, 3)


def test_hidden_neurons_keep_the_maximum_norm(training_set, validation_set):
    tight = MultilayerPerceptron(hidden=(16, 16), max_norm=0.5)
    trained = train_network(
        tight, TrainingPlan(epochs=2, batch_size=60), training_set, validation_set, seed=1
    )
    for kernel, _ in trained.weights[:-1]:
        assert np.linalg.norm(kernel, axis=0).max() <= 0.5 + 1e-5


def test_early_stopping_returns_the_best_epoch(training_set, validation_set):
    rng = np.random.default_rng(0)
    noise = LabelledFeatures(
        validation_set.features, rng.permutation(validation_set.labels), validation_set.classes
    )
    told = []
    plan = TrainingPlan(epochs=40, batch_size=60, learning_rate=1e-2, patience=2)
    monitor = Monitor(on_epoch=lambda epoch, logs: told.append((epoch, logs)))
    stopped = train_network(SMALL, plan, training_set, noise, seed=1, monitor=monitor)
    losses = stopped.history["validation_loss"]
    assert len(losses) == stopped.best_epoch + 2 < 40
    assert losses[stopped.best_epoch - 1] == min(losses)
    assert [epoch for epoch, _ in told] == list(range(1, len(losses) + 1))
    assert [logs["validation_loss"] for _, logs in told] == losses
    best = train_network(
        SMALL, TrainingPlan(stopped.best_epoch, 60, 1e-2, 2), training_set, noise, seed=1
    )  # the same run, cut at its best epoch
    assert arrays_of(best) == arrays_of(stopped)


@pytest.mark.parametrize("batch_size", [20, 60])  # a loop of Keras, and one of our own
def test_f1_and_learning_rate_are_told_and_change_nothing(training_set, validation_set, batch_size):
    told = []
    plan = TrainingPlan(3, batch_size, 5e-3, schedule="cosine")
    trained = train_network(
        SMALL, plan, training_set, validation_set, 5, Monitor(on_epoch=lambda _, logs: told.append(logs))
    )
    assert trained.history.keys() == {"loss", "validation_loss", "validation_accuracy", "monitor"}
    rates = [logs["learning_rate"] for logs in told]
    assert rates == sorted(rates, reverse=True)
    assert 5e-3 > rates[0] > rates[-1] == pytest.approx(5e-5)
    assert [0 < logs["validation_f1"] <= 1 for logs in told] == [True] * 3
    engine = InferenceEngine(committee_graph([trained], training_set.n_inputs))
    predicted = engine.members(validation_set.features)[:, 0].argmax(axis=1)
    classes = len(validation_set.classes)
    f1 = weighted_f1(predicted, validation_set.labels, classes)
    assert told[trained.best_epoch - 1]["validation_f1"] == pytest.approx(f1, abs=1e-6)


def test_outliers_of_any_size_do_not_stop_it(training_set, validation_set):
    features = training_set.features.copy()
    features[:3] = [[1e6], [-1e6], [1e9]]
    dirty = LabelledFeatures(features, training_set.labels, training_set.classes)
    trained = train_network(SMALL, PLAN, dirty, validation_set, seed=5)
    assert max(trained.history["validation_accuracy"]) > 0.8


def test_unscaled_features_are_possible(training_set, validation_set):
    raw = MultilayerPerceptron(hidden=(8,), input_scaling="none")
    plan = TrainingPlan(epochs=1, batch_size=60)
    assert train_network(raw, plan, training_set, validation_set, seed=1).scaling is None


def test_divergence_is_an_error(training_set, validation_set):
    huge = LabelledFeatures(
        training_set.features * np.float32(1e34), training_set.labels, training_set.classes
    )
    raw = MultilayerPerceptron(hidden=(8,), input_scaling="none")
    with pytest.raises(InputError, match=r"training diverged in epoch 1 .* lower learning_rate"):
        train_network(raw, TrainingPlan(epochs=3, batch_size=60), huge, validation_set, seed=1)


def test_a_class_without_rows_is_named(training_set, validation_set):
    two = LabelledFeatures(training_set.features, training_set.labels % 2, training_set.classes)
    with pytest.raises(InputError, match=r"training set \(600 usable rows\) has no object of class qso"):
        train_network(SMALL, PLAN, two, validation_set, seed=1)


def test_sets_of_other_classes_or_widths_are_refused(training_set, validation_set):
    renamed = LabelledFeatures(validation_set.features, validation_set.labels, ("star", "galaxy", "agn"))
    with pytest.raises(InputError, match="validation set star, galaxy, agn"):
        train_network(SMALL, PLAN, training_set, renamed, seed=1)
    narrow = LabelledFeatures(validation_set.features[:, :5], validation_set.labels, validation_set.classes)
    with pytest.raises(InputError, match="6 features, the validation set 5"):
        train_network(SMALL, PLAN, training_set, narrow, seed=1)


@pytest.mark.parametrize("scaling", ["arcsinh", "none"])
def test_a_member_survives_a_file_without_pickle(make_member, scaling):
    member = make_member(4, scaled=scaling == "arcsinh")
    file = io.BytesIO()
    np.savez(file, **member.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = member_from_arrays(arrays)
    assert isinstance(again, TrainedNetwork)
    assert arrays_of(again) == arrays_of(member)
    assert (again.seed, again.best_epoch, again.history) == (4, 2, {"loss": [1.0, 0.5]})
    assert (again.scaling is None) == (scaling == "none")
    if again.scaling is not None:
        for one, other in zip(astuple(again.scaling), astuple(member.scaling), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("key", ["epochs", "batch_size", "patience", "learning_rate"])
def test_a_wrong_plan_is_named(key):
    with pytest.raises(ValueError, match=rf"{key}: found 0; allowed is"):
        TrainingPlan(**{key: 0})


@pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
    reason="other backends take theirs otherwise",
)
def test_the_first_number_of_threads_holds(member):
    from tensorflow.config import threading

    limit_threads_once(2)  # the training chose one before
    assert threading.get_intra_op_parallelism_threads() == threading.get_inter_op_parallelism_threads() == 1


@pytest.mark.slow
def test_another_process_gives_the_same_bits(member):
    script = (
        "import hashlib, sys; sys.path[:0] = sys.argv[1:]\n"
        "from conftest import blobs\n"
        "from test_training import PLAN, SMALL, arrays_of, train_network\n"
        "print(hashlib.sha256(arrays_of(train_network(SMALL, PLAN, blobs(600, 1), blobs(150, 2), 5))).hexdigest())"
    )
    import hashlib
    from pathlib import Path

    here = Path(__file__).resolve().parent
    run = subprocess.run(
        [sys.executable, "-c", script, str(here), str(here.parents[1])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == hashlib.sha256(arrays_of(member)).hexdigest()


class KilledError(Exception):
    """What cuts a training off."""


@pytest.mark.parametrize("schedule", [pytest.param("constant", marks=pytest.mark.slow), "cosine"])
def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(training_set, validation_set, schedule):
    plan = TrainingPlan(epochs=5, batch_size=60, learning_rate=5e-3, schedule=schedule, weight_decay=1e-4)
    whole = train_network(SMALL, plan, training_set, validation_set, seed=5)
    kept = []

    def keep(snapshot):
        file = io.BytesIO()  # as from another process
        np.savez(file, allow_pickle=False, **snapshot)
        kept.append(file)
        if len(kept) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train_network(SMALL, plan, training_set, validation_set, seed=5, monitor=Monitor(save=keep))
    kept[-1].seek(0)
    told = []
    with np.load(kept[-1], allow_pickle=False) as snapshot:
        monitor = Monitor(on_epoch=lambda epoch, _: told.append(epoch), resume=dict(snapshot))
    resumed = train_network(SMALL, plan, training_set, validation_set, seed=5, monitor=monitor)
    assert told == [4, 5]
    assert arrays_of(resumed) == arrays_of(whole)
    assert (resumed.history, resumed.best_epoch) == (whole.history, whole.best_epoch)


def test_a_snapshot_of_another_training_is_refused(training_set, validation_set):
    kept = []
    train_network(
        SMALL,
        TrainingPlan(1, 60),
        training_set,
        validation_set,
        5,
        Monitor(save=lambda s: kept.append(dict(s))),
    )
    other = MultilayerPerceptron(hidden=(16, 8), dropout=0.1)
    for model, plan in ((other, TrainingPlan(1, 60)), (SMALL, TrainingPlan(2, 60))):
        with pytest.raises(InputError, match="snapshot is of another network or plan"):
            train_network(model, plan, training_set, validation_set, 5, Monitor(resume=kept[0]))


class TwoSets:
    """Another set in every epoch, which says which one was asked for."""

    def __init__(self, one, other):
        self.sets, self.asked = (one, other), []

    def epoch(self, number):
        self.asked.append(number)
        return self.sets[number % 2]


def test_every_epoch_has_its_own_set(training_set, validation_set, make_blobs):
    source = TwoSets(training_set, make_blobs(450, 9))
    trained = train_network(SMALL, TrainingPlan(4, 64, 5e-3), source, validation_set, seed=5)
    assert source.asked == [1, 1, 2, 3, 4]
    assert len(trained.history["loss"]) == 4


def test_a_cosine_ends_slow(training_set, validation_set):
    plan = TrainingPlan(epochs=8, batch_size=60, learning_rate=0.02, schedule="cosine")
    losses = train_network(SMALL, plan, training_set, validation_set, seed=5).history["loss"]
    assert abs(losses[-1] - losses[-2]) < abs(losses[1] - losses[0])


@pytest.mark.parametrize(("key", "value"), [("schedule", "linear"), ("weight_decay", -1.0)])
def test_a_wrong_schedule_is_named(key, value):
    with pytest.raises(ValueError, match=rf"{key}: found .*; allowed"):
        TrainingPlan(**{key: value})
