"""One contract for every kind of loss, and the focal loss by hand."""

import numpy as np
import pytest

from jpasbatch.learning.backend import limit_threads_once, load_keras
from jpasbatch.learning.losses import (
    LOSSES,
    CrossEntropy,
    FocalLoss,
    WeightedCrossEntropy,
    keras_loss,
    loss_of_objects,
)

SMALL = {
    "cross_entropy": CrossEntropy(),
    "weighted_cross_entropy": WeightedCrossEntropy(),
    "focal": FocalLoss(alpha=0.8, gamma=1.5),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Set the number of threads before anything runs: later trainings of this process need one."""
    limit_threads_once(1)


LABELS = np.array([0, 0, 0, 1], dtype=np.int16)


@pytest.fixture(params=LOSSES, ids=lambda kind: kind.kind)
def loss(request):
    return SMALL[request.param.kind]


@pytest.fixture
def logits():
    return np.random.default_rng(2).normal(0, 3, (50, 2)).astype(np.float32)


def softmax(logits):
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def targets(rows, soft=False):
    second = np.random.default_rng(3).random(rows)
    second = second if soft else (second < 0.4).astype(float)
    return np.stack([1 - second, second], axis=1).astype(np.float32)


def test_its_name_is_registered(loss):
    assert [kind for kind in LOSSES if kind.kind == loss.kind] == [type(loss)]


def test_weights_are_those_of_classes(loss):
    weights = loss.class_weights(LABELS, 2)
    assert weights.shape == (2,)
    assert weights.dtype == np.float32
    assert (weights > 0).all()


@pytest.mark.parametrize("soft", [False, True])
def test_what_keras_minimises_is_the_formula(loss, logits, soft):
    weights = loss.class_weights(LABELS, 2)
    found = np.asarray(keras_loss(weights, loss.gamma)(targets(50, soft), logits))
    np.testing.assert_allclose(
        found, loss_of_objects(softmax(logits), targets(50, soft), weights, loss.gamma), rtol=2e-4, atol=1e-6
    )


def test_it_falls_towards_the_truth(loss):
    p = np.linspace(0.01, 0.99, 50)
    truth = np.tile([0.0, 1.0], (50, 1))
    values = loss_of_objects(np.stack([1 - p, p], axis=1), truth, loss.class_weights(LABELS, 2), loss.gamma)
    assert (np.diff(values) < 0).all()


def test_its_slope_is_finite_at_certainty(loss):
    tensorflow = pytest.importorskip("tensorflow")
    if load_keras().backend.backend() != "tensorflow":
        pytest.skip("the slope is asked of TensorFlow")
    logits = tensorflow.Variable([[60.0, -60.0], [-60.0, 60.0], [0.0, 0.0]])
    with tensorflow.GradientTape() as tape:
        value = keras_loss(loss.class_weights(LABELS, 2), loss.gamma)(targets(3), logits)
    assert np.isfinite(value.numpy()).all()
    assert np.isfinite(tape.gradient(value, logits).numpy()).all()


# the focal loss as Chen et al. 2021 print it


@pytest.mark.parametrize(
    ("y", "p", "alpha", "gamma", "expected"),
    [
        (1, 0.9, 0.99, 2, 0.99 * 0.1**2 * 0.10536051565782628),
        (1, 0.1, 0.99, 2, 0.99 * 0.9**2 * 2.302585092994046),
        (0, 0.9, 0.99, 2, 0.01 * 0.9**2 * 2.302585092994046),
        (0, 0.2, 0.25, 1, 0.75 * 0.2 * 0.22314355131420976),
        (1, 0.5, 0.5, 0, 0.5 * 0.6931471805599453),
    ],
)
def test_the_focal_loss_by_hand(y, p, alpha, gamma, expected):
    loss = FocalLoss(alpha=alpha, gamma=gamma)
    weights = loss.class_weights(LABELS, 2)
    found = loss_of_objects(np.array([[1 - p, p]]), np.array([[1.0 - y, y]]), weights, gamma)
    assert found[0] == pytest.approx(expected, rel=1e-6)
    printed = -y * alpha * (1 - p) ** gamma * np.log(p) - (1 - y) * (1 - alpha) * p**gamma * np.log(1 - p)
    assert printed == pytest.approx(expected, rel=1e-9)


def test_without_focus_it_is_half_the_cross_entropy(logits):
    focal = FocalLoss(alpha=0.5, gamma=0.0)
    truth = targets(50)
    half = loss_of_objects(softmax(logits), truth, focal.class_weights(LABELS, 2), 0.0)
    whole = -(truth * np.log(softmax(logits))).sum(axis=1)
    np.testing.assert_allclose(2 * half, whole, rtol=1e-6)
    keras = load_keras()
    theirs = np.asarray(keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None)(truth, logits))
    ours = np.asarray(keras_loss(focal.class_weights(LABELS, 2), 0.0)(truth, logits))
    np.testing.assert_allclose(2 * ours, theirs, rtol=1e-5)


def test_it_is_that_of_keras(logits):
    keras = load_keras()
    truth = targets(50)
    theirs = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=True, alpha=0.99, gamma=2.0, reduction=None
    )
    focal = FocalLoss(alpha=0.99, gamma=2.0)
    expected = np.asarray(theirs(truth[:, 1:], softmax(logits)[:, 1:].astype(np.float32)))
    found = np.asarray(keras_loss(focal.class_weights(LABELS, 2), 2.0)(truth, logits))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


def test_rare_classes_weigh_more():
    assert WeightedCrossEntropy().class_weights(LABELS, 2) == pytest.approx([4 / 6, 2.0])
    assert WeightedCrossEntropy(weights=(1.0, 9.0)).class_weights(LABELS, 2).tolist() == [1.0, 9.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FocalLoss(alpha=1.1), "alpha: found 1.1"),
        (lambda: FocalLoss(gamma=-1.0), "gamma: found -1.0"),
        (lambda: WeightedCrossEntropy(weights=(1.0, 0.0)), "weights: found"),
        (lambda: WeightedCrossEntropy(weights=(1.0,)).class_weights(LABELS, 2), "found 1 for 2 classes"),
        (lambda: FocalLoss().class_weights(LABELS, 3), "for two classes, found 3"),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
