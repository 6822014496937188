"""The network of paper B: its size, its kernels of one band, and that its graph is what was trained."""

import numpy as np
import pytest

from jpasbatch.learning.backend import limit_threads_once, load_keras
from jpasbatch.learning.classifiers.convolution import ConvolutionalNetwork
from jpasbatch.learning.graph import committee_graph
from jpasbatch.learning.inference import InferenceEngine
from jpasbatch.learning.members import TrainedNetwork
from jpasbatch.learning.plan import TrainingPlan
from jpasbatch.learning.samples import LabelledFeatures
from jpasbatch.learning.training import train_network

PAPER = ConvolutionalNetwork()
BANDS = 44


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Set the number of threads before anything runs: later trainings of this process need one."""
    limit_threads_once(1)


def test_the_papers_network_has_its_parameters():
    network = PAPER.build(2 * BANDS, 2, 1)
    convolutions = (1 * 2 * 16 + 16) + (16 * 2 * 32 + 32) + (32 * 2 * 32 + 32)
    normalisations = 4 * (16 + 32 + 32)  # of which half is learnt, and half are means and variances
    dense = (2816 * 64 + 64) + (64 * 16 + 16)  # "a vector with 2816 entries"
    assert network.get_layer("flat").output.shape == (None, 2816)
    assert network.count_params() == convolutions + normalisations + dense == 184_832
    assert sum(int(np.prod(one.shape)) for one in network.trainable_variables) == 184_832 - 160
    shapes = [network.get_layer(f"convolution_{n}").output.shape[1:] for n in range(3)]
    assert shapes == [(44, 2, 16), (44, 2, 32), (44, 2, 32)]


def test_the_output_is_the_sigmoid_of_a_sum():
    network = PAPER.build(2 * BANDS, 2, 1)
    features = np.random.default_rng(0).normal(size=(7, 2 * BANDS)).astype(np.float32)
    logits = np.asarray(network(features))
    last = network.get_layer("dense_1")
    before = load_keras().Model(network.input, last.output)
    np.testing.assert_allclose(logits[:, 1], np.asarray(before(features)).sum(axis=1), rtol=1e-4, atol=1e-5)
    assert not logits[:, 0].any()  # softmax of (0, s) is the sigmoid of s


def test_the_penalty_is_on_every_kernel():
    network = ConvolutionalNetwork(l2=0.01).build(8, 2, 1)
    kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
    assert len(kernels) == 5
    expected = sum(0.01 * float((np.asarray(kernel.value) ** 2).sum()) for kernel in kernels)
    assert float(sum(np.asarray(one) for one in network.losses)) == pytest.approx(expected, rel=1e-5)
    assert not ConvolutionalNetwork(l2=0.0).build(8, 2, 1).losses


@pytest.fixture(scope="module")
def pairs() -> LabelledFeatures:
    """Return two classes that differ in one colour, at magnitudes with gaps of 0."""
    rng = np.random.default_rng(3)
    labels = (rng.random(400) < 0.3).astype(np.int16)
    magnitude = rng.uniform(18, 22, (400, 1)) + rng.normal(0, 0.2, (400, 5))
    magnitude[:, 3] += 1.5 * labels
    features = np.stack([magnitude, rng.uniform(0.01, 0.2, magnitude.shape)], axis=2)
    features[rng.random(magnitude.shape) < 0.2] = 0.0
    return LabelledFeatures(features.reshape(400, 10).astype(np.float32), labels, ("sfg", "agn"))


@pytest.mark.parametrize(("columns", "kernel"), [pytest.param(1, 1, marks=pytest.mark.slow), (2, 2), (5, 3)])
def test_the_graph_gives_what_the_trained_network_gives(pairs, columns, kernel):
    model = ConvolutionalNetwork(columns=columns, kernel=kernel, channels=(6, 5), dense=(9, 4))
    trained = []

    def keep(network):
        trained.append(network)
        return ConvolutionalNetwork.weights(model, network)

    spied = type(
        "Spied", (), {"__getattr__": lambda _, name: keep if name == "weights" else getattr(model, name)}
    )()
    member = train_network(spied, TrainingPlan(epochs=3, batch_size=50, patience=3), pairs, pairs, 1)
    if member.best_epoch < 3:
        member = TrainedNetwork(model.weights(trained[-1]), member.scaling, 1, 3, layout="banded")
    assert member.banded_layers == 2
    assert member.bands == 10 // columns
    keras = np.asarray(trained[-1].predict(member.scaling(pairs.features), verbose=0), dtype=np.float64)
    expected = np.exp(keras) / np.exp(keras).sum(axis=1, keepdims=True)
    found = InferenceEngine(committee_graph([member], 10)).members(pairs.features)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_band_is_a_plain_network():
    rng = np.random.default_rng(0)
    model = ConvolutionalNetwork(columns=2, channels=(3,), dense=(4, 2))
    member = TrainedNetwork(model.weights(model.build(2, 2, 1)), None, 1, 1, layout="banded")
    features = rng.normal(size=(5, 2)).astype(np.float32)
    assert (member.bands, member.banded_layers) == (1, 0)
    assert InferenceEngine(committee_graph([member], 2)).members(features).shape == (5, 1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "CNN"}, "kind: found 'CNN'"),
        ({"channels": ()}, "channels: found"),
        ({"dense": (64, 0)}, "dense: found"),
        ({"columns": 0}, "columns: found 0"),
        ({"kernel": 3}, "kernel: found 3; allowed is 1 to the number of columns"),
        ({"l2": -1.0}, "l2: found -1.0"),
        ({"dropout": 1.0}, "dropout: found 1.0"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ConvolutionalNetwork(**options)


def test_features_must_be_whole_bands():
    with pytest.raises(ValueError, match="7 features are not so many numbers for each band"):
        PAPER.build(7, 2, 1)
