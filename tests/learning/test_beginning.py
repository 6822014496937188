"""Networks that are taken out of a graph again, and trainings that begin with them."""

from dataclasses import asdict

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.beginning import networks_of
from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.manifest import DescribedMember, DescribedScaling
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.learning.training import Monitor
from tests.manifests import manifest_with

PLAN = TrainingPlan(epochs=3, batch_size=60)
MODELS = [MultilayerPerceptron(hidden=(12, 8)), ResidualNetwork(width=12, blocks=2)]
BOTH = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)


def manifest_of(model, members):
    options = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(model).items()
    }
    described = tuple(
        DescribedMember(
            one.seed, 1, 1, DescribedScaling("arcsinh", tuple(one.scaling.centre), tuple(one.scaling.scale))
        )
        for one in members
    )
    return manifest_with(
        {name: ClassDefinition((name,)) for name in "abc"}, members=described, options={"model": options}
    )


@BOTH
@pytest.mark.parametrize("half", [pytest.param(False, marks=pytest.mark.slow), True])
def test_networks_come_out_of_a_graph_as_they_went_in(model, half, training_set, validation_set):
    members = [model.train(PLAN, training_set, validation_set, seed) for seed in (1, 2)]
    found = networks_of(manifest_of(model, members), committee_graph(members, 6, half), model)
    for one, other in zip(found, members, strict=True):
        assert one.layout == other.layout
        assert np.array_equal(one.scaling.scale, other.scaling.scale)
        for (kernel, bias), (wanted, offset) in zip(one.weights, other.weights, strict=True):
            assert kernel.dtype == np.float32
            np.testing.assert_allclose(kernel, wanted, rtol=1e-3 if half else 0, atol=1e-4 if half else 0)
            assert np.array_equal(bias, offset)


@BOTH
def test_a_training_begins_where_another_one_ended(model, training_set, validation_set):
    first = model.train(PLAN, training_set, validation_set, 1)
    still = TrainingPlan(epochs=1, batch_size=60, learning_rate=1e-12)
    second = model.train(still, training_set, validation_set, 2, Monitor(begin=first))
    for (kernel, _), (wanted, _) in zip(second.weights, first.weights, strict=True):
        np.testing.assert_allclose(kernel, wanted, atol=1e-5)
    assert second.scaling is first.scaling
    assert second.history["validation_loss"][0] == pytest.approx(
        first.history["validation_loss"][first.best_epoch - 1], abs=1e-4
    )


def test_weights_of_another_network_are_refused(training_set, validation_set):
    small, large = MultilayerPerceptron(hidden=(8,)), MultilayerPerceptron(hidden=(12, 8))
    member = small.train(PLAN, training_set, validation_set, 1)
    with pytest.raises(InputError, match=r"hidden = \[8\].*hidden = \(12, 8\)"):
        networks_of(manifest_of(small, [member]), committee_graph([member], 6), large)
    with pytest.raises(InputError, match="do not fit"):
        large.train(PLAN, training_set, validation_set, 1, Monitor(begin=member))
    with pytest.raises(InputError, match="'cnn' cannot begin"):
        ConvolutionalNetwork().train(PLAN, training_set, validation_set, 1, Monitor(begin=member))


def test_a_graph_without_the_weights_is_refused(training_set, validation_set):
    model = MODELS[0]
    members = [model.train(PLAN, training_set, validation_set, seed) for seed in (1, 2)]
    with pytest.raises(InputError, match="no weights of a network for its member 1"):
        networks_of(manifest_of(model, members), committee_graph(members[:1], 6), model)
    with pytest.raises(InputError, match="cannot be read"):
        networks_of(manifest_of(model, members), b"\xff\xff no graph", model)
