"""Networks: one contract for all of them, and what makes each what it is."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from jpasbatch.learning.backend import limit_threads_once
from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.classifiers.networks import MultilayerPerceptron, ResidualNetwork
from jpasbatch.learning.members import LAYOUTS, TrainedNetwork

# A small network of every kind: a new one joins here and is held to the same contract.
NETWORKS = [
    MultilayerPerceptron(hidden=(16, 8), dropout=0.1),
    ResidualNetwork(width=8, blocks=2, dropout=0.1),
    ConvolutionalNetwork(channels=(4, 5), dense=(8, 6), dropout=0.1),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Set the number of threads before anything runs: later trainings of this process need one."""
    limit_threads_once(1)


@pytest.fixture(params=NETWORKS, ids=lambda network: network.kind)
def model(request):
    return request.param


def test_options_are_plain(model):
    assert json.loads(json.dumps(asdict(model)))["kind"] == model.kind
    assert model.layout in LAYOUTS


def test_a_network_maps_features_to_logits(model):
    network = model.build(n_inputs=6, n_classes=3, seed=1)
    logits = np.asarray(network(np.zeros((5, 6), np.float32)))
    assert logits.shape == (5, 3)


def test_the_seed_decides_the_initial_weights(model):
    def flat(seed):
        return np.concatenate([k.ravel() for k, _ in model.weights(model.build(6, 3, seed))])

    before = np.random.get_state()[1].copy()
    assert flat(1).tobytes() == flat(1).tobytes()
    assert flat(1).tobytes() != flat(2).tobytes()
    assert (np.random.get_state()[1] == before).all(), "the global generator was touched"


def test_weights_are_the_networks(model):
    network = model.build(6, 3, 1)
    weights = model.weights(network)
    assert all(kernel.dtype == bias.dtype == np.float32 for kernel, bias in weights)
    member = TrainedNetwork(weights, None, 1, 1, layout=model.layout)
    assert (member.n_inputs, member.n_classes) == (6, 3)
    assert weights[-1][0].shape[1] == weights[-1][1].shape[0] == 3
    often = [member.bands if n < member.banded_layers else 1 for n in range(len(weights))]
    products = sum(times * kernel.size for times, (kernel, _) in zip(often, weights, strict=True))
    assert model.multiplications(6, 3) == products
    if model.layout != "banded":  # whose weights are folded
        assert sum(kernel.size + bias.size for kernel, bias in weights) == network.count_params()


def test_the_papers_network():
    network = MultilayerPerceptron().build(59, 4, 1)
    assert network.count_params() == 59 * 200 + 200 + 7 * (200 * 200 + 200) + 200 * 4 + 4
    kernel = MultilayerPerceptron().weights(network)[1][0]
    assert kernel.std() == pytest.approx(np.sqrt(2.0 / 200.0), rel=0.03)  # He: variance 2 / inputs


def test_blocks_begin_small():
    model = ResidualNetwork(width=200, blocks=4)
    weights = model.weights(model.build(59, 4, 1))
    assert len(weights) == 2 + 2 * 4
    assert weights[1][0].std() == pytest.approx(np.sqrt(2.0 / 200.0), rel=0.03)
    assert weights[2][0].std() == pytest.approx(np.sqrt(1.0 / 4 / 200.0), rel=0.05)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "cnn"),
        ("hidden", ()),
        ("hidden", (0,)),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("max_norm", 0.0),
        ("max_norm", float("nan")),
        ("input_scaling", "log"),
    ],
)
def test_a_wrong_option_is_named(key, value):
    with pytest.raises(ValueError, match=rf"{key}: found .*; allowed"):
        MultilayerPerceptron(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("kind", "mlp"), ("width", 0), ("blocks", 0), ("dropout", 1.0), ("input_scaling", "log")],
)
def test_a_wrong_option_of_a_residual_network_is_named(key, value):
    with pytest.raises(ValueError, match=rf"{key}: found .*; allowed"):
        ResidualNetwork(**{key: value})
