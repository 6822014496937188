from dataclasses import replace

import numpy as np
import onnx
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.scaling import InputScaling


def by_hand(member, features):
    """Return the probabilities of a member in float64."""
    flow = features.astype(np.float64)
    if member.scaling is not None:
        flow = np.arcsinh((flow - member.scaling.centre) / member.scaling.scale)
    for layer, (kernel, bias) in enumerate(member.weights):
        flow = flow @ kernel.astype(np.float64) + bias
        flow = flow if layer == len(member.weights) - 1 else np.maximum(flow, 0.0)
    odds = np.exp(flow - flow.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def test_the_graph_computes_every_member(make_member):
    members = [make_member(1), make_member(2, (6, 4, 3), scaled=False), make_member(3, (6, 8, 8, 8, 3))]
    features = np.random.default_rng(0).standard_t(2, size=(100, 6)).astype(np.float32) * 5
    found = InferenceEngine(committee_graph(members, 6)).members(features)
    assert found.shape == (100, 3, 3)
    for number, member in enumerate(members):
        np.testing.assert_allclose(found[:, number], by_hand(member, features), atol=1e-5)


def test_members_with_different_scalings_keep_their_own(make_member):
    one, other = make_member(1), make_member(1)
    moved = InputScaling(one.scaling.centre + 3, one.scaling.scale)
    other = TrainedNetwork(other.weights, moved, 1, 1)
    features = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    found = InferenceEngine(committee_graph([one, other, one], 6)).members(features)
    np.testing.assert_allclose(found[:, 1], by_hand(other, features), atol=1e-5)
    assert np.array_equal(found[:, 0], found[:, 2])
    assert not np.allclose(found[:, 0], found[:, 1], atol=1e-3)


def test_a_shared_scaling_is_computed_once(make_member):
    graph = onnx.load_from_string(committee_graph([make_member(seed) for seed in range(4)], 6)).graph
    assert sum(node.op_type == "Asinh" for node in graph.node) == 1


def test_it_agrees_with_keras(training_set, validation_set):
    import keras

    model = MultilayerPerceptron(hidden=(32, 32, 32))
    member = model.train(TrainingPlan(epochs=2, batch_size=60), training_set, validation_set, seed=3)
    network = model.build(6, 3, seed=99)
    for name, pair in zip(("hidden_0", "hidden_1", "hidden_2", "logits"), member.weights, strict=True):
        network.get_layer(name).set_weights(list(pair))
    expected = keras.ops.softmax(network(member.scaling(validation_set.features), training=False))
    found = InferenceEngine(committee_graph([member], 6)).members(validation_set.features)[:, 0]
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)
    accuracy = (found.argmax(axis=1) == validation_set.labels).mean()
    assert accuracy == pytest.approx(member.history["validation_accuracy"][member.best_epoch - 1], abs=1e-6)


def test_the_same_members_give_the_same_bytes(make_member):
    members = [make_member(1), make_member(2)]
    assert committee_graph(members, 6) == committee_graph(members, 6)
    assert committee_graph(members, 6) != committee_graph(members[::-1], 6)


def test_the_model_is_plain_onnx_in_one_piece(make_member):
    model = onnx.load_from_string(committee_graph([make_member(1)], 6))
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert [entry.domain for entry in model.opset_import] == [""]
    assert not any(weight.external_data for weight in model.graph.initializer)


def test_kernels_of_half_precision_take_half_of_the_space_and_are_computed_with_as_they_are(make_member):
    members = [make_member(1, (6, 200, 200, 3)), make_member(2, (6, 200, 200, 3), scaled=False)]
    features = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    whole, half = (committee_graph(members, 6, half) for half in (False, True))
    assert len(half) < 0.53 * len(whole)
    found = InferenceEngine(half).members(features)
    for number, member in enumerate(members):
        kept = [(kernel.astype(np.float16), bias) for kernel, bias in member.weights]
        np.testing.assert_allclose(
            found[:, number], by_hand(replace(member, weights=kept), features), atol=1e-4
        )


def test_a_weight_that_half_precision_cannot_hold_is_refused(make_member):
    member = make_member(1)
    member.weights[1][0][0, 0] = 1e5
    with pytest.raises(InputError, match="1e\\+05 is too large for half precision"):
        committee_graph([member], 6, half=True)


def test_members_that_do_not_fit_are_refused(make_member):
    with pytest.raises(InputError, match="at least one member"):
        committee_graph([], 6)
    with pytest.raises(InputError, match="member 0 maps 6 features to 3 classes; this committee maps 7 to 3"):
        committee_graph([make_member(1)], 7)
    with pytest.raises(InputError, match="member 1 maps 6 features to 4"):
        committee_graph([make_member(1), make_member(1, (6, 8, 4))], 6)


def test_broken_weights_are_refused(make_member):
    member = make_member(1)
    member.weights[1][0][0, 0] = np.nan
    with pytest.raises(InputError, match="member 0 has weights that are not finite"):
        committee_graph([member], 6)
