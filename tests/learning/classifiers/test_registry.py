"""One contract for every kind of classifier, from the training to the graph that inference runs."""

import io
import json
from dataclasses import asdict

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.classifiers.registry import CLASSIFIERS
from jpasbatch.learning.classifiers.trees import BoostedTrees, RandomForest
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.members import member_from_arrays
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures

PLAN = TrainingPlan(epochs=3, batch_size=60, learning_rate=5e-3)

# A small one of every registered kind: a new one joins here and is held to the same contract.
SMALL = {
    "mlp": MultilayerPerceptron(hidden=(16, 16), dropout=0.1),
    "residual": ResidualNetwork(width=16, blocks=2, dropout=0.1),
    "cnn": ConvolutionalNetwork(channels=(8, 8), dense=(16, 8), dropout=0.1),
    "random_forest": RandomForest(trees=12),
    "boosted_trees": BoostedTrees(iterations=15, leaves=7),
}


@pytest.fixture(scope="module", params=CLASSIFIERS, ids=lambda kind: kind.kind)
def classifier(request):
    return SMALL[request.param.kind]


@pytest.fixture(scope="module")
def member(classifier, training_set, validation_set):
    return classifier.train(PLAN, training_set, validation_set, 5)


@pytest.fixture(scope="module")
def network(training_set, validation_set):
    """Return a member of another kind than most."""
    return SMALL["mlp"].train(PLAN, training_set, validation_set, 6)


def bytes_of(member):
    return {name: array.tobytes() for name, array in member.to_arrays().items()}


def probabilities(member, features):
    return InferenceEngine(committee_graph([member], features.shape[1])).members(features)[:, 0]


def test_options_carry_their_kind_and_are_plain(classifier):
    assert [kind for kind in CLASSIFIERS if kind.kind == classifier.kind] == [type(classifier)]
    assert json.loads(json.dumps(asdict(classifier)))["kind"] == classifier.kind


def test_the_same_seed_gives_the_same_bits(classifier, member, training_set, validation_set):
    before = np.random.get_state()[1].copy()
    assert bytes_of(classifier.train(PLAN, training_set, validation_set, 5)) == bytes_of(member)
    assert (np.random.get_state()[1] == before).all(), "the global generator was touched"


def test_it_learns(member, validation_set):
    found = probabilities(member, validation_set.features)
    assert (found.argmax(axis=1) == validation_set.labels).mean() > 0.7
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert found.min() >= 0.0
    assert (member.n_inputs, member.n_classes, member.seed) == (6, 3, 5)


def test_its_scores_are_those_of_the_graph(member, validation_set):
    found = probabilities(member, validation_set.features)
    accuracy = (found.argmax(axis=1) == validation_set.labels).mean()
    assert member.history["validation_accuracy"][member.best_epoch - 1] == pytest.approx(accuracy, abs=1e-6)
    right = found[np.arange(len(validation_set)), validation_set.labels]
    loss = -np.log(np.maximum(right, 1e-7)).mean()
    assert member.history["validation_loss"][member.best_epoch - 1] == pytest.approx(loss, rel=1e-4)


def test_it_survives_a_file_without_pickle(member, validation_set):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **member.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = member_from_arrays(arrays)
    assert bytes_of(again) == bytes_of(member)
    assert np.array_equal(
        probabilities(again, validation_set.features), probabilities(member, validation_set.features)
    )


def test_kinds_of_one_committee_may_differ(member, network, validation_set):
    found = InferenceEngine(committee_graph([member, network], 6)).members(validation_set.features)
    assert np.array_equal(found[:, 0], probabilities(member, validation_set.features))
    # a runtime may join steps of a graph in another way: the last bits are its own
    np.testing.assert_allclose(found[:, 1], probabilities(network, validation_set.features), atol=1e-6)


def test_soft_labels_are_learnt(classifier, member, training_set, validation_set):
    soft = np.eye(3, dtype=np.float32)[training_set.labels] * 0.5 + 0.5 / 3
    mixed = LabelledFeatures(training_set.features, training_set.labels, training_set.classes, soft)
    soft_member = classifier.train(PLAN, mixed, validation_set, 5)
    less, more = (
        probabilities(one, validation_set.features).max(axis=1).mean() for one in (soft_member, member)
    )
    assert less < more - 0.05, "a third of the labels is that of another class"


def test_a_class_without_rows_is_refused(classifier, training_set, validation_set):
    two = LabelledFeatures(training_set.features, training_set.labels % 2, training_set.classes)
    with pytest.raises(InputError, match="has no object of class qso"):
        classifier.train(PLAN, two, validation_set, 1)
