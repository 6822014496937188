"""Curves of trainings: small, whole again after JSON, and with the f1 of the paper."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpasbatch.learning.curves import COLUMNS, DIGITS, Curve, StoredCurve
from jpasbatch.learning.f1 import weighted_f1
from jpasbatch.scoring.metrics import scores
from jpasbatch.storage.stores.ledger import without_undefined


def curve_of(epochs: int, best: int, seed: int = 0) -> Curve:
    rows = np.random.default_rng(seed).random((epochs, len(COLUMNS)))
    rows[:, 0] = np.arange(1, epochs + 1)
    return Curve(rows, best)


@given(epochs=st.integers(1, 3000), best=st.integers(1, 3000), most=st.integers(3, 700))
def test_thinned_curves_keep_their_ends_and_the_epoch_that_counts(epochs, best, most):
    best = min(best, epochs)
    thin = curve_of(epochs, best).thinned(most)
    assert len(thin.rows) <= most
    numbers = thin.column("epoch").tolist()
    assert numbers == sorted(set(numbers))
    assert {1.0, float(epochs), float(best)} <= set(numbers)
    assert len(thin.rows) == epochs if epochs <= most else len(thin.rows) >= most // 2


def test_curves_come_back_from_json():
    curve = curve_of(7, 3)
    curve.rows[2, 3] = np.nan
    back = Curve.of(StoredCurve(**json.loads(json.dumps(without_undefined(asdict(curve.stored()))))))
    assert back.best_epoch == 3
    np.testing.assert_allclose(back.rows, curve.rows, rtol=10.0 ** (1 - DIGITS))


def test_a_history_without_a_training_loss_has_the_validation_alone():
    curve = Curve.from_history({"validation_loss": [0.5, 0.4], "validation_accuracy": [0.1, 0.2]}, 2)
    assert curve.column("validation_loss").tolist() == [0.5, 0.4]
    assert np.isnan(curve.column("training_loss")).all()
    both = Curve.from_history({"loss": [0.9], "validation_loss": [0.5]}, 1)
    assert both.column("training_loss").tolist() == [0.9]
    assert len(Curve.from_history({}, 1).rows) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=200))
def test_the_f1_of_an_epoch_is_that_of_every_other_score(pairs):
    predicted, labels = np.array(pairs).T
    confusion = np.zeros((4, 4), dtype=np.int64)
    np.add.at(confusion, (predicted, labels), 1)
    assert weighted_f1(predicted, labels, 4) == pytest.approx(scores(confusion).weighted_f1)
